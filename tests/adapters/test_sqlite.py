"""SQLite: what is special about a database file that others write, lock, replace and damage."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import (
    Clash,
    Column,
    Gone,
    Malformed,
    Missing,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Stale,
    Undecodable,
    Write,
    Written,
)
from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unreachable, Unsupported
from datasyncd.adapters.sqlite.table import NUMERIC
from datasyncd.adapters.testing.desk import NOON, malformed, one, opened, pages, records

CONTACTS = ObjectSpec("contacts", "id", ("email", "name"))
TABLE = """CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL DEFAULT '', age INT CHECK (age > 0), note TEXT)"""


@contextmanager
def sql(path: Path) -> Iterator[sqlite3.Connection]:
    """The foreign program's connection; commits at the end."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def made(path: Path, *statements: str) -> Path:
    with sql(path) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return made(
        tmp_path / "app.db",
        TABLE,
        "INSERT INTO contacts (id, email, name, note) VALUES (1, 'ann@x.org', 'Ann', 'n1')",
        "INSERT INTO contacts (id, email, name, note) VALUES (2, 'bob@x.org', 'Bob', 'n2')",
    )


def images(outcomes: Any) -> list[dict[str, Any]]:
    assert all(isinstance(outcome, Written) for outcome in outcomes), outcomes
    return [outcome.image.fields for outcome in outcomes]


