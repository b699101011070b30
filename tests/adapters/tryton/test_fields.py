"""Fields of parties, opportunities and sales at a till: children, categories, countries, decimals, dates, clearing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import Adapter, ObjectSpec, Outcome, Record, Rejected, Write, Written
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.testing.desk import one, opened, records
from datasyncd.adapters.tryton.adapter import TrytonAdapter
from tests.servers.tryton import Database, Server

PARTY = "party.party"


@asynccontextmanager
async def parties(database: Database, *fields: str) -> AsyncIterator[Adapter]:
    """The parties with these fields mapped."""
    async with opened("tryton", Path(), ObjectSpec(PARTY, "id", fields), **database.options()) as adapter:
        yield adapter


async def update(adapter: Adapter, id: int, **fields: Any) -> Outcome:
    """Write over the present version."""
    (held,) = await adapter.read(PARTY, [str(id)])
    assert isinstance(held, Record)
    (outcome,) = await adapter.push(PARTY, [Write("update", str(id), fields, held.version)])
    return outcome


async def test_an_e_mail_address_is_changed_where_it_stands(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann", "contact_mechanisms": [["create", [
        {"type": "phone", "value": "+1 212 555 0100"},
        {"type": "email", "value": "ann@example.org", "comment": "at work"},
        {"type": "email", "value": "second@example.org"},
    ]]]})  # fmt: skip
    async with parties(crm, "name", "email", "phone", "mobile") as adapter:
        fields = (await one(adapter, PARTY, str(ann))).fields
        assert (fields["email"], fields["phone"], fields["mobile"]) == ("ann@example.org", "+1 212-555-0100", None)

        assert await update(adapter, ann, email="new@example.org", mobile="+41 79 555 01 23") == Written(str(ann))

    (row,) = crm.rows(PARTY, "contact_mechanisms.value", "contact_mechanisms.comment", "contact_mechanisms.type")
    held = [(each["type"], each["value"], each["comment"]) for each in row["contact_mechanisms."]]
    assert held == [
        ("phone", "+1 212-555-0100", None),
        ("email", "new@example.org", "at work"),
        ("email", "second@example.org", None),
        ("mobile", "+41 79 555 01 23", None),
    ]


async def test_a_cleared_address_is_put_out_of_use_and_the_next_one_counts(crm: Database) -> None:
    """F79."""
    (ann,) = crm.make(PARTY, {"name": "Ann", "contact_mechanisms": [["create", [
        {"type": "email", "value": "first@example.org"}, {"type": "email", "value": "second@example.org"},
    ]]]})  # fmt: skip
    async with parties(crm, "email") as adapter:
        assert isinstance(await update(adapter, ann, email=None), Written)
        assert (await one(adapter, PARTY, str(ann))).fields["email"] == "second@example.org"
        assert isinstance(await update(adapter, ann, email=""), Written)
        assert (await one(adapter, PARTY, str(ann))).fields["email"] is None

    held = crm.rows("party.contact_mechanism", "value", "active")
    assert [(row["value"], row["active"]) for row in held] == [
        ("first@example.org", False),
        ("second@example.org", False),
    ]


async def test_more_than_one_of_a_kind_is_told(crm: Database) -> None:
    addresses = [{"type": "email", "value": f"{n}@example.org"} for n in range(2)]
    crm.make(PARTY, {"name": "Ann", "contact_mechanisms": [["create", addresses]]}, {"name": "Ben"})
    async with parties(crm, "email", "phone") as adapter:
        await records(adapter, PARTY)
        await records(adapter, PARTY)

        assert isinstance(adapter, TrytonAdapter)
        assert adapter.concerns() == [
            "desk: 1 records of party.party have more than one contact_mechanisms[type=email] in use: the first counts"
        ]


async def test_an_address_and_its_country_are_fields_of_the_party(crm: Database) -> None:
    if not crm.ids("country.country", [["code", "=", "CH"]]):
        crm.make("country.country", {"name": "Switzerland", "code": "CH"}, {"name": "Austria", "code": "AT"})
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    names = {"addresses.street_unstructured": "Elm 1", "addresses.city": "Bern", "addresses.country.code": "CH"}
    async with parties(crm, *names) as adapter:
        assert (await one(adapter, PARTY, str(ann))).fields == {**dict.fromkeys(names), "id": ann}
        assert isinstance(await update(adapter, ann, **names), Written)
        assert (await one(adapter, PARTY, str(ann))).fields == {**names, "id": ann}
        assert len(crm.ids("party.address")) == 1

        refused = await update(adapter, ann, **{"addresses.country.code": "XX"})
        assert refused == Rejected(
            "addresses.country.code: no record of country.country with this code: make it one there",
            ("addresses.country.code",),
        )
        assert isinstance(await update(adapter, ann, **{"addresses.country.code": None}), Written)
        assert (await one(adapter, PARTY, str(ann))).fields["addresses.country.code"] is None

        found = await adapter.find(PARTY, "addresses.city", ["Bern", "Wien"])
        assert [record.key for record in found] == [str(ann)]


async def test_categories_are_a_list_of_names(crm: Database) -> None:
    vip, trade, club = crm.make("party.category", {"name": "VIP"}, {"name": "Trade"}, {"name": "Club"})
    (ann,) = crm.make(PARTY, {"name": "Ann", "categories": [["add", [vip, trade]]]})
    async with parties(crm, "categories.name") as adapter:
        assert (await one(adapter, PARTY, str(ann))).fields["categories.name"] == ["Trade", "VIP"]

        assert isinstance(await update(adapter, ann, **{"categories.name": ["Club", "VIP"]}), Written)
        (row,) = crm.rows(PARTY, "categories")
        assert sorted(row["categories"]) == sorted([vip, club])

        refused = await update(adapter, ann, **{"categories.name": ["Club", "Nobody"]})
        assert isinstance(refused, Rejected)
        assert refused.fields == ("categories.name",)
        assert "Nobody" not in refused.reason
        assert isinstance(await update(adapter, ann, **{"categories.name": None}), Written)
        assert crm.rows(PARTY, "categories")[0]["categories"] == []


async def test_a_party_that_is_not_active_is_there(crm: Database) -> None:
    """F75: who left a listing is not deleted by that."""
    ann, ben = crm.make(PARTY, {"name": "Ann"}, {"name": "Ben"})
    async with parties(crm, "name", "active") as adapter:
        crm.write(PARTY, ann, active=False)

        assert await records(adapter, PARTY) == {
            str(ann): {"name": "Ann", "active": False, "id": ann},
            str(ben): {"name": "Ben", "active": True, "id": ben},
        }
        assert isinstance(await update(adapter, ann, active=True), Written)
        assert (await one(adapter, PARTY, str(ann))).fields["active"] is True


async def test_what_the_server_says_is_read_only_is_not_written(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    async with parties(crm, "name", "full_name") as adapter:
        columns = {column.name: column for column in (await adapter.describe(PARTY)).columns}
        assert (columns["name"].writable, columns["full_name"].writable) == (True, False)
        refused = await update(adapter, ann, full_name="x")
        assert refused == Rejected("full_name: the server says that full_name is read only", ("full_name",))


@pytest.mark.parametrize(
    "name", ["nothing", "addresses.nothing", "lang.nothing.code", "addresses[nothing=1].city", "a b"]
)
async def test_a_name_that_nothing_has_is_told(crm: Database, name: str) -> None:
    async with parties(crm, name) as adapter:
        assert name not in {column.name for column in (await adapter.describe(PARTY)).columns}
        with pytest.raises(NotFound, match="has no field"):
            await records(adapter, PARTY)


async def test_two_ways_to_one_child_are_refused(crm: Database) -> None:
    async with parties(crm, "email", "contact_mechanisms.value") as adapter:
        with pytest.raises(Unsupported, match="may mean the same record"):
            await adapter.describe(PARTY)


async def test_a_record_is_named_by_its_number_alone(crm: Database) -> None:
    async with opened("tryton", Path(), ObjectSpec(PARTY, "code", ("name",)), **crm.options()) as adapter:
        with pytest.raises(Unsupported, match='`key = "id"` expected'):
            await adapter.describe(PARTY)
    spec = ObjectSpec(PARTY, "id", ("name",), cursor="create_date")
    async with opened("tryton", Path(), spec, **crm.options()) as adapter:
        with pytest.raises(Unsupported, match='`cursor = "write_date"`'):
            await adapter.describe(PARTY)


async def test_an_opportunity_keeps_its_amount_and_its_dates(tryton_server: Server) -> None:
    """F82, F85."""
    shop = tryton_server.shop
    shop.sells()
    names = (
        "description",
        "amount",
        "start_date",
        "end_date",
        "conversion_probability",
        "state",
        "party.code",
        "comment",
    )
    spec = ObjectSpec("sale.opportunity", "id", names, edited_at="last_modified_at", cursor="write_date")
    (ann,) = shop.make(PARTY, {"name": "Ann"})
    code = next(row["code"] for row in shop.rows(PARTY, "code") if row["id"] == ann)
    async with opened("tryton", Path(), spec, **shop.options()) as adapter:
        kinds = {column.name: column for column in (await adapter.describe("sale.opportunity")).columns}
        assert kinds["state"].labels[:2] == ("lead", "opportunity")
        assert not kinds["state"].writable
        fields = {
            "description": "A boat", "amount": "12345.60", "start_date": "2024-02-29", "end_date": "2026-12-31",
            "conversion_probability": 0.5, "party.code": code, "comment": "two\nlines",
        }  # fmt: skip
        (made,) = await adapter.push("sale.opportunity", [Write("create", None, fields)])
        assert isinstance(made, Written)

        held = (await one(adapter, "sale.opportunity", made.key)).fields
        assert {name: held[name] for name in fields} == fields
        assert held["state"] == "lead"
        assert held["last_modified_at"].endswith("+00:00")

        (late,) = await adapter.push("sale.opportunity", [Write("update", made.key, {"amount": "0.001"})])
        assert isinstance(late, Rejected)
        assert late.fields == ("amount",)
        (unfit,) = await adapter.push("sale.opportunity", [Write("update", made.key, {"end_date": "31.12."})])
        assert unfit == Rejected("end_date: a date expected, such as 2024-02-29", ("end_date",))
        assert [r.key for r in await adapter.find("sale.opportunity", "amount", ["12345.6"])] == []
        assert [r.key for r in await adapter.find("sale.opportunity", "amount", ["12345.60"])] == [made.key]


async def test_a_sale_at_a_till_is_read(tryton_server: Server) -> None:
    shop = tryton_server.shop
    sale = shop.sells()
    names = ("number", "date", "state", "point.name", "total", "currency.code", "lines.quantity")
    async with opened("tryton", Path(), ObjectSpec("sale.point.sale", "id", names), **shop.options()) as adapter:
        await adapter.describe("sale.point.sale")
        held = (await records(adapter, "sale.point.sale"))[str(sale)]
        assert (held["date"], held["state"], held["point.name"]) == ("2026-11-30", "open", "Till 1")
        assert (held["currency.code"], held["total"], held["lines.quantity"]) == ("EUR", "0", None)
