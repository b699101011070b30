"""MariaDB and MySQL: a table in which triggers note what is changed: nothing is missed, our own writes are no news."""

from __future__ import annotations

import json
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Adapter, Hint, ObjectSpec, Write, Written
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unsupported
from datasyncd.adapters.mysql import changes, listening
from datasyncd.adapters.testing.desk import NOON, opened, pages
from tests.adapters.sql.news import hearing, hears, news, start
from tests.servers.mysql import Database, notes_changes, triggers

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("name",))


@pytest.fixture
async def shop(mysql: Database) -> Database:
    await mysql.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name varchar(90), note text)",
        "INSERT INTO contacts SELECT seq, concat('name ', seq), NULL FROM seq_1_to_9",
    )
    await notes_changes(mysql, "contacts", "id")
    return mysql


def desk(shop: Database, spec: ObjectSpec = CONTACTS, **options: Any) -> AbstractAsyncContextManager[Adapter]:
    return opened("mysql", HERE, spec, **{"dsn": shop.dsn(), "changes": shop.notes, **options})


async def test_only_what_changed_is_read_and_a_quiet_pull_leaves_the_cursor(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        assert await news(adapter, cursor) == (set(), set(), cursor)

        await shop.run(
            "UPDATE contacts SET name = 'x' WHERE id IN (2, 3)", "DELETE FROM contacts WHERE id = 4",
            "INSERT INTO contacts (id, name) VALUES (20, 'new'), (21, 'newer')",
            "UPDATE contacts SET id = 50 WHERE id = 5",
            "INSERT INTO contacts (id, name) VALUES (6, 'six') ON DUPLICATE KEY UPDATE name = 'six'",
            "REPLACE INTO contacts (id, name) VALUES (7, 'seven')",
            "INSERT INTO contacts (id, name) VALUES (60, 'short')", "DELETE FROM contacts WHERE id = 60",
        )  # fmt: skip
        there, gone, following = await news(adapter, cursor)

        assert (there, gone) == ({"2", "3", "20", "21", "50", "6", "7"}, {"4", "5", "60"})
        assert await news(adapter, following) == (set(), set(), following)


async def test_a_transaction_that_commits_late_is_not_missed_however_long_it_takes(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F28, F30."""
    monkeypatch.setattr(changes, "GRACE_US", 0)
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        cursor = await start(adapter)
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE contacts SET name = 'late' WHERE id = 1")
        for id in (2, 3, 4):
            await shop.run(f"UPDATE contacts SET name = 'early' WHERE id = {id}")
            there, _, cursor = await news(adapter, cursor)
            assert there == {str(id)}
        await theirs.execute("UPDATE contacts SET name = 'late' WHERE id = 9")
        assert (await news(adapter, cursor))[0] == set()
        await theirs.execute("COMMIT")

        there, _, cursor = await news(adapter, cursor)
        assert there == {"1", "9"}
        await shop.run("UPDATE contacts SET name = 'last' WHERE id = 8")
        there, _, cursor = await news(adapter, cursor)
        assert there == {"8"}
        assert json.loads(cursor)["changes"][-1] == []


async def test_a_transaction_that_was_at_work_when_everything_was_read_is_not_missed(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE contacts SET name = 'late' WHERE id = 1")
        await shop.run("UPDATE contacts SET name = 'early' WHERE id = 2")
        cursor = await start(adapter)
        await theirs.execute("COMMIT")

        assert (await news(adapter, cursor))[0] == {"1"}


async def test_numbers_that_were_rolled_back_are_waited_for_no_longer(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a user with no more rights than the guide gives."""
    user = await shop.user("SELECT, TRIGGER", on="contacts")
    await shop.run(f"GRANT SELECT, DELETE ON changes TO {user}@'%'")
    async with desk(shop, dsn=shop.dsn(user)) as adapter, shop.connected() as other, other.cursor() as theirs:
        cursor = await start(adapter)
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE contacts SET name = 'never' WHERE id = 1")
        await shop.run("UPDATE contacts SET name = 'early' WHERE id = 2")
        await theirs.execute("ROLLBACK")
        _, _, cursor = await news(adapter, cursor)
        ((first, last, _at),) = json.loads(cursor)["changes"][-1]
        assert first == last

        assert await news(adapter, cursor) == (set(), set(), cursor)
        monkeypatch.setattr(changes, "GRACE_US", 0)
        _, _, following = await news(adapter, cursor)
        assert json.loads(following)["changes"][-1] == []


async def test_many_gaps_are_joined_and_nothing_in_them_is_missed(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_GAPS", 3)
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        cursor = await start(adapter)
        await theirs.execute("START TRANSACTION")
        for n in range(20):
            await theirs.execute("INSERT INTO contacts (id) VALUES (%s)", (100 + n,))
            await shop.run(f"INSERT INTO contacts (id) VALUES ({200 + n})")
        there, _, cursor = await news(adapter, cursor)
        assert there == {str(200 + n) for n in range(20)}
        assert len(json.loads(cursor)["changes"][-1]) <= 3
        await theirs.execute("COMMIT")

        there, _, cursor = await news(adapter, cursor)
        assert there >= {str(100 + n) for n in range(20)}


async def test_many_changes_are_read_in_pages(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("INSERT INTO contacts (id, name) SELECT seq, 'x' FROM seq_1001_to_3500")
        await shop.run("DELETE FROM contacts WHERE id % 2 = 0 AND id > 1000")
        await shop.run("UPDATE contacts SET name = 'y' WHERE id = 1001")
        found = await pages(adapter, "contacts", cursor)

        assert len(found) > 2
        assert [page.cursor is not None for page in found] == [False] * (len(found) - 1) + [True]
        assert {r.key for page in found for r in page.records} == {str(n) for n in range(1001, 3501, 2)}
        assert {key for page in found for key in page.gone} == {str(n) for n in range(1002, 3501, 2)}


async def test_our_own_writes_are_no_news_but_what_triggers_make_of_them_is(shop: Database) -> None:
    await shop.run(
        "CREATE TABLE orders (id integer PRIMARY KEY, state text)", "INSERT INTO orders VALUES (1, 'open')",
        "CREATE TRIGGER follow AFTER UPDATE ON contacts FOR EACH ROW FOLLOWS datasyncd_update_contacts "
        "UPDATE orders SET state = NEW.name WHERE id = NEW.id",
    )  # fmt: skip
    await notes_changes(shop, "orders", "id")
    orders = ObjectSpec("orders", "id", ("state",))
    async with opened("mysql", HERE, CONTACTS, orders, dsn=shop.dsn(), changes=shop.notes) as adapter:
        cursor, of_orders = await start(adapter), await start(adapter, "orders")
        outcomes = await adapter.push(
            "contacts",
            [Write("update", "1", {"name": "ours"}), Write("create", "30", {"name": "ours"}), Write("delete", "9")],
        )
        assert all(isinstance(outcome, Written) for outcome in outcomes)

        assert (await news(adapter, cursor))[:2] == (set(), set())
        assert (await news(adapter, of_orders, "orders"))[:2] == ({"1"}, set())


async def test_the_writes_of_one_daemon_are_news_for_another(shop: Database) -> None:
    theirs = shop.notes.replace(".changes", ".others")
    await shop.run(f"CREATE TABLE {theirs} LIKE {shop.notes}")
    await shop.run(
        *(t.replace(shop.notes, theirs).replace("datasyncd_", "other_", 1) for t in triggers(shop, "contacts", "id"))
    )
    async with desk(shop) as first, desk(shop, changes=theirs) as second:
        mine, their = await start(first), await start(second)
        await first.push("contacts", [Write("update", "1", {"name": "ours"})])

        assert (await news(first, mine))[0] == set()
        assert (await news(second, their))[0] == {"1"}


async def test_what_is_emptied_at_once_is_read_completely(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("TRUNCATE contacts")
        found = await pages(adapter, "contacts", cursor)

        assert [(list(page.records), page.complete) for page in found] == [([], True)]


async def test_keys_of_several_columns_and_of_any_type_are_noted(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE slots (day date, at datetime(6), price decimal(6, 2), `It's` varchar(9) CHARACTER SET latin1, "
        "name text, PRIMARY KEY (day, at, price, `It's`))",
        "INSERT INTO slots VALUES ('2024-02-29', '2024-02-29 12:00', 1.50, 'ü%s', 'a'), "
        "('2024-03-01', '2024-02-29 12:00:00.5', 2, '', 'b')",
    )
    await notes_changes(mysql, "slots", "day", "at", "price", "It's")
    spec = ObjectSpec("slots", "day", ("name",), more_keys=("at", "price", "It's"))
    async with desk(mysql, spec) as adapter:
        cursor = await start(adapter, "slots")
        await mysql.run("UPDATE slots SET name = 'x' WHERE price = 1.5", "DELETE FROM slots WHERE price = 2")

        there, gone, _ = await news(adapter, cursor, "slots")
        assert there == {'["2024-02-29","2024-02-29T12:00:00","1.5","ü%s"]'}
        assert gone == {'["2024-03-01","2024-02-29T12:00:00.500000","2",""]'}


async def test_a_key_that_changes_only_its_letters_is_another_one(mysql: Database) -> None:
    await mysql.run("CREATE TABLE people (id varchar(9) PRIMARY KEY)", "INSERT INTO people VALUES ('ann')")
    await notes_changes(mysql, "people", "id")
    async with desk(mysql, ObjectSpec("people", "id", ())) as adapter:
        cursor = await start(adapter, "people")
        await mysql.run("UPDATE people SET id = 'Ann'")

        assert (await news(adapter, cursor, "people"))[:2] == ({"Ann"}, {"ann"})


async def test_missing_triggers_are_named_with_the_statements_that_make_them(shop: Database) -> None:
    await shop.run("CREATE TABLE `Other%` (a integer, `it's` varchar(9), PRIMARY KEY (a, `it's`))")
    spec = ObjectSpec("Other%", "a", (), more_keys=("it's",))
    async with desk(shop, spec) as adapter:
        with pytest.raises(
            Unsupported, match=rf"nothing notes in {shop.notes} each INSERT and UPDATE and DELETE"
        ) as told:
            await adapter.describe("Other%")
        statements = re.findall(r"^CREATE TRIGGER .*;$", str(told.value), re.MULTILINE)
        assert len(statements) == 3
        await shop.run(*statements[:2])
        with pytest.raises(Unsupported, match="each DELETE of"):
            await adapter.describe("Other%")
        await shop.run(*statements[2:])

        cursor = await start(adapter, "Other%")
        await shop.run("INSERT INTO `Other%` VALUES (1, 'x')")
        assert (await news(adapter, cursor, "Other%"))[0] == {'["1","x"]'}


async def test_triggers_that_are_dropped_or_note_other_columns_are_told(shop: Database) -> None:
    async with desk(shop) as adapter:
        cursor = await start(adapter)
        await shop.run("DROP TRIGGER datasyncd_delete_contacts")
        for _ in range(2):
            with pytest.raises(NotFound, match=r"each DELETE of \w+\.contacts"):
                await pages(adapter, "contacts", cursor)
        await shop.run(triggers(shop, "contacts", "id")[2])
        await news(adapter, cursor)

    await shop.run("ALTER TABLE contacts ADD code varchar(9) UNIQUE")
    async with desk(shop, ObjectSpec("contacts", "code", ("name",))) as adapter:
        with pytest.raises(Unsupported, match="each INSERT and UPDATE and DELETE of"):
            await adapter.describe("contacts")


async def test_what_is_missing_for_notes_is_said(shop: Database) -> None:
    await shop.run("CREATE VIEW seen AS SELECT * FROM contacts", "CREATE TABLE late (at timestamp PRIMARY KEY)")
    user = await shop.user("SELECT", on="contacts")
    async with desk(shop, dsn=shop.dsn(user)) as adapter:
        with pytest.raises(NotFound, match=f"there is no table '{shop.notes}', or the user has no right there"):
            await adapter.describe("contacts")
        await shop.run(f"GRANT SELECT (n, at) ON changes TO {user}@'%'")
        with pytest.raises(Unsupported, match="has no column 'relation'"):
            await adapter.describe("contacts")
        await shop.run(f"GRANT SELECT ON changes TO {user}@'%'")
        with pytest.raises(Unauthorised, match=rf"GRANT TRIGGER ON \w+\.contacts TO '{user}'@'%';"):
            await adapter.describe("contacts")
        await shop.run(f"GRANT TRIGGER ON contacts TO {user}@'%'")
        await news(adapter, await start(adapter))
    for name, reason in (("seen", "is a view, whose changes no trigger notes"), ("late", "cannot be noted")):
        async with desk(shop, ObjectSpec(name, "id" if name == "seen" else "at", ())) as adapter:
            with pytest.raises(Unsupported, match=reason):
                await adapter.describe(name)
    async with desk(shop, changes="contacts") as adapter:
        with pytest.raises(Unsupported, match="it is no table in which changes are noted"):
            await adapter.describe("contacts")


async def test_what_foreign_keys_change_by_themselves_is_named(shop: Database) -> None:
    await shop.run(
        "CREATE TABLE orders (id integer PRIMARY KEY, contact integer, "
        "CONSTRAINT of_contact FOREIGN KEY (contact) REFERENCES contacts (id) ON DELETE CASCADE)"
    )
    await notes_changes(shop, "orders", "id")
    async with desk(shop, ObjectSpec("orders", "id", ("contact",))) as adapter:
        schema = await adapter.describe("orders")

        assert schema.warns == (
            f"no trigger notes what the foreign key of_contact changes in {shop.name}.orders: set a `sweep`",
        )


async def test_a_cursor_that_cannot_be_followed_means_everything(shop: Database) -> None:
    async with desk(shop) as adapter:
        await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
        notes, table, n, at, gaps = json.loads(await start(adapter))["changes"]
        assert at >= NOON
        for mark in (
            [notes + "x", table, n, at, gaps], [notes, table + "x", n, at, gaps], [notes, table, n + 99, at, gaps],
            [notes, table, n, at - changes.OLDEST_US - 1_000_000, gaps],
        ):  # fmt: skip
            assert (await pages(adapter, "contacts", json.dumps({"changes": mark})))[-1].complete
        for cursor in ("", "nonsense", '["at", [[1, 2]]]', '{"changes": [1]}', '{"changes": ["x", "y", "z", 1, 2]}'):
            assert (await pages(adapter, "contacts", cursor))[-1].complete

        old = json.dumps({"changes": [notes, table, n, at - changes.RENEWED_US - 1_000_000, gaps]})
        renewed = await pages(adapter, "contacts", old)
        assert [page.complete for page in renewed] == [False]
        assert renewed[-1].cursor is not None


async def test_old_notes_behind_the_cursor_are_cleared(shop: Database) -> None:
    async with desk(shop) as adapter:
        await shop.run("UPDATE contacts SET name = 'old'")
        cursor = await start(adapter)
        await shop.run(
            f"UPDATE {shop.notes} SET at = now() - INTERVAL 8 DAY", "UPDATE contacts SET name = 'n' WHERE id = 1"
        )
        _, _, cursor = await news(adapter, cursor)

        assert await shop.rows(f"SELECT key1 FROM {shop.notes} ORDER BY n") == [("9",), ("1",)]
        assert (await news(adapter, cursor))[0] == set()


async def test_a_watch_hints_at_each_change_of_its_object_alone(shop: Database) -> None:
    await shop.run("CREATE TABLE other (id integer PRIMARY KEY)")
    await notes_changes(shop, "other", "id")
    async with desk(shop) as adapter, hearing(adapter) as heard, shop.connected() as late:
        await shop.run("INSERT INTO other VALUES (1)", "UPDATE contacts SET name = 'x' WHERE id = 99")
        await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
        await anyio.sleep(1)
        assert heard == [Hint()]

        async with late.cursor() as theirs:
            await theirs.execute("START TRANSACTION")
            await theirs.execute("UPDATE contacts SET name = 'late' WHERE id = 2")
            await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1")
            await hears(heard, 2)
            await theirs.execute("COMMIT")
            await hears(heard, 3)


async def test_a_watch_hints_once_when_a_table_is_emptied_at_once(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOKS", 4)
    async with desk(shop) as adapter, hearing(adapter) as heard:
        await shop.run("TRUNCATE contacts")
        await hears(heard, 2)
        await anyio.sleep(listening.POLL_S * (listening.LOOKS + 2))
        assert len(heard) == 2


async def test_a_watch_that_loses_its_connection_says_so(shop: Database) -> None:
    async with desk(shop) as adapter:
        hints = aiter(adapter.watch("contacts"))
        await anext(hints)
        sql = "SELECT id FROM information_schema.PROCESSLIST WHERE db = %s AND id <> connection_id()"
        for (number,) in await shop.rows(sql, shop.name):
            await shop.run(f"KILL {number}")
        with anyio.fail_after(10), pytest.raises(Transient, match=r"the connection was lost|ended the connection"):
            await anext(hints)
