"""The server: sessions, rights, patience, pulls since a cursor, and pulls while others work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Context, Moment, ObjectSpec, Write, Written
from datasyncd.adapters.errors import NotFound, OptionError, Throttled, Transient, Unauthorised, Unreachable
from datasyncd.adapters.testing.desk import one, opened, pages, records
from datasyncd.adapters.tryton.adapter import TrytonAdapter, TrytonOptions
from datasyncd.adapters.tryton.pulling import PAGE
from tests.servers.front import Front, fronting
from tests.servers.tryton import PASSWORD, Database

PARTY = "party.party"
SPEC = ObjectSpec(PARTY, "id", ("name", "email"))
MARKED = msgspec.structs.replace(SPEC, cursor="write_date")


def at_present(spec: ObjectSpec, database: Database, overlap_s: float = 300.0) -> TrytonAdapter:
    """An adapter whose daemon's clock is that of this machine."""

    def begin() -> Moment:
        return Moment(1, round(datetime.now(UTC).timestamp() * 1e6))

    context = Context("desk", Path(), begin, {spec.object: spec})
    return TrytonAdapter(context, TrytonOptions(**database.options(overlap_s=overlap_s)))


@asynccontextmanager
async def fronted(database: Database) -> AsyncIterator[tuple[Front, Adapter]]:
    """An adapter that reaches the server through a front."""
    async with (
        fronting(database.server.url.rstrip("/"), "/") as front,
        opened("tryton", Path(), SPEC, **database.options(front.url)) as adapter,
    ):
        yield front, adapter