async def test_a_locked_database_is_tried_again_later_and_hangs_nobody(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db", busy_s=0.3) as desk:
        other = sqlite3.connect(app, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()

        with pytest.raises(Transient, match="locked"):
            await pages(desk, "contacts")
        with pytest.raises(Transient, match="locked"):
            await desk.push("contacts", [Write("delete", "1")])

        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
        other.close()
        assert list(await records(desk, "contacts")) == ["1", "2"]


async def test_a_short_lock_is_waited_for(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk, anyio.create_task_group() as tasks:
        other = sqlite3.connect(app, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")

        async def release() -> None:
            await anyio.sleep(0.3)
            other.execute("COMMIT")
            other.close()

        tasks.start_soon(release)
        assert isinstance((await desk.push("contacts", [Write("delete", "1")]))[0], Written)


async def test_a_missing_file_is_out_of_reach_and_not_made(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, CONTACTS, path="app.db") as desk:
        with pytest.raises(Unreachable, match=r"desk: .*app\.db: No such file"):
            await pages(desk, "contacts")
        assert not (tmp_path / "app.db").exists()

        made(tmp_path / "app.db", TABLE)
        assert await records(desk, "contacts") == {}


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to have a header" * 30])
async def test_what_is_no_database_is_out_of_reach(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "app.db").write_bytes(content)

    async with opened("sqlite", tmp_path, CONTACTS, path="app.db") as desk:
        with pytest.raises(Unreachable):
            await pages(desk, "contacts")


async def test_a_folder_in_the_place_of_the_file_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "app.db").mkdir()

    async with opened("sqlite", tmp_path, CONTACTS, path="app.db") as desk:
        with pytest.raises(Unreachable):
            await pages(desk, "contacts")


async def test_a_damaged_page_is_out_of_reach_not_a_deletion(app: Path) -> None:
    with sql(app) as connection:
        connection.executemany("INSERT INTO contacts (email) VALUES (?)", [(f"{n}@x.org",) for n in range(3000)])
    damage(app)

    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        with pytest.raises(Unreachable, match="damaged"):
            await pages(desk, "contacts")


async def test_a_replaced_file_is_opened_anew(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        assert list(await records(desk, "contacts")) == ["1", "2"]

        made(app.parent / "new.db", TABLE, "INSERT INTO contacts (id, name) VALUES (7, 'Gil')")
        os.replace(app.parent / "new.db", app)

        assert list(await records(desk, "contacts")) == ["7"]
        assert await desk.push("contacts", [Write("update", "1", {"name": "A"})]) == [Missing()]
        assert images(await desk.push("contacts", [Write("update", "7", {"name": "G"})])) == [
            {"id": 7, "email": None, "name": "G"}
        ]


async def test_a_pull_over_two_files_is_not_complete(app: Path) -> None:
    with sql(app) as connection:
        connection.executemany("INSERT INTO contacts (email) VALUES (?)", [(f"{n}@x.org",) for n in range(1500)])
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        complete = []
        async for page in desk.pull("contacts", None):
            complete.append(page.complete)
            made(app.parent / "new.db", TABLE)
            os.replace(app.parent / "new.db", app)

        assert complete == [False, False]


async def test_a_missing_table_or_column_is_named(app: Path) -> None:
    nope, odd = ObjectSpec("nope", "id", ()), ObjectSpec("contacts", "id", ("Email",))
    async with opened("sqlite", app.parent, nope, odd, path="app.db") as desk:
        with pytest.raises(NotFound, match="no table 'nope'"):
            await desk.describe("nope")
        for call in (desk.describe("contacts"), pages(desk, "contacts"), desk.read("contacts", ["1"])):
            with pytest.raises(NotFound, match="no column 'Email'; did you mean 'email'"):
                await call


async def test_a_key_that_does_not_tell_rows_apart_is_refused(app: Path) -> None:
    async with opened("sqlite", app.parent, ObjectSpec("contacts", "name", ()), path="app.db") as desk:
        with pytest.raises(Unsupported, match="neither the primary key nor UNIQUE"):
            await desk.describe("contacts")


async def test_describe_tells_kinds_and_what_can_be_written(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db",
        """CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, n INTEGER, r DOUBLE, b BOOLEAN, d DECIMAL(10,2), raw BLOB, u,
        twice INT GENERATED ALWAYS AS (n * 2) VIRTUAL)""",
        "CREATE VIEW v AS SELECT k, n FROM t",
        "CREATE TABLE auto (id INTEGER PRIMARY KEY)",
    )
    specs = (ObjectSpec("t", "k", ()), ObjectSpec("v", "k", ()), ObjectSpec("auto", "id", ()))
    async with opened("sqlite", tmp_path, *specs, path="app.db") as desk:
        table = await desk.describe("t")

        assert table.columns == (
            Column("k", "text", nullable=False),
            Column("n", "integer"),
            Column("r", "float"),
            Column("b", "boolean"),
            Column("d", "any", keeps=NUMERIC),
            Column("raw", "bytes"),
            Column("u", "any"),
            Column("twice", "integer", writable=False),
        )
        assert not table.key_assigned
        assert [column.writable for column in (await desk.describe("v")).columns] == [False, False]
        assert (await desk.describe("auto")).key_assigned


async def test_text_keys_stay_as_they_are(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db",
        "CREATE TABLE t (k TEXT PRIMARY KEY, n)",
        "INSERT INTO t VALUES ('007', 1), ('7', 2), ('', 3), ('1e3', 4)",
    )
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("n",)), path="app.db") as desk:
        assert [r.fields["n"] for key in ("007", "7", "", "1e3") for r in [await one(desk, "t", key)]] == [1, 2, 3, 4]
        assert await desk.read("t", ["07"]) == [Gone("07")]

        await desk.push("t", [Write("update", "007", {"n": 9})])

        assert {key: fields["n"] for key, fields in (await records(desk, "t")).items()} == {
            "007": 9,
            "7": 2,
            "": 3,
            "1e3": 4,
        }


async def test_an_untyped_key_column_holds_numbers_and_texts(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k UNIQUE, n)", "INSERT INTO t VALUES (17, 1), ('x', 2), ('18', 3)")
    spec = ObjectSpec("t", "k", ("n",))
    async with opened("sqlite", tmp_path, spec, path="app.db") as desk:
        assert [r.fields["n"] for key in ("17", "x", "18") for r in [await one(desk, "t", key)]] == [1, 2, 3]

        made(tmp_path / "app.db", "INSERT INTO t VALUES ('17', 4)")

        both = [Malformed("17", "table t", "several rows have the same 'k'")]
        assert await malformed(desk, "t") == both
        assert await desk.read("t", ["17"]) == both
        (outcome,) = await desk.push("t", [Write("update", "17", {"n": 5}, version=b"12345678")])
        assert outcome == Stale()


async def test_rows_without_a_key_are_told_and_the_pull_is_not_complete(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db", "CREATE TABLE t (k TEXT UNIQUE, n)", "INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3)"
    )
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("n",)), path="app.db") as desk:
        (page,) = await pages(desk, "t")

        assert [record.key for record in page.records] == ["a"]
        assert page.malformed == [Malformed(None, "table t", "2 rows have no 'k'")]
        assert not page.complete


