"""PostgreSQL: changes told by a replication slot: nothing is missed, and nothing is kept there that is kept here."""

from __future__ import annotations

import json
import re

import anyio
import msgspec
import pytest

from datasyncd.adapters.contract import Hint, ObjectSpec, Unknown, Write, Written
from datasyncd.adapters.errors import Transient, Unsupported
from datasyncd.adapters.postgres import capture, feed
from datasyncd.adapters.postgres.adapter import PostgresAdapter, PostgresOptions
from datasyncd.adapters.testing.desk import context, opened, pages
from tests.adapters.postgres.streamed import (
    CONTACTS,
    HERE,
    OTHERS,
    becomes,
    confirmed,
    desk,
    hearing,
    made,
    news,
    place,
    start,
)
from tests.servers.postgres import Database, streaming, streams_changes
from tests.servers.proxy import Fault, between


@pytest.fixture
async def shop(database: Database) -> Database:
    return await made(database)


# What is told ------------------------------------------------------------------------------------------------------


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
                assert there == {str(id)}

        there, _, cursor = await news(adapter, cursor)
        assert there == {"1"}


async def test_a_commit_that_nobody_sees_yet_is_not_taken_for_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby has to confirm it, and does not: it is on disk and told, and a reading shows the row as it was."""
    monkeypatch.setattr(feed, "VISIBLE_S", 0.05)
    with streaming() as server:
        shop = await made(server.database())
        async with (
            desk(shop) as adapter, hearing(adapter) as heard, shop.connected() as other,
            anyio.create_task_group() as tasks,
        ):  # fmt: skip
            cursor = await start(adapter)
            await shop.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
            await anyio.sleep(0.3)
            tasks.start_soon(other.execute, "UPDATE contacts SET name = 'waits' WHERE id = 2")
            await anyio.sleep(0.3)
            await shop.run("SET synchronous_commit = local", "UPDATE contacts SET name = 'behind it' WHERE id = 3")
            there, _, cursor = await news(adapter, cursor)
            everything = await pages(adapter, "contacts")
            await shop.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

            assert "2" not in there
            heard.clear()
            assert {r.key: r.fields["name"] for page in everything for r in page.records}["2"] == "name 2"
            with anyio.fail_after(10):
                while not heard or await shop.rows("SELECT name FROM contacts WHERE id = 2") != [("waits",)]:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert (await news(adapter, cursor))[0] == {"2", "3"}
            assert "2" in (await news(adapter, everything[-1].cursor or ""))[0]


async def test_many_changes_are_read_in_pages(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("INSERT INTO contacts SELECT n, 'x' FROM generate_series(1001, 3500) n")
        await shop.run("DELETE FROM contacts WHERE id % 2 = 0 AND id > 1000")
        await shop.run("UPDATE contacts SET name = 'y' WHERE id = 1001")
        found = await pages(adapter, "contacts", cursor)

        assert [page.cursor is not None for page in found] == [False, False, True]
        assert {r.key for page in found for r in page.records} == {str(n) for n in range(1001, 3501, 2)}
        assert {key for page in found for key in page.gone} == {str(n) for n in range(1002, 3501, 2)}


async def test_our_own_writes_are_no_news_but_what_triggers_make_of_them_is(shop: Database) -> None:
    await shop.run(
        "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN UPDATE contacts SET note = 'followed' WHERE id = NEW.id + 1; RETURN NULL; END$$",
        "CREATE TRIGGER follow AFTER UPDATE OF name ON contacts FOR EACH ROW EXECUTE FUNCTION follow()",
        "CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO contacts VALUES (OLD.id, 'back'); RETURN NULL; END$$",
        "CREATE TRIGGER stay AFTER DELETE ON contacts FOR EACH ROW WHEN (OLD.id = 8) EXECUTE FUNCTION stay()",
    )
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        outcomes = await adapter.push(
            "contacts",
            [
                Write("update", "1", {"name": "ours"}),
                Write("create", "30", {"name": "ours"}),
                Write("delete", "9"),
                Write("delete", "8"),
                Write("update", "4", {"id": 40}),
            ],
        )
        assert all(isinstance(outcome, Written) for outcome in outcomes)

        assert (await news(adapter, cursor))[:2] == ({"2", "8"}, set())


async def test_an_edit_of_somebody_else_is_news_whatever_we_wrote(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await adapter.push("contacts", [Write("update", "1", {"name": "ours"}), Write("update", "2", {"name": "ours"})])
        await shop.run("UPDATE contacts SET name = 'theirs' WHERE id = 1")
        await adapter.push("contacts", [Write("update", "1", {"name": "ours again"})])

        there, _, cursor = await news(adapter, cursor)
        assert there == {"1"}
        await shop.run("UPDATE contacts SET name = 'theirs' WHERE id = 1")
        assert (await news(adapter, cursor))[0] == {"1"}


async def test_a_write_of_ours_of_which_nobody_knows_whether_it_was_made_is_news(shop: Database) -> None:
    async with between(shop.server.port) as proxy:
        dsn = shop.dsn().replace(str(shop.server.port), str(proxy.port))
        async with opened("postgres", HERE, CONTACTS, dsn=dsn, slot=shop.name) as adapter:
            cursor = await start(adapter)
            proxy.fault = Fault("answer lost", b"COMMIT\0")
            (outcome,) = await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
            assert isinstance(outcome, Unknown)

            assert (await news(adapter, cursor))[0] == {"1"}


async def test_what_we_wrote_before_a_restart_is_news_and_what_a_replica_of_others_wrote_is_too(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
    await shop.run(
        f"SELECT pg_replication_origin_create('{shop.name}')",
    )
    async with shop.connected() as other:
        await other.execute(f"SELECT pg_replication_origin_session_setup('{shop.name}')")
        await other.execute("UPDATE contacts SET name = 'copied' WHERE id = 2")
    async with desk(shop) as adapter:
        assert (await news(adapter, cursor))[0] == {"1", "2"}
    await shop.run(f"SELECT pg_replication_origin_drop('{shop.name}')")


async def test_what_is_emptied_at_once_is_read_completely(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("TRUNCATE contacts", "INSERT INTO contacts VALUES (7, 'only')")
        found = await pages(adapter, "contacts", cursor)

        assert found[-1].complete
        assert found[-1].cursor != cursor
        assert [record.key for page in found for record in page.records] == ["7"]
        assert await news(adapter, found[-1].cursor or "") == (set(), set(), found[-1].cursor)


async def test_keys_of_several_columns_and_of_any_type_are_told(database: Database) -> None:
    await database.run(
        'CREATE TABLE slots (day date, at timestamptz, price numeric(6, 2), done boolean, pad char(3), "Name" text, '
        "PRIMARY KEY (day, at, price, done, pad))",
        "INSERT INTO slots VALUES ('2024-02-29', '2024-02-29 12:00+01', 1.50, true, 'a'), "
        "('2024-03-01', 'infinity', 2, false, 'b')",
    )
    await streams_changes(database, "slots")
    spec = ObjectSpec("slots", "day", ("Name",), more_keys=("at", "price", "done", "pad"))
    async with desk(database, spec) as adapter:
        cursor = await start(adapter, "slots")
        async with database.connected() as other:
            await other.execute("SET datestyle = 'SQL, DMY'")
            await other.execute("SET timezone = 'Asia/Tokyo'")
            await other.execute("""UPDATE slots SET "Name" = 'x' WHERE price = 1.5""")
            await other.execute("DELETE FROM slots WHERE price = 2")

        first, second = (
            '["2024-02-29","2024-02-29T11:00:00Z","1.5","true","a"]',
            '["2024-03-01","infinity","2","false","b"]',
        )
        there, gone, cursor = await news(adapter, cursor, "slots")
        assert (there, gone) == ({first}, {second})
        await adapter.push("slots", [Write("update", first, {"Name": "ours"})])
        assert (await news(adapter, cursor, "slots"))[:2] == (set(), set())


async def test_parts_of_a_table_are_told_as_the_table(database: Database) -> None:
    await database.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF contacts FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE high PARTITION OF contacts FOR VALUES FROM (100) TO (200)",
        "INSERT INTO contacts VALUES (1, 'a'), (101, 'b'), (102, 'c')",
        f"SELECT pg_create_logical_replication_slot('{database.name}', 'pgoutput')",
        "CREATE PUBLICATION datasyncd",
    )
    async with desk(database) as adapter:
        with pytest.raises(Unsupported, match="publish_via_partition_root = true") as told:
            await adapter.describe("contacts")
        await database.run(*re.findall(r"ALTER .*?;", str(told.value)))
        cursor = await start(adapter)
        await database.run("UPDATE high SET name = 'x' WHERE id = 101", "UPDATE contacts SET id = 50 WHERE id = 102")

        assert (await news(adapter, cursor))[:2] == ({"101", "50"}, {"102"})


# Cursors and what is acknowledged ----------------------------------------------------------------------------------


async def test_the_server_may_forget_only_what_is_committed_here(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await news(adapter, cursor)
        await becomes(shop, place(cursor))
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
        there, _, following = await news(adapter, cursor)
        assert there == {"1"}
        await anyio.sleep(0.2)
        assert await confirmed(shop) < place(following)

    # Whoever was killed here asks again from where it had come to.
    async with desk(shop) as adapter:
        assert (await news(adapter, cursor))[0] == {"1"}
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 2")
        assert (await news(adapter, following))[0] == {"2"}
        await becomes(shop, place(following))
        assert await confirmed(shop) == place(following)
    async with desk(shop) as adapter:
        assert (await news(adapter, following))[0] == {"2"}


async def test_the_object_that_is_behind_holds_the_slot(shop: Database) -> None:
    async with desk(shop, CONTACTS, OTHERS) as adapter:
        await adapter.describe("contacts")
        await adapter.describe("others")
        one, other = await start(adapter), await start(adapter, "others")
        await shop.run("INSERT INTO others VALUES (1)", "UPDATE contacts SET name = 'x' WHERE id = 1")
        before = await confirmed(shop)
        _, _, one = await news(adapter, one)
        await news(adapter, one)
        await anyio.sleep(0.2)
        assert await confirmed(shop) == before

        there, _, following = await news(adapter, other, "others")
        assert there == {"1"}
        await news(adapter, following, "others")
        await becomes(shop, min(place(one), place(following)))


async def test_an_object_that_nobody_pulls_holds_the_slot_no_longer_than_the_bound(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(shop, CONTACTS, OTHERS, slot_warn_mb=0.1) as adapter:
        cursor, other = await start(adapter), await start(adapter, "others")
        await news(adapter, other, "others")
        await shop.run("UPDATE contacts SET name = repeat('x', 50000), note = random()::text", "CHECKPOINT")
        await shop.run("INSERT INTO contacts SELECT n, repeat('x', 100) FROM generate_series(100, 3000) n")
        for held_s in (3600.0, -1.0):
            monkeypatch.setattr(feed, "HELD_S", held_s)
            before = await confirmed(shop)
            _, _, cursor = await news(adapter, cursor)
            await news(adapter, cursor)
            if held_s > 0:
                await anyio.sleep(0.2)
                assert await confirmed(shop) == before
        await becomes(shop, place(cursor))

        assert (await pages(adapter, "others", other))[-1].complete


async def test_an_object_that_is_looked_at_later_misses_nothing(shop: Database) -> None:
    async with desk(shop, CONTACTS, OTHERS) as adapter:
        cursor, other = await start(adapter), await start(adapter, "others")
    await shop.run("INSERT INTO others VALUES (1)", "UPDATE contacts SET name = 'x' WHERE id = 1")
    async with desk(shop, CONTACTS, OTHERS) as adapter:
        assert (await news(adapter, cursor))[0] == {"1"}

        assert (await news(adapter, other, "others"))[0] == {"1"}


async def test_a_cursor_that_cannot_be_followed_means_everything(shop: Database) -> None:
    async with desk(shop) as adapter:
        system, timeline, slot, at, terms = json.loads(await start(adapter))["slot"]
        for mark in (
            [system + "0", timeline, slot, at, terms], [system, "2", slot, at, terms],
            [system, timeline, "other", at, terms], [system, timeline, slot, at + 10**9, terms],
            [system, timeline, slot, 5, terms], [system, timeline, slot, at, terms + ".1"],
        ):  # fmt: skip
            found = await pages(adapter, "contacts", json.dumps({"slot": mark}))
            assert (found[-1].complete, found[-1].cursor is not None) == (True, True), mark
        for cursor in ("", "nonsense", '["at", [[1, 2]]]', '{"slot": [1]}', '{"slot": ["a", "b", "c", "d"]}'):
            assert (await pages(adapter, "contacts", cursor))[-1].complete


async def test_what_was_acknowledged_by_another_state_is_read_completely(shop: Database) -> None:
    """A state that was restored from a backup asks since a place that the server has forgotten."""
    async with desk(shop) as adapter:
        old = await start(adapter)
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
        _, _, cursor = await news(adapter, old)
        await news(adapter, cursor)
        await becomes(shop, place(cursor))
        assert (await pages(adapter, "contacts", old))[-1].complete
    async with desk(shop) as adapter:
        assert (await pages(adapter, "contacts", old))[-1].complete


async def test_a_log_that_grows_by_others_is_let_go(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RENEWED", 100_000)
    await shop.run("CREATE TABLE unrelated (id integer, name text)")
    async with desk(shop) as adapter, hearing(adapter) as heard:
        cursor = await start(adapter)
        await news(adapter, cursor)
        await shop.run("INSERT INTO unrelated SELECT n, repeat('x', 100) FROM generate_series(1, 2000) n")
        with anyio.fail_after(10):
            while len(heard) < 2:
                await pages(adapter, "contacts", cursor)
                await anyio.sleep(0.05)
        there, gone, following = await news(adapter, cursor)

        assert (there, gone) == (set(), set())
        assert place(following) > place(cursor) + 100_000
        await news(adapter, following)
        await becomes(shop, place(following))


async def test_whoever_only_looks_takes_nothing_from_the_slot(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
    looking = PostgresAdapter(
        msgspec.structs.replace(context(HERE, CONTACTS), looks=True),
        PostgresOptions(dsn=shop.dsn(), slot=shop.name),
    )
    try:
        before = await confirmed(shop)
        for since in (None, cursor):
            found = await pages(looking, "contacts", since)
            assert (found[-1].complete, found[-1].cursor) == (True, None)
        assert await shop.rows("SELECT active FROM pg_replication_slots WHERE slot_name = $1", shop.name) == [(False,)]
        assert await confirmed(shop) == before
    finally:
        await looking.aclose()


# Hints -------------------------------------------------------------------------------------------------------------


async def test_a_watch_hints_at_each_change_of_its_object_alone(shop: Database) -> None:
    async with desk(shop, CONTACTS, OTHERS) as adapter:
        await adapter.describe("others")
        async with hearing(adapter) as heard:
            await pages(adapter, "contacts")
            await anyio.sleep(0.2)
            heard.clear()
            await shop.run("INSERT INTO others VALUES (1)", "UPDATE contacts SET name = 'x' WHERE id = 99")
            await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
            await anyio.sleep(0.3)
            assert heard == []

            await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
            with anyio.fail_after(5):
                while not heard:  # noqa: ASYNC110
                    await anyio.sleep(0.01)


async def test_a_watch_that_loses_its_connection_says_so_and_pulls_go_on(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other:
        cursor = await start(adapter)
        hints = aiter(adapter.watch("contacts"))
        await anext(hints)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other.execute, END_STREAMS)
            with anyio.fail_after(10), pytest.raises(Transient, match="the stream of changes was lost"):
                await anext(hints)
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 2")

        assert (await news(adapter, cursor))[0] == {"2"}


END_STREAMS = "SELECT pg_sleep(0.2), pg_terminate_backend(pid) FROM pg_stat_replication"


async def test_a_watch_waits_for_a_slot_and_hints_when_it_is_there(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "PING_S", 0.05)
    await shop.run(f"SELECT pg_drop_replication_slot('{shop.name}')")
    async with desk(shop) as adapter, hearing(adapter) as heard:
        await anyio.sleep(0.3)
        assert heard == [Hint()]
        await shop.run(f"SELECT pg_create_logical_replication_slot('{shop.name}', 'pgoutput')")
        with anyio.fail_after(5):
            while len(heard) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.01)
