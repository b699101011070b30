"""PostgreSQL: slots that are missing, lost or read by others, rights that are missing: named, with what helps."""

from __future__ import annotations

import json
import re

import pytest

from datasyncd.adapters.contract import Adapter, Concerned, ObjectSpec
from datasyncd.adapters.errors import NotFound, OptionError, Unauthorised, Unsupported
from datasyncd.adapters.postgres import feed
from datasyncd.adapters.postgres.adapter import PostgresOptions
from datasyncd.adapters.testing.desk import pages
from tests.adapters.postgres.streamed import (
    TABLES,
    desk,
    made,
    news,
    start,
)
from tests.servers.postgres import Database, Server, running, streaming, streams_changes


@pytest.fixture
async def shop(database: Database) -> Database:
    return await made(database)


# What goes wrong ---------------------------------------------------------------------------------------------------


async def test_a_slot_that_was_dropped_is_told_and_everything_read_until_it_is_back(shop: Database) -> None:
    async with desk(shop) as adapter:
        assert isinstance(adapter, Concerned)
        cursor = await start(adapter)
        assert adapter.concerns() == ()
    await shop.run(f"SELECT pg_drop_replication_slot('{shop.name}')")
    async with desk(shop) as adapter:
        assert isinstance(adapter, Concerned)
        schema = await adapter.describe("contacts")
        assert schema.warns == (
            f"there is no replication slot '{shop.name}': "
            f"SELECT pg_create_logical_replication_slot('{shop.name}', 'pgoutput');",
        )
        for _ in range(2):
            found = await pages(adapter, "contacts", cursor)
            assert (found[-1].complete, found[-1].cursor) == (True, None)
        assert adapter.concerns() == schema.warns

        (statement,) = re.findall(r"SELECT .*;", schema.warns[0])
        await shop.run("UPDATE contacts SET name = 'meanwhile' WHERE id = 1", statement)
        found = await pages(adapter, "contacts", cursor)
        assert found[-1].complete
        following = found[-1].cursor
        assert following is not None
        assert adapter.concerns() == ()
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 2")
        assert (await news(adapter, following))[0] == {"2"}


async def test_a_slot_that_has_lost_what_it_kept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with streaming(max_slot_wal_keep_size="1MB", max_wal_size="32MB", min_wal_size="32MB") as server:
        shop = server.database()
        await shop.run("CREATE TABLE contacts (id integer PRIMARY KEY, name text)", "CREATE TABLE big (name text)")
        await streams_changes(shop, "contacts")
        async with desk(shop) as adapter:
            cursor = await start(adapter)
        await shop.run("INSERT INTO contacts VALUES (1, 'missed')")
        for _ in range(4):
            await shop.run("INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 20000)", "CHECKPOINT")
        async with desk(shop) as adapter:
            assert isinstance(adapter, Concerned)
            (warning,) = (await adapter.describe("contacts")).warns
            assert "has lost what it was to keep (`max_slot_wal_keep_size` is 1MB)" in warning
            found = await pages(adapter, "contacts", cursor)
            assert [r.key for page in found for r in page.records] == ["1"]
            assert (found[-1].complete, found[-1].cursor) == (True, None)
            assert adapter.concerns() == (warning,)

            await shop.run(*re.findall(r"SELECT .*?;", warning))
            found = await pages(adapter, "contacts", cursor)
            assert found[-1].complete
            assert await news(adapter, found[-1].cursor or "") == (set(), set(), found[-1].cursor)


async def test_a_slot_that_somebody_else_reads_is_told_and_left_alone(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "IN_USE_S", 0.2)
    async with desk(shop) as first, desk(shop) as second:
        assert isinstance(second, Concerned)
        cursor = await start(first)
        found = await pages(second, "contacts", cursor)
        assert (found[-1].complete, found[-1].cursor) == (True, None)
        assert "another program reads the replication slot" in second.concerns()[0]

        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 2")
        assert (await news(first, cursor))[0] == {"2"}