async def test_a_view_whose_keys_repeat_quarantines_them_across_pages(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT, n)", "CREATE VIEW v AS SELECT k, n FROM t")
    with sql(tmp_path / "app.db") as connection:
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(f"{n:05}", n) for n in range(1500)])
        connection.execute("INSERT INTO t VALUES ('00999', 0), ('00003', 0)")
    async with opened("sqlite", tmp_path, ObjectSpec("v", "k", ("n",)), path="app.db") as desk:
        found = await pages(desk, "v")

        assert sum(len(page.records) for page in found) == 1498
        assert sorted(str(row.key) for page in found for row in page.malformed) == ["00003", "00999"]
        assert found[-1].complete


async def test_text_that_is_no_utf8_is_one_value_of_its_record_and_stays_as_it_is(app: Path) -> None:
    with sql(app) as connection:
        connection.execute("UPDATE contacts SET email = CAST(x'ff41' AS TEXT) WHERE id = 1")
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        (page,) = await pages(desk, "contacts")
        before = page.records[0]
        assert ([record.key for record in page.records], page.malformed, page.complete) == (["1", "2"], [], True)
        assert before.fields["email"] == Undecodable(b"\xffA", "UTF-8")
        assert await desk.read("contacts", ["1", "2"]) == page.records

        (written,) = await desk.push("contacts", [Write("update", "1", {"name": "x"}, before.version)])
        assert isinstance(written, Written)
        assert written.alone
        with sql(app) as connection:
            kept = connection.execute("SELECT typeof(email), hex(email) FROM contacts WHERE id = 1").fetchone()
            connection.execute("UPDATE contacts SET email = CAST(x'ff42' AS TEXT) WHERE id = 1")
        assert kept == ("text", "FF41")

        stale = Write("update", "1", {"name": "y"}, written.image.version if written.image else None)
        assert await desk.push("contacts", [stale]) == [Stale()]
        now = await one(desk, "contacts", "1")
        await desk.push("contacts", [Write("update", "1", {"email": "ann@x.org"}, now.version)])
        assert (await one(desk, "contacts", "1")).fields["email"] == "ann@x.org"


@pytest.mark.parametrize("cursor", [None, "n"])
async def test_a_page_may_end_with_a_key_that_is_no_utf8(tmp_path: Path, cursor: str | None) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n)")
    with sql(tmp_path / "app.db") as connection:
        connection.executemany("INSERT INTO t VALUES (?, 1)", [(f"{n:05}",) for n in range(999)])
        connection.execute("INSERT INTO t VALUES (CAST(x'30ff' AS TEXT), 1)")
        connection.executemany("INSERT INTO t VALUES (?, 1)", [(f"b{n:05}",) for n in range(10)])
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("n",), cursor=cursor), path="app.db") as desk:
        found = await pages(desk, "t")
        since = found[-1].cursor

        assert sum(len(page.records) for page in found) == 1009
        assert [row.reason for page in found for row in page.malformed] == [
            "'k' is text that is no UTF-8, which cannot be a key"
        ]
        assert not found[-1].complete, "nobody knows which key that is"
        if cursor is not None:
            assert sum(len(page.records) for page in await pages(desk, "t", since)) == 1009


