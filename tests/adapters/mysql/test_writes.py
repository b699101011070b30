"""MariaDB and MySQL: batches of writes: conditions, refusals, triggers, constraints, and others who write as well."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import asyncmy
import pytest

from datasyncd.adapters.contract import Adapter, Clash, Missing, ObjectSpec, Outcome, Rejected, Stale, Write, Written
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.mysql import connection
from datasyncd.adapters.mysql.connection import ServerError
from datasyncd.adapters.mysql.refusal import refusal
from datasyncd.adapters.testing.desk import one, opened, records
from tests.adapters.sql.writes import DatabaseWrites
from tests.servers.mysql import Database

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("email", "name", "age", "shop", "code"))
TABLE = """CREATE TABLE contacts (
    id integer AUTO_INCREMENT PRIMARY KEY, email varchar(50) UNIQUE, name varchar(10) NOT NULL DEFAULT '',
    age smallint CHECK (age > 0), shop integer, code varchar(20) CHARACTER SET latin1, note text,
    low varchar(50) AS (lower(code)) VIRTUAL, mood enum('sad', 'happy'), born date,
    CONSTRAINT of_shop FOREIGN KEY (shop) REFERENCES shops (id), UNIQUE KEY by_code (low),
    CONSTRAINT `odd one` CHECK (name <> email OR note = 'it''s `age`'))"""


def desk(shop: Database, spec: ObjectSpec = CONTACTS, **options: Any) -> AbstractAsyncContextManager[Adapter]:
    return opened("mysql", HERE, spec, dsn=shop.dsn(), **options)


@pytest.fixture
async def shop(mysql: Database) -> Database:
    await mysql.run(
        "CREATE TABLE shops (id integer PRIMARY KEY)",
        "INSERT INTO shops VALUES (1)",
        TABLE,
        """INSERT INTO contacts (id, email, name, note, code) VALUES
            (1, 'ann@x.org', 'Ann', 'n1', 'A1'), (2, 'bob@x.org', 'Bob', 'n2', 'B2'),
            (3, 'cid@x.org', 'Cid', 'n3', 'C3')""",
        "ALTER TABLE contacts AUTO_INCREMENT = 10",
    )
    return mysql


class TestWrites(DatabaseWrites):
    kind = "mysql"


TOO_LONG = Rejected("name: a value of the type varchar(10) expected", ("name",))
REFUSED: list[tuple[Write, Outcome]] = [
    (Write("update", "1", {"name": None}), Rejected("name may not be NULL", ("name",))),
    (
        Write("update", "1", {"email": "z@x.org", "age": -1}),
        Rejected("the constraint contacts.age of {shop}.contacts forbids it", ("age",)),
    ),
    (
        Write("update", "1", {"name": "same", "email": "same"}),
        Rejected("the constraint odd one of {shop}.contacts forbids it", ("name", "email")),
    ),
    (Write("update", "1", {"shop": 77}), Rejected("shop: there is no row that it refers to (of_shop)", ("shop",))),
    (Write("update", "1", {"name": "x" * 11, "age": 3}), TOO_LONG),
    (Write("update", "1", {"name": "x" * 11 + "' for column 'age' at row 1", "age": 3}), TOO_LONG),
    (Write("update", "1", {"age": 2**40}), Rejected("age: a value of the type smallint(6) expected", ("age",))),
    (Write("update", "1", {"age": 2**70}), Rejected("age: a value of the type smallint(6) expected", ("age",))),
    (Write("update", "1", {"age": "many"}), Rejected("age: a whole number expected", ("age",))),
    (
        Write("update", "1", {"name": "a\ud800", "email": "a"}),
        Rejected("name: a text without halves of characters expected", ("name",)),
    ),
    (
        Write("update", "1", {"code": "🎉"}),
        Rejected("code: a value of the type varchar(20) expected", ("code",)),
    ),
    (Write("update", "1", {"email": "bob@x.org"}), Clash("email", "2")),
    (Write("update", "1", {"email": "BÓB@x.org"}), Clash("email", "2")),
    (Write("create", None, {"email": "Bob@X.org ", "name": "B"}), Clash("email", "2")),
    (Write("create", None, {"email": "new@x.org", "code": "B2"}), Clash("code", None)),
    (Write("create", "2", {"email": "new@x.org", "name": "B"}), Clash("id", "2")),
    (Write("create", "two", {"name": "B"}), Rejected("the key does not fit the type of its column", ("id",))),
    (
        Write("create", "5", {"id": 6, "name": "B"}),
        Rejected("the new row's 'id' is not the key that it was given", ("id",)),
    ),
    (Write("update", "1", {"low": "x"}), Rejected("low: the database makes its values", ("low",))),
    (Write("update", "1", {"born": "2024-02-30"}), Rejected("born: a value of the type date expected", ("born",))),
    (
        Write("update", "1", {"mood": "glad"}),
        Rejected("mood: a value of the type enum('sad','happy') expected", ("mood",)),
    ),
    (Write("update", "99", {"name": "x"}), Missing()),
    (Write("update", "ninety", {"name": "x"}), Missing()),
    (Write("update", "01", {"name": "x"}), Missing()),
]  # fmt: skip


@pytest.mark.parametrize(("write", "outcome"), REFUSED)
async def test_the_refused_say_why_and_the_others_are_written(shop: Database, write: Write, outcome: Outcome) -> None:
    if isinstance(outcome, Rejected):
        outcome = Rejected(outcome.reason.replace("{shop}", shop.name), outcome.fields)
    async with desk(shop) as adapter:
        outcomes = await adapter.push(
            "contacts",
            [
                Write("update", "3", {"name": "before"}),
                Write("create", None, {"email": "dan@x.org", "name": "Dan"}),
                write,
                Write("create", None, {"email": "eve@x.org", "name": "Eve"}),
                Write("delete", "99"),
            ],
        )

        assert outcomes[2] == outcome
        assert [type(o) for o in outcomes[:2] + outcomes[3:]] == [Written] * 4  # type: ignore[operator]
        held = await records(adapter, "contacts")
        assert sorted(row["name"] for row in held.values()) == ["Ann", "Bob", "Dan", "Eve", "before"]


IN_THE_WORDS_OF_MYSQL: list[tuple[int, str, Write, Outcome]] = [
    (
        1062,
        "Duplicate entry 'bob@x.org' for key 'contacts.email'",
        Write("update", "1", {"email": "bob@x.org"}),
        Clash("email", "2"),
    ),
    (1062, "Duplicate entry '2' for key 'contacts.PRIMARY'", Write("create", "2", {"name": "B"}), Clash("id", "2")),
    (
        3819,
        "Check constraint 'odd one' is violated.",
        Write("update", "1", {"name": "same", "email": "same"}),
        Rejected("the constraint odd one of {shop}.contacts forbids it", ("name", "email")),
    ),
    (
        1366,
        "Incorrect integer value: ' for column 'name' at row 1' for column 'age' at row 1",
        Write("update", "1", {"name": "x", "age": 1}),
        Rejected("age: a value of the type smallint(6) expected", ("age",)),
    ),
    (1048, "Column 'name' cannot be null", Write("create", None, {}), Rejected("name may not be NULL", ("name",))),
    (
        1364,
        "Field 'name' doesn't have a default value",
        Write("create", None, {}),
        Rejected("name needs a value", ("name",)),
    ),
    (
        1452,
        "Cannot add or update a child row: a foreign key constraint fails (`{shop}`.`contacts`, CONSTRAINT `of_shop` "
        "FOREIGN KEY (`shop`) REFERENCES `shops` (`id`))",
        Write("update", "1", {"shop": 77}),
        Rejected("shop: there is no row that it refers to (of_shop)", ("shop",)),
    ),
    (
        1644,
        "secret for column 'age' at row",
        Write("update", "1", {"age": 1}),
        Rejected("the database refuses it (error 1644); a trigger may do so"),
    ),
]


@pytest.mark.parametrize(("code", "text", "write", "outcome"), IN_THE_WORDS_OF_MYSQL)
async def test_a_refusal_in_the_words_of_mysql_is_understood(
    shop: Database, code: int, text: str, write: Write, outcome: Outcome
) -> None:
    """As MySQL 8 writes them; the server here is MariaDB, which words some of them otherwise."""
    if isinstance(outcome, Rejected):
        outcome = Rejected(outcome.reason.replace("{shop}", shop.name), outcome.fields)
    error = ServerError(code, text.replace("{shop}", shop.name))
    async with desk(shop) as adapter:
        selection = await adapter._selection("contacts")  # type: ignore[attr-defined]
        parts = ("1",) if write.op == "update" else None
        async with adapter._sessions.use() as used:  # type: ignore[attr-defined]
            assert await refusal(error, used, selection, write, parts) == outcome


async def test_what_is_sent_in_several_packets_is_answered_in_order(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_PACKET", 2_000)
    writes = [
        Write("create", None, {"email": "ann@x.org" if n % 7 == 0 else f"p{n}@x.org", "name": f"P{n}"})
        for n in range(100)
    ]
    async with desk(shop) as adapter:
        outcomes = await adapter.push("contacts", writes)

        assert [isinstance(o, Clash) for o in outcomes] == [n % 7 == 0 for n in range(100)]
        held = await records(adapter, "contacts")
        names = [held[o.key]["name"] for o in outcomes if isinstance(o, Written)]
        assert names == [f"P{n}" for n in range(100) if n % 7]


async def test_a_unique_value_of_another_table_that_a_trigger_writes_is_no_clash_here(shop: Database) -> None:
    await shop.run(
        "CREATE TABLE seen (id integer PRIMARY KEY)", "INSERT INTO seen VALUES (30)",
        "CREATE TRIGGER see AFTER UPDATE ON contacts FOR EACH ROW INSERT INTO seen VALUES (NEW.age)",
    )  # fmt: skip
    async with desk(shop) as adapter:
        outcomes = await adapter.push("contacts", [Write("update", "1", {"age": age}) for age in (30, 31)])

        assert outcomes[0] == Rejected(
            "a value that must be unique is there already, in this table or in one of a trigger"
        )
        assert isinstance(outcomes[1], Written)


async def test_the_image_shows_what_triggers_made_of_the_row(shop: Database) -> None:
    await shop.run("CREATE TRIGGER loud BEFORE UPDATE ON contacts FOR EACH ROW SET NEW.name = upper(NEW.name)")
    async with desk(shop) as adapter:
        version = (await one(adapter, "contacts", "1")).version
        (outcome,) = await adapter.push("contacts", [Write("update", "1", {"age": 5}, version)])

        assert outcome == Written("1", await one(adapter, "contacts", "1"), alone=False)
        assert isinstance(outcome, Written)
        assert outcome.image is not None
        assert (outcome.image.fields["name"], outcome.image.fields["age"]) == ("ANN", 5)


async def test_a_trigger_that_signals_stops_only_its_own_write_and_quotes_nothing(shop: Database) -> None:
    await shop.run(
        """CREATE TRIGGER stop BEFORE UPDATE ON contacts FOR EACH ROW IF NEW.name = 'Secret' THEN
           SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no Secret here'; END IF"""
    )
    async with desk(shop) as adapter:
        outcomes = await adapter.push(
            "contacts", [Write("update", "1", {"name": "Secret"}), Write("update", "2", {"name": "Ben"})]
        )

        assert outcomes[0] == Rejected("the database refuses it (error 1644); a trigger may do so")
        assert isinstance(outcomes[1], Written)