async def test_after_a_failover_everything_is_read_once() -> None:
    with streaming() as primary:
        shop = await made(primary.database())
        async with desk(shop) as adapter:
            cursor = await start(adapter)
        with streaming(standby_of=primary) as standby:
            primary.stop()
            standby.run("SELECT pg_promote()")
            promoted = Database(standby, shop.name)
            await promoted.run(f"SELECT pg_create_logical_replication_slot('{shop.name}', 'pgoutput')")
            system, timeline, *_ = json.loads(cursor)["slot"]
            async with desk(promoted) as adapter:
                found = await pages(adapter, "contacts", cursor)
                assert found[-1].complete
                following = found[-1].cursor or ""
                assert json.loads(following)["slot"][:2] == [system, str(int(timeline) + 1)]

                await promoted.run("UPDATE contacts SET name = 'x' WHERE id = 2")
                assert (await news(adapter, following))[0] == {"2"}


async def test_what_is_kept_beyond_the_bound_is_told(shop: Database) -> None:
    await shop.run("CREATE TABLE big (name text)")
    async with desk(shop, slot_warn_mb=5) as adapter:
        cursor = await start(adapter)
        assert (await adapter.describe("contacts")).warns == (NO_LIMIT.format(shop.name),)
    await shop.run("INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
    async with desk(shop, slot_warn_mb=5) as adapter:
        assert isinstance(adapter, Concerned)
        warns = (await adapter.describe("contacts")).warns
        assert re.fullmatch(
            rf"the replication slot '{shop.name}' keeps \d+ MB of the server's log, of which \d+ MB are not read yet "
            r"\(nobody reads it now\)", warns[0],
        )  # fmt: skip
        await news(adapter, cursor)
        assert "keeps" in adapter.concerns()[0]


NO_LIMIT = (
    "while nobody reads the replication slot '{}', the server keeps its log without an end; set a limit: "
    "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();"
)


async def test_what_is_missing_is_named_with_the_statement_that_makes_it(database: Database) -> None:
    await database.run(
        'CREATE TABLE "Other" (a integer NOT NULL, "it\'s" text NOT NULL, n integer, UNIQUE (a, "it\'s"))',
        f"SELECT pg_create_logical_replication_slot('{database.name}', 'pgoutput')",
        'CREATE VIEW seen AS SELECT * FROM "Other"',
    )
    spec = ObjectSpec("Other", "a", (), more_keys=("it's",))
    async with desk(database, spec) as adapter:
        await repaired(database, adapter, 'CREATE PUBLICATION datasyncd FOR TABLE public."Other";')
        await repaired(database, adapter, 'ALTER TABLE "Other" REPLICA IDENTITY USING INDEX "Other_a_it\'s_key";')
        await adapter.describe("Other")
        cursor = await start(adapter, "Other")
        await database.run("""INSERT INTO "Other" VALUES (1, 'x'), (2, 'y')""", 'DELETE FROM "Other" WHERE a = 2')
        assert (await news(adapter, cursor, "Other"))[:2] == ({'["1","x"]'}, {'["2","y"]'})

        for damage, repair in (
            ("SET (publish = 'insert')", "datasyncd SET (publish = 'insert, update, delete, truncate');"),
            ('DROP TABLE "Other"', 'ALTER PUBLICATION datasyncd ADD TABLE public."Other";'),
            ('SET TABLE "Other" WHERE (a > 5)', 'ALTER PUBLICATION datasyncd DROP TABLE public."Other";'),
            ('SET TABLE "Other" (a)', 'ALTER PUBLICATION datasyncd DROP TABLE public."Other";'),
        ):  # fmt: skip
            await database.run(f"ALTER PUBLICATION datasyncd {damage}")
            await repaired(database, adapter, repair)
        await adapter.describe("Other")
    async with desk(database, ObjectSpec("seen", "a", ())) as adapter:
        with pytest.raises(Unsupported, match=r"public\.seen is a view, whose changes no slot tells"):
            await adapter.describe("seen")


async def test_a_key_of_no_index_needs_the_whole_row_as_its_identity(database: Database) -> None:
    await database.run(
        "CREATE TABLE contacts (id integer UNIQUE, name text)",
        f"SELECT pg_create_logical_replication_slot('{database.name}', 'pgoutput')",
        "CREATE PUBLICATION datasyncd FOR TABLE contacts",
    )
    async with desk(database) as adapter:
        await repaired(database, adapter, "ALTER TABLE contacts REPLICA IDENTITY FULL;", "contacts")
        cursor = await start(adapter)
        await database.run("INSERT INTO contacts VALUES (1), (2), (NULL)", "DELETE FROM contacts WHERE id = 2")

        assert (await news(adapter, cursor))[:2] == ({"1"}, {"2"})


async def repaired(database: Database, adapter: Adapter, repair: str, object: str = "Other") -> None:
    """What is wrong is told with a statement, which helps."""
    with pytest.raises(Unsupported) as told:
        await adapter.describe(object)
    assert repair in str(told.value)
    await database.run(*re.findall(r"(?:ALTER|CREATE) .*?;", str(told.value)))


async def test_a_table_that_was_not_published_for_a_while_is_read_completely(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("ALTER PUBLICATION datasyncd DROP TABLE contacts", "UPDATE contacts SET name = 'x' WHERE id = 2")
        with pytest.raises(NotFound, match=r"ALTER PUBLICATION datasyncd ADD TABLE public\.contacts;"):
            await pages(adapter, "contacts", cursor)
        await shop.run("ALTER PUBLICATION datasyncd ADD TABLE contacts")
        found = await pages(adapter, "contacts", cursor)
        assert found[-1].complete

        cursor = found[-1].cursor or ""
        await shop.run(
            "ALTER PUBLICATION datasyncd SET (publish = 'insert')", "UPDATE contacts SET name = 'y' WHERE id = 2",
            "ALTER PUBLICATION datasyncd SET (publish = 'insert, update, delete, truncate')",
        )  # fmt: skip
        assert (await pages(adapter, "contacts", cursor))[-1].complete


async def test_a_right_that_is_missing_is_named(shop: Database) -> None:
    await shop.run(
        "DO $$BEGIN CREATE ROLE streamer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        "ALTER ROLE streamer NOREPLICATION", "GRANT SELECT ON contacts TO streamer",
    )  # fmt: skip
    async with desk(shop, user="streamer") as adapter:
        with pytest.raises(Unauthorised, match="ALTER ROLE streamer REPLICATION;"):
            await adapter.describe("contacts")
        await shop.run("ALTER ROLE streamer REPLICATION")

        cursor = await start(adapter)
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 2")
        assert (await news(adapter, cursor))[0] == {"2"}


async def test_a_server_that_tells_no_changes_says_how_it_would() -> None:
    with running() as server:
        shop = server.database()
        await shop.run("CREATE TABLE contacts (id integer PRIMARY KEY, name text)")
        async with desk(shop) as adapter:
            with pytest.raises(Unsupported, match=r"`wal_level` is replica, .*ALTER SYSTEM SET wal_level = 'logical'"):
                await adapter.describe("contacts")


def test_a_slot_and_notes_of_changes_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="expected one of `slot`, `changes`"):
        PostgresOptions(dsn="postgresql://localhost/x", slot="datasyncd", changes="datasyncd.changes")


async def test_a_slot_of_another_kind_is_not_taken(shop: Database) -> None:
    await shop.run(
        f"SELECT pg_drop_replication_slot('{shop.name}')",
        f"SELECT pg_create_physical_replication_slot('{shop.name}')",
    )
    async with desk(shop) as adapter:
        (warning,) = (await adapter.describe("contacts")).warns
        assert "is a physical one; expected one of pgoutput in" in warning
        assert (await pages(adapter, "contacts"))[-1].complete
    await shop.run(f"SELECT pg_drop_replication_slot('{shop.name}')")


@pytest.mark.parametrize("older", [False, True])
async def test_a_publication_that_was_not_there_for_a_while_is_told(
    shop: Database, postgres_16: Server, older: bool
) -> None:
    """What was changed meanwhile is told by no slot: PostgreSQL 16 stops there, 18 leaves it out."""
    if older:
        shop = postgres_16.database()
        await shop.run(*TABLES)
        await streams_changes(shop, "contacts")
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("DROP PUBLICATION datasyncd", "UPDATE contacts SET name = 'x' WHERE id = 2")
        with pytest.raises((NotFound, Unsupported), match="CREATE PUBLICATION datasyncd"):
            await adapter.describe("contacts")
        await shop.run("CREATE PUBLICATION datasyncd FOR TABLE contacts")
        found = await pages(adapter, "contacts", cursor)
        assert {r.key: r.fields["name"] for page in found for r in page.records}["2"] == "x"
        assert found[-1].complete
        if older:
            assert isinstance(adapter, Concerned)
            (concern,) = adapter.concerns()
            assert "stands at a place where there was no such publication" in concern
            await shop.run(*re.findall(r"SELECT .*?;", concern))
            found = await pages(adapter, "contacts", cursor)
        assert await news(adapter, found[-1].cursor or "") == (set(), set(), found[-1].cursor)