async def test_an_update_is_stale_once_a_mapped_column_changed_and_only_then(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        before = await one(desk, "contacts", "1")
        with sql(app) as connection:
            connection.execute("UPDATE contacts SET note = 'other' WHERE id = 1")
        assert isinstance(
            (await desk.push("contacts", [Write("update", "1", {"name": "A"}, before.version)]))[0], Written
        )
        assert await desk.push("contacts", [Write("update", "1", {"name": "B"}, before.version)]) == [Stale()]
        assert await desk.push("contacts", [Write("delete", "1", version=before.version)]) == [Stale()]

        assert (await one(desk, "contacts", "1")).fields["name"] == "A"


async def test_the_refused_say_why_and_the_others_are_written(app: Path) -> None:
    spec = ObjectSpec("contacts", "id", ("email", "name", "age"))
    writes_and_outcomes: list[tuple[Write, Outcome | None]] = [
        (Write("update", "1", {"email": "bob@x.org"}), Clash("email", "2")),
        (Write("create", None, {"email": "ann@x.org", "name": "A"}), Clash("email", "1")),
        (Write("create", "2", {"name": "A"}), Clash("id", "2")),
        (Write("update", "1", {"name": None}), Rejected("name may not be NULL", ("name",))),
        (Write("update", "1", {"age": -1}), Rejected("CHECK constraint failed: age > 0", ("age",))),
        (Write("update", "1", {"age": 2**64}), Rejected("SQLite has no form for the value of age", ("age",))),
        (Write("update", "1", {"name": ["a"]}), Rejected("SQLite has no form for the value of name", ("name",))),
        (Write("update", "1", {"name": "\ud800"}), Rejected("SQLite has no form for the value of name", ("name",))),
        (Write("create", "abc", {"name": "A"}), Rejected("datatype mismatch")),
        (Write("update", "1", {"shoe": 1}), Rejected("the table 'contacts' has no column to write shoe to", ("shoe",))),
        (Write("update", "99", {"name": "A"}), Missing()),
        (Write("delete", "99"), Written("99")),
        (Write("update", "1", {"name": "Anna"}), None),
        (Write("create", None, {"email": "c@x.org", "name": "C"}), None),
    ]
    async with opened("sqlite", app.parent, spec, path="app.db") as desk:
        outcomes = await desk.push("contacts", [write for write, _ in writes_and_outcomes])

        for outcome, (write, expected) in zip(outcomes, writes_and_outcomes, strict=True):
            assert expected is None or outcome == expected, write
        assert images(outcomes[-2:]) == [
            {"id": 1, "email": "ann@x.org", "name": "Anna", "age": None},
            {"id": 3, "email": "c@x.org", "name": "C", "age": None},
        ]
        assert (await one(desk, "contacts", "1")).fields["name"] == "Anna"


RULES = """CREATE TABLE "rules" ( -- CONSTRAINT positive CHECK (name > '')
    id INTEGER PRIMARY KEY, name TEXT CHECK (length(name) <= 5), "odd ""one" TEXT CONSTRAINT [few words] CHECK
    ("odd ""one" <> 'name'), age INT CONSTRAINT positive CHECK /* of age */ ((age) > 0 AND age <> ')'),
    low INT, High INT, shop TEXT REFERENCES shops, part INT, CONSTRAINT in_order CHECK (low <= high),
    FOREIGN KEY (shop, part) REFERENCES parts (shop, n))"""


@pytest.mark.parametrize(
    ("fields", "reason", "at_fault"),
    [
        ({"name": "too long"}, "CHECK constraint failed: length(name) <= 5", ("name",)),
        ({'odd "one': "name"}, "CHECK constraint failed: few words", ('odd "one',)),
        ({"age": -1}, "CHECK constraint failed: positive", ("age",)),
        ({"low": 9, "High": 1}, "CHECK constraint failed: in_order", ("low", "High")),
        ({"shop": "nowhere"}, "shop: there is no row that it refers to", ("shop",)),
        ({"shop": "here", "part": 7}, "shop, part: there is no row that it refers to", ("shop", "part")),
    ],
)
async def test_a_rule_names_the_columns_that_it_is_about(
    tmp_path: Path, fields: dict[str, Any], reason: str, at_fault: tuple[str, ...]
) -> None:
    shops = "CREATE TABLE shops (name TEXT PRIMARY KEY)"
    parts = "CREATE TABLE parts (shop TEXT, n INT, UNIQUE (shop, n))"
    made(
        tmp_path / "app.db",
        shops,
        parts,
        RULES,
        "INSERT INTO shops VALUES ('here')",
        "INSERT INTO rules DEFAULT VALUES",
    )
    names = ("name", 'odd "one', "age", "low", "High", "shop", "part")
    good = {"name": "ok", "age": 1} | dict.fromkeys(names[3:])
    async with opened("sqlite", tmp_path, ObjectSpec("rules", "id", names), path="app.db") as desk:
        writes = [Write("create", None, {**good, **fields}), Write("update", "1", {"name": "new", **fields})]

        assert await desk.push("rules", writes) == [Rejected(reason, at_fault)] * 2


async def test_a_strict_table_names_the_column_of_a_wrong_type(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, r REAL, t TEXT) STRICT")
    async with opened("sqlite", tmp_path, ObjectSpec("t", "id", ("n", "r", "t")), path="app.db") as desk:
        outcomes = await desk.push(
            "t", [Write("create", None, {"n": "many", "t": "x"}), Write("create", None, {"r": "x", "n": 1})]
        )

        assert outcomes == [
            Rejected("cannot store TEXT value in INT column t.n", ("n",)),
            Rejected("cannot store TEXT value in REAL column t.r", ("r",)),
        ]


async def test_constraints_that_replace_or_ignore_do_neither(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db",
        "CREATE TABLE t (k TEXT PRIMARY KEY, e TEXT UNIQUE ON CONFLICT REPLACE, f TEXT UNIQUE ON CONFLICT IGNORE)",
        "INSERT INTO t VALUES ('a', '1', '1'), ('b', '2', '2')",
    )
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("e", "f")), path="app.db") as desk:
        writes = [Write("update", "b", {"e": "1"}), Write("create", "c", {"f": "1"})]

        assert await desk.push("t", writes) == [Clash("e", "a"), Clash("f", "a")]
        assert list(await records(desk, "t")) == ["a", "b"]