async def test_a_session_that_the_server_forgot_is_begun_once_more(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        await one(adapter, PARTY, str(ann))
        crm.forget_sessions()

        assert await adapter.push(PARTY, [Write("update", str(ann), {"name": "Anna"})]) == [Written(str(ann))]
        crm.forget_sessions()
        assert (await one(adapter, PARTY, str(ann))).fields["name"] == "Anna"


async def test_a_wrong_password_is_told_and_not_tried_again_and_again(crm: Database) -> None:
    async with fronting(crm.server.url.rstrip("/"), "/") as front:
        options = {**crm.options(front.url), "password": "wrong one"}
        async with opened("tryton", Path(), SPEC, **options) as adapter:
            with pytest.raises(Unauthorised, match="does not let admin in") as told:
                await adapter.describe(PARTY)
            assert "wrong one" not in str(told.value)
            assert len(front.asked) == 1


async def test_what_is_not_there_is_named(crm: Database) -> None:
    async with opened("tryton", Path(), SPEC, **{**crm.options(), "database": "nothing"}) as adapter:
        with pytest.raises((NotFound, Transient)):
            await adapter.describe(PARTY)
    async with opened("tryton", Path(), ObjectSpec("party.nobody", "id", ("name",)), **crm.options()) as adapter:
        with pytest.raises(NotFound, match=r"there is no model 'party\.nobody'"):
            await adapter.describe("party.nobody")
    async with opened("tryton", Path(), SPEC, **crm.options("http://127.0.0.1:9/")) as adapter:
        with pytest.raises(Unreachable):
            await adapter.describe(PARTY)


@pytest.mark.parametrize(
    ("status", "error", "after_s"),
    [
        (429, Throttled, 7.0),
        (503, Throttled, 7.0),
        (500, Transient, None),
        (504, Transient, None),
        (302, NotFound, None),
    ],
)
async def test_a_server_that_cannot_now_is_asked_later(
    crm: Database, status: int, error: type[Exception], after_s: float | None
) -> None:
    async with fronted(crm) as (front, adapter):
        await adapter.describe(PARTY)

        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Retry-After": "7", "Location": "/x"})

        front.rule = busy
        with pytest.raises(error) as told:
            await records(adapter, PARTY)
        if isinstance(told.value, Throttled):
            assert told.value.after_s == after_s


async def test_what_is_no_json_is_no_answer(crm: Database) -> None:
    async with fronted(crm) as (front, adapter):
        await adapter.describe(PARTY)

        async def page(_request: web.Request) -> web.Response:
            return web.Response(text="<html>maintenance</html>")

        front.rule = page
        with pytest.raises(Transient, match="is not the JSON"):
            await records(adapter, PARTY)


async def test_a_user_without_rights_is_told_what_to_ask_for(crm: Database) -> None:
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    options = {**crm.options(), "user": "reader"}
    with crm.reader("reader", PARTY):
        async with opened("tryton", Path(), SPEC, **options) as adapter:
            schema = await adapter.describe(PARTY)
            assert [text for text in schema.lacks if "party.party:" in text] == [
                f"the user may not {op} records of party.party: see its access rights"
                for op in ("create", "write", "delete")
            ]
            assert (await one(adapter, PARTY, str(ann))).fields["name"] == "Ann"
            with pytest.raises(Unauthorised, match=r"may not update records of party\.party"):
                await adapter.push(PARTY, [Write("update", str(ann), {"name": "Anna"})])


async def test_a_pull_since_a_cursor_finds_what_was_written_and_what_only_a_child_tells(crm: Database) -> None:
    """F27, F28, F30, F39."""
    mail = [["create", [{"type": "email", "value": "x@example.org"}]]]
    made = crm.make(PARTY, *({"name": f"p{n}", "contact_mechanisms": mail} for n in range(5)))
    adapter = at_present(MARKED, crm, overlap_s=0)
    try:
        cursor = (await pages(adapter, PARTY))[-1].cursor
        assert cursor is not None
        crm.make(PARTY, {"name": "newest"})
        cursor = (await pages(adapter, PARTY, cursor))[-1].cursor

        crm.write(PARTY, made[1], name="written")
        crm.write(
            "party.contact_mechanism",
            crm.ids("party.contact_mechanism", [["party", "=", made[3]]])[0],
            value="y@example.org",
        )
        found = await records(adapter, PARTY, cursor)

        assert found[str(made[1])]["name"] == "written"
        assert found[str(made[3])]["email"] == "y@example.org"
        assert str(made[0]) not in found
    finally:
        await adapter.aclose()


async def test_a_clock_that_is_ahead_hides_nothing(crm: Database) -> None:
    """F32: the server's clock is ahead of the daemon's by years here."""
    (ann,) = crm.make(PARTY, {"name": "Ann"})
    async with opened("tryton", Path(), MARKED, **crm.options()) as adapter:
        cursor = (await pages(adapter, PARTY))[-1].cursor
        crm.write(PARTY, ann, name="Anna")
        assert (await records(adapter, PARTY, cursor))[str(ann)]["name"] == "Anna"


async def test_who_is_edited_while_pages_are_read_is_neither_left_out_nor_listed_twice(crm: Database) -> None:
    """F29, F37, F40: by ascending number, whatever is written meanwhile."""
    made = crm.make(PARTY, *({"name": f"p{n}"} for n in range(PAGE + 10)))
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        seen: list[str] = []
        async for page in adapter.pull(PARTY, None):
            seen += [record.key for record in page.records]
            for id in (made[0], made[-1]):
                crm.write(PARTY, id, name="changed")
        assert seen == [str(id) for id in made]


async def test_a_page_that_is_exactly_full_is_not_the_end(crm: Database) -> None:
    """F34, F35."""
    crm.make(PARTY, *({"name": f"p{n}"} for n in range(PAGE)))
    async with opened("tryton", Path(), SPEC, **crm.options()) as adapter:
        found = await pages(adapter, PARTY)
    assert [(len(page.records), page.complete) for page in found] == [(PAGE, False), (0, True)]


async def test_a_party_that_was_merged_away_is_told_as_gone_in_a_pull_since_a_cursor(crm: Database) -> None:
    """F53."""
    ann, anna = crm.make(PARTY, {"name": "Ann"}, {"name": "Ann"})
    adapter = at_present(MARKED, crm)
    try:
        cursor = (await pages(adapter, PARTY))[-1].cursor
        crm.replace_party(ann, anna)
        found = await pages(adapter, PARTY, cursor)
        assert [key for page in found for key in page.gone] == [str(ann)]
        assert [record.key for page in await pages(adapter, PARTY) for record in page.records] == [str(anna)]
    finally:
        await adapter.aclose()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "http://tryton.example.com/"}, "unencrypted"),
        ({"url": "tryton.example.com"}, "expected https://"),
        ({"url": "https://me:secret@tryton.example.com/"}, "options of their own"),
        ({"user": "a:b"}, "a colon"),
    ],
)
def test_options_that_cannot_be_are_told(wrong: dict[str, str], why: str) -> None:
    known = {"url": "https://tryton.example.com/", "database": "d", "user": "u", "password": PASSWORD}
    with pytest.raises(OptionError, match=why) as told:
        registry.find("tryton").options(**{**known, **wrong})
    assert "secret" not in str(told.value)
    assert PASSWORD not in repr(registry.find("tryton").options(**known))


def test_the_overlap_is_as_long_as_transactions_are() -> None:
    assert TrytonOptions("https://t.example/", "d", "u", "p").overlap_s == timedelta(minutes=5).total_seconds()