async def test_new_rows_have_the_keys_that_they_are_told_to_have_whatever_triggers_number(shop: Database) -> None:
    await shop.run(
        "CREATE TABLE audit (n integer AUTO_INCREMENT PRIMARY KEY, what text)",
        "INSERT INTO audit (what) SELECT seq FROM seq_1_to_500",
        "CREATE TRIGGER audit AFTER INSERT ON contacts FOR EACH ROW INSERT INTO audit (what) VALUES (NEW.email)",
        "CREATE TRIGGER first BEFORE INSERT ON contacts FOR EACH ROW INSERT INTO audit (what) VALUES ('before')",
    )
    async with desk(shop) as adapter:
        emails = [f"p{n}@x.org" for n in range(5)]
        outcomes = await adapter.push("contacts", [Write("create", None, {"email": email}) for email in emails])

        held = await records(adapter, "contacts")
        assert [held[o.key]["email"] for o in outcomes if isinstance(o, Written)] == emails


async def test_a_key_that_an_expression_makes_is_told(mysql: Database) -> None:
    await mysql.run("CREATE TABLE things (id uuid DEFAULT uuid() PRIMARY KEY, name text)")
    async with desk(mysql, ObjectSpec("things", "id", ("name",))) as adapter:
        assert (await adapter.describe("things")).key_assigned
        first, second = await adapter.push("things", [Write("create", None, {"name": name}) for name in "ab"])

        assert isinstance(first, Written)
        assert isinstance(second, Written)
        held = await records(adapter, "things")
        assert [held[first.key]["name"], held[second.key]["name"]] == ["a", "b"]


