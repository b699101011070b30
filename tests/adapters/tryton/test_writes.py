"""Writes: who wrote in between is not written over, and a refusal names its field and nobody's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from datasyncd.adapters.contract import Missing, ObjectSpec, Record, Rejected, Stale, Unknown, Version, Write, Written
from datasyncd.adapters.testing.desk import one, opened
from tests.servers.front import fronting
from tests.servers.proxy import Fault, between
from tests.servers.tryton import Database, Server, decimal

PARTY = "party.party"
SPEC = ObjectSpec(PARTY, "id", ("name", "email", "phone"))
ADDRESS = {"name": "Ann", "contact_mechanisms": [["create", [{"type": "email", "value": "ann@example.org"}]]]}


async def test_an_edit_between_our_look_and_our_write_is_not_written_over(crm: Database) -> None:
    """F13."""
    (ann,) = crm.make(PARTY, ADDRESS)
    edits: dict[str, Any] = {}
    async with fronting(crm.server.url.rstrip("/"), "/") as front:

        async def in_between(request: web.Request) -> None:
            if edits and b".write" in await request.read():
                crm.write(**edits)
                edits.clear()

        front.rule = in_between
        async with opened("tryton", Path(), SPEC, **crm.options(front.url)) as adapter:
            version = (await one(adapter, PARTY, str(ann))).version
            edits.update(model=PARTY, id=ann, name="theirs")
            assert await adapter.push(PARTY, [Write("update", str(ann), {"name": "ours"}, version)]) == [Stale()]

            version = (await one(adapter, PARTY, str(ann))).version
            (mechanism,) = crm.ids("party.contact_mechanism", [["party", "=", ann]])
            edits.update(model="party.contact_mechanism", id=mechanism, value="theirs@example.org")
            write = Write("update", str(ann), {"email": "ours@example.org"}, version)
            assert await adapter.push(PARTY, [write]) == [Stale()]

            fields = (await one(adapter, PARTY, str(ann))).fields
            assert (fields["name"], fields["email"]) == ("theirs", "theirs@example.org")

            edits.update(model=PARTY, id=ann, name="theirs again")
            assert await adapter.push(PARTY, [Write("update", str(ann), {"name": "ours"})]) == [Written(str(ann))]
            assert (await one(adapter, PARTY, str(ann))).fields["name"] == "ours"


async def test_a_child_that_was_edited_alone_is_another_version(crm: Database) -> None:
    (ann,) = crm.make(PARTY, ADDRESS)
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        version: Version = (await one(adapter, PARTY, str(ann))).version
        crm.write("party.contact_mechanism", crm.ids("party.contact_mechanism")[-1], value="theirs@example.org")
        assert await adapter.push(PARTY, [Write("update", str(ann), {"email": "x@example.org"}, version)]) == [Stale()]
        assert await adapter.push(PARTY, [Write("delete", str(ann), version=version)]) == [Stale()]


async def test_a_refusal_names_the_field_and_tells_nobody_s_data(crm: Database) -> None:
    """F103."""
    ann, ben = crm.make(PARTY, {"name": "Ann Secret"}, {"name": "Ben"})
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        outcomes = await adapter.push(
            PARTY,
            [
                Write("update", str(ann), {"name": "Ann\tSecret", "email": "a@example.org"}),
                Write("update", str(ben), {"name": "Benny", "phone": "000 secret"}),
            ],
        )

    assert outcomes == [
        Rejected(
            'the server refuses it: The value "..." for field "Name" in record "..." of "Party" contains some invalid'
            ' chars "...".',
            ("name",),
        ),
        Rejected('the server refuses it: The phone number "..." for party "..." is not valid.', ("phone",)),
    ]
    assert {row["name"] for row in crm.rows(PARTY, "name")} == {"Ann Secret", "Ben"}


async def test_what_is_gone_is_missing_and_deleted_twice_is_deleted(crm: Database) -> None:
    ann, ben = crm.make(PARTY, {"name": "Ann"}, {"name": "Ben"})
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        deletions = [Write("delete", str(each)) for each in (ann, ben, ben)]
        assert await adapter.push(PARTY, deletions) == [Written(str(each)) for each in (ann, ben, ben)]
        assert await adapter.push(PARTY, [Write("update", str(ann), {"name": "x"})]) == [Missing()]
        assert await adapter.push(PARTY, [Write("update", "no number", {"name": "x"})]) == [Missing()]


async def test_a_record_that_others_need_is_not_deleted(tryton_server: Server) -> None:
    shop = tryton_server.shop
    shop.sells()
    euro = {"name": "Secret", "code": "XXX", "symbol": "x", "digits": 2, "rounding": decimal("0.01")}
    (unused,) = shop.make("currency.currency", euro)
    (used,) = shop.ids("currency.currency", [["code", "=", "EUR"]])
    spec = ObjectSpec("currency.currency", "id", ("name", "code"))
    async with opened("tryton", Path(), spec, **shop.options()) as adapter:
        deletions = [Write("delete", str(each)) for each in (used, unused)]
        refused, gone = await adapter.push("currency.currency", deletions)
    assert isinstance(refused, Rejected)
    assert "Euro" not in refused.reason
    assert gone == Written(str(unused))


async def test_several_writes_of_one_party_are_made_in_order(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        version = (await one(adapter, PARTY, str(ann))).version
        outcomes = await adapter.push(
            PARTY,
            [
                Write("update", str(ann), {"name": "first"}, version),
                Write("update", str(ann), {"name": "second"}),
                Write("update", str(ann), {"name": "third"}, version),
            ],
        )
        assert outcomes == [Written(str(ann)), Written(str(ann)), Stale()]
        assert (await one(adapter, PARTY, str(ann))).fields["name"] == "second"


async def test_a_write_whose_answer_is_lost_is_unknown_and_is_sent_once(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    async with between(crm.server.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        async with opened("tryton", Path(), SPEC, **crm.options(url)) as adapter:
            await one(adapter, PARTY, str(ann))
            proxy.fault = Fault("answer lost", b"party.party.create")
            (lost,) = await adapter.push(PARTY, [Write("create", None, {"name": "Ben"})])
            assert isinstance(lost, Unknown)
            assert sorted(row["name"] for row in crm.rows(PARTY, "name")) == ["Ann", "Ben"]

            proxy.fault = Fault("request lost", b"party.party.write")
            (lost,) = await adapter.push(PARTY, [Write("update", str(ann), {"name": "Anna"})])
            assert isinstance(lost, Unknown)
            proxy.fault = Fault("answer lost", b"party.party.search_read")
            assert isinstance((await adapter.read(PARTY, [str(ann)]))[0], Record)


async def test_a_server_that_takes_too_long_leaves_a_write_unknown(crm: Database) -> None:
    async with between(crm.server.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        async with opened("tryton", Path(), SPEC, **crm.options(url, timeout_s=1.5)) as adapter:
            await adapter.describe(PARTY)
            proxy.fault = Fault("silence", b"party.party.create")
            (lost,) = await adapter.push(PARTY, [Write("create", None, {"name": "Ben"})])
            assert isinstance(lost, Unknown)