async def test_the_image_shows_what_triggers_made_of_the_row(app: Path) -> None:
    made(
        app,
        "CREATE TRIGGER low AFTER UPDATE OF email ON contacts BEGIN "
        "UPDATE contacts SET email = lower(new.email), note = 'seen' WHERE id = new.id; END",
    )
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        outcomes = await desk.push("contacts", [Write("update", "1", {"email": "ANN@X.ORG"})])

        assert images(outcomes) == [{"id": 1, "email": "ann@x.org", "name": "Ann"}]
        assert outcomes[0] == Written("1", await one(desk, "contacts", "1"))


async def test_an_answer_says_whether_anything_but_the_write_changed_the_row(app: Path) -> None:
    made(
        app,
        "CREATE TRIGGER named AFTER UPDATE OF email ON contacts WHEN new.email = 'new' BEGIN "
        "UPDATE contacts SET name = 'Nan' WHERE id = new.id; END",
    )
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        for email, version, alone in (("plain", True, True), ("new", True, False), ("blind", False, False)):
            told = (await one(desk, "contacts", "1")).version if version else None
            (answer,) = await desk.push("contacts", [Write("update", "1", {"email": email}, told)])

            assert answer == Written("1", await one(desk, "contacts", "1"), alone)


async def test_a_trigger_that_rolls_back_stops_only_its_own_write(app: Path) -> None:
    made(
        app,
        "CREATE TRIGGER no BEFORE UPDATE ON contacts WHEN new.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad'); END",
        "CREATE TRIGGER quiet BEFORE INSERT ON contacts WHEN new.name = 'bad' BEGIN SELECT RAISE(IGNORE); END",
    )
    writes = [
        Write("update", "1", {"name": "good"}),
        Write("update", "2", {"name": "bad"}),
        Write("create", None, {"name": "bad"}),
        Write("create", None, {"name": "fine"}),
    ]
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        outcomes = await desk.push("contacts", writes)

        assert outcomes[1:3] == [Rejected("no bad"), Rejected("a trigger of the table left the write out")]
        assert {key: row["name"] for key, row in (await records(desk, "contacts")).items()} == {
            "1": "good",
            "2": "Bob",
            "3": "fine",
        }