async def test_a_key_is_told_in_the_form_in_which_it_is_kept(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE things (id char(5) PRIMARY KEY, name text)",
        "CREATE TABLE others (id varchar(9) PRIMARY KEY, name text)",
        "CREATE TRIGGER loud BEFORE INSERT ON others FOR EACH ROW SET NEW.id = upper(NEW.id)",
    )
    for table, given, kept in (("things", "ab ", "ab"), ("others", "ab", "AB")):
        async with desk(mysql, ObjectSpec(table, "id", ("name",))) as adapter:
            (made,) = await adapter.push(table, [Write("create", given, {"name": "x"})])

            assert made == Written(kept, await one(adapter, table, kept))


async def test_a_constant_makes_no_keys(mysql: Database) -> None:
    await mysql.run("CREATE TABLE things (id varchar(36) NOT NULL DEFAULT '' PRIMARY KEY, name text)")
    async with desk(mysql, ObjectSpec("things", "id", ("name",))) as adapter:
        assert not (await adapter.describe("things")).key_assigned
        outcomes = await adapter.push("things", [Write("create", None, {"name": "a"}), Write("create", "k", {})])

        assert outcomes[0] == Rejected("the database makes no id of its own, and none was given", ("id",))
        assert list(await records(adapter, "things")) == ["k"]


