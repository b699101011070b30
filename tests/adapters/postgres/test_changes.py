"""PostgreSQL: a table in which triggers note what is changed: nothing is missed, and our own writes are no news."""

from __future__ import annotations

import json
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest

from datasyncd.adapters.contract import Adapter, Hint, ObjectSpec, Write, Written
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unsupported
from datasyncd.adapters.postgres import changes
from datasyncd.adapters.testing.desk import NOON, opened, pages
from tests.adapters.sql.news import hearing, hears, news, start
from tests.servers.postgres import Database, notes_changes

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("name",))
NOTES = "datasyncd.changes"


@pytest.fixture
async def shop(database: Database) -> Database:
    await database.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text, note text)",
        "INSERT INTO contacts SELECT n, 'name ' || n FROM generate_series(1, 9) n",
    )
    await notes_changes(database, "contacts", "id")
    return database


def desk(shop: Database, spec: ObjectSpec = CONTACTS, user: str = "postgres") -> AbstractAsyncContextManager[Adapter]:
    return opened("postgres", HERE, spec, dsn=shop.dsn(user), changes=NOTES)


async def test_only_what_changed_is_read_and_a_quiet_pull_leaves_the_cursor(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        assert await news(adapter, cursor) == (set(), set(), cursor)

        await shop.run(
            "UPDATE contacts SET name = 'x' WHERE id IN (2, 3)", "DELETE FROM contacts WHERE id = 4",
            "INSERT INTO contacts VALUES (20, 'new'), (21, 'newer')", "UPDATE contacts SET id = 50 WHERE id = 5",
            "INSERT INTO contacts VALUES (6, 'six') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            "INSERT INTO contacts VALUES (60, 'short')", "DELETE FROM contacts WHERE id = 60",
        )  # fmt: skip
        there, gone, following = await news(adapter, cursor)

        assert (there, gone) == ({"2", "3", "20", "21", "50", "6"}, {"4", "5", "60"})
        assert await news(adapter, following) == (set(), set(), following)


async def test_a_transaction_that_commits_late_is_not_missed(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other:
        cursor = await start(adapter)
        async with other.transaction():
            await other.execute("UPDATE contacts SET name = 'late' WHERE id = 1")
            for id in (2, 3):
                await shop.run(f"UPDATE contacts SET name = 'early' WHERE id = {id}")
                there, _, cursor = await news(adapter, cursor)
                assert str(id) in there
                assert "1" not in there

        there, _, cursor = await news(adapter, cursor)
        assert "1" in there
        await shop.run("UPDATE contacts SET name = 'last' WHERE id = 9")
        there, _, cursor = await news(adapter, cursor)
        assert there == {"9"}


async def test_many_changes_are_read_in_pages(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("INSERT INTO contacts SELECT n, 'x' FROM generate_series(1001, 3500) n")
        await shop.run("DELETE FROM contacts WHERE id % 2 = 0 AND id > 1000")
        await shop.run("UPDATE contacts SET name = 'y' WHERE id = 1001")
        found = await pages(adapter, "contacts", cursor)

        assert len(found) > 2
        assert [page.cursor is not None for page in found] == [False] * (len(found) - 1) + [True]
        assert {r.key for page in found for r in page.records} == {str(n) for n in range(1001, 3501, 2)}
        assert {key for page in found for key in page.gone} == {str(n) for n in range(1002, 3501, 2)}


async def test_our_own_writes_are_no_news_but_what_triggers_make_of_them_is(shop: Database) -> None:
    await shop.run(
        "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN UPDATE contacts SET note = 'followed' WHERE id = NEW.id + 1; RETURN NULL; END$$",
        "CREATE TRIGGER follow AFTER UPDATE OF name ON contacts FOR EACH ROW EXECUTE FUNCTION follow()",
    )
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        outcomes = await adapter.push(
            "contacts",
            [
                Write("update", "1", {"name": "ours"}),
                Write("create", "30", {"name": "ours"}),
                Write("delete", "9"),
            ],
        )
        assert all(isinstance(outcome, Written) for outcome in outcomes)

        assert (await news(adapter, cursor))[:2] == ({"2"}, set())


async def test_what_is_emptied_at_once_is_read_completely(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("TRUNCATE contacts", "INSERT INTO contacts VALUES (7, 'only')")
        found = await pages(adapter, "contacts", cursor)

        assert found[-1].complete
        assert found[-1].cursor != cursor
        assert [record.key for page in found for record in page.records] == ["7"]


async def test_keys_of_several_columns_and_of_any_type_are_noted(database: Database) -> None:
    await database.run(
        'CREATE TABLE slots (day date, at timestamptz, price numeric(6, 2), "Name" text, PRIMARY KEY (day, at, price))',
        "INSERT INTO slots VALUES ('2024-02-29', '2024-02-29 12:00+01', 1.50, 'a'), ('2024-03-01', 'infinity', 2, 'b')",
    )
    await notes_changes(database, "slots", "day", "at", "price")
    spec = ObjectSpec("slots", "day", ("Name",), more_keys=("at", "price"))
    async with desk(database, spec) as adapter:
        cursor = await start(adapter, "slots")
        async with database.connected() as other:
            await other.execute("SET datestyle = 'SQL, DMY'")
            await other.execute("SET timezone = 'Asia/Tokyo'")
            await other.execute("""UPDATE slots SET "Name" = 'x' WHERE price = 1.5""")
            await other.execute("DELETE FROM slots WHERE price = 2")

        there, gone, _ = await news(adapter, cursor, "slots")
        assert there == {'["2024-02-29","2024-02-29T11:00:00Z","1.5"]'}
        assert gone == {'["2024-03-01","infinity","2"]'}


async def test_missing_triggers_are_named_with_the_statements_that_make_them(shop: Database) -> None:
    await shop.run('CREATE TABLE "Other" (a integer, "it\'s" text, PRIMARY KEY (a, "it\'s"))')
    spec = ObjectSpec("Other", "a", (), more_keys=("it's",))
    async with desk(shop, spec) as adapter:
        with pytest.raises(
            Unsupported, match=r"nothing notes in datasyncd\.changes each INSERT and UPDATE and"
        ) as told:
            await adapter.describe("Other")
        statements = re.findall(r"^CREATE TRIGGER .*;$", str(told.value), re.MULTILINE)
        assert len(statements) == 4
        await shop.run(*statements[:2])
        with pytest.raises(Unsupported, match="each DELETE and TRUNCATE of"):
            await adapter.describe("Other")
        await shop.run(*statements[2:])

        await adapter.describe("Other")
        cursor = await start(adapter, "Other")
        await shop.run("""INSERT INTO "Other" VALUES (1, 'x')""")
        assert (await news(adapter, cursor, "Other"))[0] == {'["1","x"]'}


async def test_triggers_that_are_switched_off_or_note_other_columns_are_told(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("ALTER TABLE contacts DISABLE TRIGGER datasyncd_delete")
        for _ in range(2):
            with pytest.raises(NotFound, match=r"each DELETE of public\.contacts"):
                await pages(adapter, "contacts", cursor)
        with pytest.raises(Unsupported, match=r"each DELETE of public\.contacts"):
            await adapter.describe("contacts")
        await shop.run("ALTER TABLE contacts ENABLE TRIGGER datasyncd_delete")
        await news(adapter, cursor)

    await shop.run("ALTER TABLE contacts ADD code text UNIQUE")
    async with desk(shop, ObjectSpec("contacts", "code", ("name",))) as adapter:
        with pytest.raises(Unsupported, match="each INSERT and UPDATE and DELETE and TRUNCATE of"):
            await adapter.describe("contacts")


async def test_what_is_missing_for_notes_is_said(shop: Database) -> None:
    await shop.run(
        "DO $$BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        "GRANT SELECT ON contacts TO reader",
        "CREATE VIEW seen AS SELECT * FROM contacts",
    )
    async with desk(shop, user="reader") as adapter:
        with pytest.raises(Unauthorised, match="GRANT USAGE ON SCHEMA datasyncd TO reader;"):
            await adapter.describe("contacts")
        await shop.run("GRANT USAGE ON SCHEMA datasyncd TO reader")
        with pytest.raises(Unauthorised, match=r"GRANT SELECT ON datasyncd\.changes TO reader;"):
            await adapter.describe("contacts")
        await shop.run("GRANT SELECT ON datasyncd.changes TO reader")
        await news(adapter, await start(adapter))
    async with desk(shop, ObjectSpec("seen", "id", ())) as adapter:
        with pytest.raises(Unsupported, match=r"public\.seen is a view, whose changes no trigger notes"):
            await adapter.describe("seen")
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn(), changes="nowhere") as adapter:
        with pytest.raises(NotFound, match="there is no table 'nowhere'; the statements that make it are in"):
            await adapter.describe("contacts")
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn(), changes="contacts") as adapter:
        with pytest.raises(Unsupported, match="is none in which changes are noted"):
            await adapter.describe("contacts")


async def test_a_cursor_that_cannot_be_followed_means_everything(shop: Database) -> None:
    async with desk(shop) as adapter:
        table, xid, at = json.loads(await start(adapter))["changes"]
        assert at >= NOON
        for mark in (
            [table + 1, xid, at],
            [table, "99999999999", at],
            [table, xid, at - changes.OLDEST_US - 1_000_000],
        ):
            assert (await pages(adapter, "contacts", json.dumps({"changes": mark})))[-1].complete
        for cursor in ("", "nonsense", '["at", [[1, 2]]]', '{"changes": [1]}', '{"changes": ["x", "y", "z"]}'):
            assert (await pages(adapter, "contacts", cursor))[-1].complete

        old = json.dumps({"changes": [table, xid, at - changes.RENEWED_US - 1_000_000]})
        renewed = await pages(adapter, "contacts", old)
        assert [page.complete for page in renewed] == [False]
        assert renewed[-1].cursor is not None


async def test_old_notes_behind_the_cursor_are_cleared(shop: Database) -> None:
    async with desk(shop) as adapter:
        await shop.run("UPDATE contacts SET name = 'old'")
        cursor = await start(adapter)
        await shop.run(
            "UPDATE datasyncd.changes SET at = now() - interval '8 days'", "UPDATE contacts SET name = 'n' WHERE id = 1"
        )
        await news(adapter, cursor)

        assert await shop.rows("SELECT key FROM datasyncd.changes ORDER BY n") == [(["1"],)]


async def test_a_watch_hints_at_each_change_of_its_object_alone(shop: Database) -> None:
    await shop.run("CREATE TABLE other (id integer PRIMARY KEY)")
    await notes_changes(shop, "other", "id")
    async with desk(shop) as adapter, hearing(adapter) as heard:
        assert heard == [Hint()]
        await shop.run("INSERT INTO other VALUES (1)", "UPDATE contacts SET name = 'x' WHERE id = 99")
        await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
        await anyio.sleep(0.3)
        assert heard == [Hint()]

        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
        await hears(heard, 2)


async def test_a_watch_that_loses_its_connection_says_so(shop: Database) -> None:
    async with desk(shop) as adapter:
        hints = aiter(adapter.watch("contacts"))
        await anext(hints)
        await shop.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datasyncd desk'"
        )
        with anyio.fail_after(10), pytest.raises(Transient, match="the connection that listens was lost"):
            await anext(hints)