async def test_a_foreign_key_checked_at_the_commit_stops_only_its_own_write(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db",
        "CREATE TABLE shop (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (k TEXT PRIMARY KEY, shop INT REFERENCES shop (id) DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO shop VALUES (1)",
    )
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("shop",)), path="app.db") as desk:
        writes = [Write("create", key, {"shop": shop}) for key, shop in (("a", 1), ("b", 2), ("c", 1))]
        outcomes = await desk.push("t", writes)

        assert outcomes[1] == Rejected("shop: there is no row that it refers to", ("shop",))
        assert list(await records(desk, "t")) == ["a", "c"]


async def test_writes_of_one_record_in_one_batch_are_made_in_order(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        outcomes = await desk.push(
            "contacts",
            [
                Write("update", "1", {"name": "A"}),
                Write("update", "1", {"email": None}),
                Write("delete", "2"),
                Write("create", "2", {"email": "ann@x.org"}),
            ],
        )

        assert [type(outcome) for outcome in outcomes] == [Written] * 4
        assert await records(desk, "contacts") == {
            "1": {"id": 1, "email": None, "name": "A"},
            "2": {"id": 2, "email": "ann@x.org", "name": ""},
        }


async def test_a_mapped_key_can_be_given_and_changed(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n INT)")
    async with opened("sqlite", tmp_path, ObjectSpec("t", "k", ("k", "n")), path="app.db") as desk:
        assert images(await desk.push("t", [Write("create", None, {"k": "a", "n": 1})])) == [{"k": "a", "n": 1}]
        assert images(await desk.push("t", [Write("update", "a", {"k": "a", "n": 2})])) == [{"k": "a", "n": 2}]

        (moved,) = await desk.push("t", [Write("update", "a", {"k": "b"})])

        assert isinstance(moved, Written)
        assert moved.key == "b"
        assert await records(desk, "t") == {"b": {"k": "b", "n": 2}}
        assert await desk.push("t", [Write("create", None, {"n": 1}), Write("create", "x", {"k": "y"})]) == [
            Rejected("the table 't' makes no 'k' of its own, and none was given", ("k",)),
            Rejected("the new row's 'k' is not the key that it was given", ("k",)),
        ]


async def test_addresses_are_found_in_any_case_and_other_values_as_they_are(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        found = await desk.find("contacts", "email", ["ANN@x.org", "nobody@x.org"])
        assert [record.key for record in found] == ["1"]
        assert [r.key for r in await desk.find("contacts", "name", ["bob", "Bob"])] == ["2"]


MARKED = ObjectSpec("t", "k", ("n",), cursor="at")


async def test_an_incremental_pull_reads_the_boundary_again(tmp_path: Path) -> None:
    """F15, F27, F30: equal values of the cursor column are never skipped."""
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n, at INT)", "INSERT INTO t VALUES ('a', 1, 5)")
    async with opened("sqlite", tmp_path, MARKED, path="app.db") as desk:
        assert desk.capabilities("t").incremental
        (first,) = await pages(desk, "t")
        assert first.complete

        made(tmp_path / "app.db", "INSERT INTO t VALUES ('b', 2, 5), ('old', 2, 4), ('none', 2, NULL)")
        (second,) = await pages(desk, "t", first.cursor)

        assert [record.key for record in second.records] == ["a", "b"]
        assert not second.complete
        assert sorted(await records(desk, "t")) == ["a", "b", "none", "old"]


async def test_an_incremental_pull_of_many_equal_values_goes_on_by_key(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n, at INT)")
    with sql(tmp_path / "app.db") as connection:
        connection.executemany("INSERT INTO t VALUES (?, 1, 7)", [(f"{n}",) for n in range(2500)])
    async with opened("sqlite", tmp_path, MARKED, path="app.db") as desk:
        found = await pages(desk, "t", '["at", 7]')

        assert [len(page.records) for page in found] == [1000, 1000, 500]
        assert len({record.key for page in found for record in page.records}) == 2500


@pytest.mark.parametrize(
    ("past", "future"),
    [
        ("2025-06-15T10:00:00Z", "2025-06-16T10:00:00Z"),
        ("2025-06-15 10:00:00", "2099-01-01 00:00:00"),
        (NOON // 10**6, NOON // 10**6 + 3600),
        (NOON // 1000, NOON // 1000 + 3_600_000),
        (NOON, NOON + 3_600_000_000),
        (12, 13_000_000_000_000_000_000_0 // 10),
    ],
)
async def test_a_date_in_the_future_does_not_lead_the_cursor_on(tmp_path: Path, past: Any, future: Any) -> None:
    """F32: else nothing would be read until then."""
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n, at)")
    with sql(tmp_path / "app.db") as connection:
        connection.executemany(
            "INSERT INTO t VALUES (?, 1, ?)",
            [("past", past), ("future", min(future, 2**63 - 1) if isinstance(future, int) else future)],
        )
    async with opened("sqlite", tmp_path, MARKED, path="app.db") as desk:
        cursor = (await pages(desk, "t"))[-1].cursor
        found = await pages(desk, "t", cursor)

        assert [record.key for record in found[0].records] == ["past", "future"]
        assert found[-1].cursor == cursor


async def test_a_cursor_of_another_column_means_everything(tmp_path: Path) -> None:
    made(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, n, at INT)", "INSERT INTO t VALUES ('a', 1, 5)")
    async with opened("sqlite", tmp_path, MARKED, path="app.db") as desk:
        for cursor in ('["was", 9]', "rubbish"):
            assert (await pages(desk, "t", cursor))[-1].complete


async def test_a_commit_by_another_program_is_hinted_soon(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        hints = aiter(desk.watch("contacts"))
        told = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                await anext(hints)
                told.set()

            tasks.start_soon(listen)
            await anyio.sleep(0.2)
            made(app, "UPDATE contacts SET name = 'x' WHERE id = 1")
            committed = time.monotonic()
            with anyio.fail_after(5):
                await told.wait()
            assert time.monotonic() - committed < 1


async def test_closing_ends_a_watch_and_a_call_that_waits(app: Path) -> None:
    other = sqlite3.connect(app, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with opened("sqlite", app.parent, CONTACTS, path="app.db", busy_s=60) as desk:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def call() -> None:
                    with pytest.raises(AdapterError):
                        await desk.push("contacts", [Write("delete", "1")])

                async def listen() -> None:
                    async for _ in desk.watch("contacts"):
                        pass

                tasks.start_soon(call)
                tasks.start_soon(listen)
                await anyio.sleep(0.2)
                await desk.aclose()
                await desk.aclose()
    other.close()


async def test_nothing_is_committed_after_a_cancel_returned(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db", busy_s=60) as desk:
        other = sqlite3.connect(app, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with anyio.move_on_after(0.1):
            await desk.push("contacts", [Write("delete", "1")])
        other.execute("COMMIT")
        other.close()
        await anyio.sleep(0.3)

        assert isinstance((await desk.read("contacts", ["1"]))[0], Record)


async def test_a_read_only_database_is_a_matter_of_rights(app: Path) -> None:
    from datasyncd.adapters.errors import Unauthorised
    from datasyncd.adapters.sqlite.trouble import trouble

    connection = sqlite3.connect(f"file:{app}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("DELETE FROM contacts")
    connection.close()

    assert isinstance(trouble(raised.value, "desk", app), Unauthorised)


async def test_a_commit_that_no_event_tells_of_is_noticed(tmp_path: Path) -> None:
    """The file is elsewhere, and so are its events; what tells is the version of the content."""
    (tmp_path / "elsewhere").mkdir()
    file = made(
        tmp_path / "elsewhere" / "app.db",
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, email TEXT)",
    )
    (tmp_path / "app.db").symlink_to(file)
    async with opened("sqlite", tmp_path, ObjectSpec("contacts", "id", ("email",)), path="app.db") as desk:
        hints = aiter(desk.watch("contacts"))
        with anyio.fail_after(5):
            await anext(hints)  # the first look
            with sql(file) as other:
                other.execute("INSERT INTO contacts (email) VALUES ('a@example.org')")
            await anext(hints)


async def test_what_our_write_made_others_do_is_not_unchanged(app: Path) -> None:
    with sql(app) as connection:
        connection.execute(
            "CREATE TRIGGER household AFTER UPDATE OF note ON contacts BEGIN"
            " UPDATE contacts SET note = new.note WHERE id <> new.id; END"
        )
    async with opened("sqlite", app.parent, ObjectSpec("contacts", "id", ("name", "note")), path="app.db") as desk:
        since = (await pages(desk, "contacts"))[-1].cursor
        assert isinstance((await desk.push("contacts", [Write("update", "1", {"name": "A"})]))[0], Written)
        assert [page.unchanged for page in await pages(desk, "contacts", since)] == [True]

        assert isinstance((await desk.push("contacts", [Write("update", "1", {"note": "moved"})]))[0], Written)
        assert (await records(desk, "contacts", since))["2"]["note"] == "moved"


async def test_rows_that_a_foreign_key_takes_along_are_not_unchanged(tmp_path: Path) -> None:
    made(
        tmp_path / "app.db",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, head INT REFERENCES people (id) ON DELETE SET NULL)",
        "INSERT INTO people VALUES (1, NULL), (2, 1)",
    )
    async with opened("sqlite", tmp_path, ObjectSpec("people", "id", ("head",)), path="app.db") as desk:
        since = (await pages(desk, "people"))[-1].cursor
        assert isinstance((await desk.push("people", [Write("delete", "1", {})]))[0], Written)
        assert (await records(desk, "people", since)) == {"2": {"id": 2, "head": None}}


async def test_a_view_shows_what_we_wrote_to_its_table(app: Path) -> None:
    with sql(app) as connection:
        connection.execute("CREATE VIEW short AS SELECT id, upper(name) AS name FROM contacts")
    specs = (CONTACTS, ObjectSpec("short", "id", ("name",)))
    async with opened("sqlite", app.parent, *specs, path="app.db") as desk:
        since = (await pages(desk, "short"))[-1].cursor
        assert isinstance((await desk.push("contacts", [Write("update", "1", {"name": "Zoe"})]))[0], Written)
        assert (await records(desk, "short", since))["1"]["name"] == "ZOE"


async def test_a_file_that_was_replaced_is_not_unchanged(app: Path) -> None:
    async with opened("sqlite", app.parent, CONTACTS, path="app.db") as desk:
        since = (await pages(desk, "contacts"))[-1].cursor
        other = made(app.parent / "other.db", TABLE, "INSERT INTO contacts (id, name) VALUES (9, 'Nine')")
        os.replace(other, app)
        assert set(await records(desk, "contacts", since)) == {"9"}


@pytest.mark.parametrize(
    ("columns", "needed"),
    [
        ("id TEXT PRIMARY KEY NOT NULL", ()),
        ("id PRIMARY KEY", ()),
        ("id INTEGER PRIMARY KEY", ()),
        ("id INTEGER PRIMARY KEY, req TEXT NOT NULL", ("req",)),
        ("id INTEGER PRIMARY KEY, req TEXT NOT NULL DEFAULT NULL", ("req",)),
        ("id INTEGER PRIMARY KEY, req TEXT NOT NULL DEFAULT ''", ()),
        ("id INT PRIMARY KEY", ("id",)),
        ("id REAL PRIMARY KEY", ("id",)),
    ],
)
async def test_what_a_new_row_needs_is_told_before_it_is_missed(
    columns: str, needed: tuple[str, ...], tmp_path: Path
) -> None:
    made(tmp_path / "app.db", f"CREATE TABLE t (name, {columns})")
    async with opened("sqlite", tmp_path, ObjectSpec("t", "id", ("name",)), path="app.db") as desk:
        schema = await desk.describe("t")
        key = None if schema.key_assigned else "0123456789abcdef" * 2
        (outcome,) = await desk.push("t", [Write("create", key, {"name": "a"})])

        assert tuple(column.name for column in schema.columns if column.required) == needed
        assert outcome.fields == needed if isinstance(outcome, Rejected) else not needed
        if needed == ("id",):
            assert isinstance(outcome, Rejected)
            assert outcome.reason.startswith("the key of a new record is a")
            assert outcome.reason.endswith("that nobody gives; let the database make id, or map a field to it")