async def test_a_key_of_zero_is_zero(shop: Database) -> None:
    async with desk(shop) as adapter:
        (made,) = await adapter.push("contacts", [Write("create", "0", {"email": "zero@x.org"})])

        assert isinstance(made, Written)
        assert made.key == "0"
        assert await shop.rows("SELECT id FROM contacts WHERE email = 'zero@x.org'") == [(0,)]


async def test_what_is_longer_than_the_server_takes_stops_only_itself(shop: Database) -> None:
    await shop.run("ALTER TABLE contacts MODIFY note longtext")
    ((longest,),) = await shop.rows("SELECT @@max_allowed_packet")
    spec = ObjectSpec("contacts", "id", ("name", "note"))
    async with desk(shop, spec) as adapter:
        outcomes = await adapter.push(
            "contacts",
            [
                Write("update", "1", {"note": "x" * longest}), Write("update", "2", {"note": "y" * 2_000_000}),
                Write("update", "3", {"name": "short"}),
            ],
        )  # fmt: skip

        assert isinstance(outcomes[0], Rejected)
        assert "see `max_allowed_packet`" in outcomes[0].reason
        assert [type(outcome) for outcome in outcomes[1:]] == [Written, Written]


async def test_a_table_without_transactions_is_only_read(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE things (id integer PRIMARY KEY, name text) ENGINE = MyISAM", "INSERT INTO things VALUES (1, 'a')"
    )
    async with desk(mysql, ObjectSpec("things", "id", ("name",))) as adapter:
        schema = await adapter.describe("things")
        why = f"ALTER TABLE {mysql.name}.things ENGINE = InnoDB;"
        assert all(why in column.why_not for column in schema.columns)
        outcomes = await adapter.push("things", [Write("update", "1", {"name": "b"}), Write("delete", "1")])

        assert [type(outcome) for outcome in outcomes] == [Rejected, Rejected]
        assert await records(adapter, "things") == {"1": {"id": 1, "name": "a"}}


async def test_a_row_that_somebody_writes_is_waited_for_and_compared_afterwards(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        version = (await one(adapter, "contacts", "1")).version
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE contacts SET name = 'theirs' WHERE id = 1")
        outcomes: list[Outcome] = []

        async def write() -> None:
            outcomes.extend(await adapter.push("contacts", [Write("update", "1", {"name": "ours"}, version)]))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.sleep(0.3)
            assert outcomes == []
            await theirs.execute("COMMIT")

        assert outcomes == [Stale()]
        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("theirs",)]


async def test_a_row_that_stays_locked_is_tried_again_later(shop: Database) -> None:
    async with desk(shop, lock_s=1) as adapter, shop.connected() as other, other.cursor() as theirs:
        await theirs.execute("START TRANSACTION")
        await theirs.execute("SELECT 1 FROM contacts WHERE id = 1 FOR UPDATE")
        with pytest.raises(Transient, match=r"desk: \w+\.contacts: rows or the table are locked"):
            await adapter.push("contacts", [Write("update", "1", {"name": "ours"})])
        await theirs.execute("ROLLBACK")

        assert isinstance((await adapter.push("contacts", [Write("update", "1", {"name": "ours"})]))[0], Written)


async def test_of_a_batch_that_a_deadlock_ends_nothing_is_written(shop: Database) -> None:
    """The server rolls back all of it, and what was sent behind would else be in a transaction of its own."""
    await shop.run(
        "CREATE TABLE other (id integer PRIMARY KEY, n integer)", "INSERT INTO other VALUES (1, 0)",
        "CREATE TRIGGER touch BEFORE UPDATE ON contacts FOR EACH ROW "
        "SET NEW.note = (SELECT n FROM other WHERE id = 1 AND sleep(if(NEW.id = 2, 0.5, 0)) = 0 FOR UPDATE)",
    )  # fmt: skip
    async with desk(shop) as adapter, shop.connected() as connected, connected.cursor() as theirs:
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE other SET n = n + 1")
        for n in range(50):  # so that the other one is the cheaper to roll back
            await theirs.execute("INSERT INTO other VALUES (%s, 0)", (n + 2,))
        raised: list[str] = []

        async def write() -> None:
            try:
                await adapter.push("contacts", [Write("update", key, {"name": "ours"}) for key in ("1", "2", "3")])
            except Transient as error:
                raised.append(str(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.sleep(0.3)
            await theirs.execute("SELECT * FROM contacts WHERE id = 1 FOR UPDATE")
            await theirs.execute("COMMIT")

        assert ["others held locks in another order" in text for text in raised] == [True]
        assert await shop.rows("SELECT name FROM contacts ORDER BY id") == [("Ann",), ("Bob",), ("Cid",)]


async def test_writers_in_other_orders_come_through(shop: Database) -> None:
    """Batches over the same rows, with others that lock them one by one the other way round."""
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as cursor:
        count = 0

        async def theirs() -> None:
            for n in range(20):
                try:
                    await cursor.execute("START TRANSACTION")
                    for id in (3, 2, 1):
                        await cursor.execute("UPDATE contacts SET note = %s WHERE id = %s", (str(n), id))
                    await cursor.execute("COMMIT")
                except asyncmy.OperationalError:
                    continue

        async def ours() -> None:
            nonlocal count
            while count < 20:
                try:
                    await adapter.push(
                        "contacts", [Write("update", key, {"age": count + 1}) for key in ("3", "1", "2")]
                    )
                except Transient:
                    continue
                count += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ours)
            await theirs()
        assert await shop.rows("SELECT DISTINCT age FROM contacts") == [(20,)]


async def test_nothing_is_committed_after_a_cancel_returned(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        await theirs.execute("START TRANSACTION")
        await theirs.execute("SELECT 1 FROM contacts WHERE id = 1 FOR UPDATE")
        with anyio.move_on_after(0.3) as scope:
            await adapter.push("contacts", [Write("update", "1", {"name": "late"})])
        assert scope.cancelled_caught
        await theirs.execute("COMMIT")
        await anyio.sleep(0.3)

        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("Ann",)]
        assert (await one(adapter, "contacts", "1")).fields["name"] == "Ann"


async def test_addresses_are_found_in_any_case_and_other_values_as_they_are(shop: Database) -> None:
    await shop.run("UPDATE contacts SET name = 'ann' WHERE id = 2", "UPDATE contacts SET code = 'É@x' WHERE id = 3")
    async with desk(shop) as adapter:
        assert [r.key for r in await adapter.find("contacts", "email", ["ANN@X.org", "nobody"])] == ["1"]
        assert [r.key for r in await adapter.find("contacts", "email", ["ÁNN@X.org"])] == []
        assert [r.key for r in await adapter.find("contacts", "name", ["Ann", "cid", "Bob "])] == ["1"]
        assert [r.key for r in await adapter.find("contacts", "code", ["é@X", "🎉"])] == ["3"]
        assert [r.key for r in await adapter.find("contacts", "id", [2, 99, "x"])] == ["2"]


async def test_one_letter_makes_another_key_although_the_collation_takes_them_for_one(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE people (id varchar(20) PRIMARY KEY, name text)", "INSERT INTO people VALUES ('ann', 'A')"
    )
    async with desk(mysql, ObjectSpec("people", "id", ("id", "name"))) as adapter:
        assert [type(a).__name__ for a in await adapter.read("people", ["Ann", "ann", "ann "])] == [
            "Gone",
            "Record",
            "Gone",
        ]
        outcomes = await adapter.push(
            "people",
            [
                Write("update", "ANN", {"name": "x"}), Write("delete", "Ann"), Write("create", "Ánn", {"name": "x"}),
                Write("update", "ann", {"id": "ANN", "name": "B"}),
            ],
        )  # fmt: skip

        assert outcomes[:3] == [Missing(), Written("Ann"), Clash("id", "ANN")]
        assert await records(adapter, "people") == {"ANN": {"id": "ANN", "name": "B"}}
