"""DuckDB: types, keys and views; what the catalog says."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import pytest

from datasyncd.adapters.contract import Adapter, Column, ObjectSpec, Rejected, Write, Written
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.adapters.sql.tables import DatabaseTables
from tests.servers.duckdb import Database

TYPES: dict[str, tuple[str, Any, Any]] = {
    "text": ("VARCHAR", "Zoë \0 👩‍👩‍👧‍👦", ""),
    "tiny": ("TINYINT", -128, 127),
    "big": ("BIGINT", 2**63 - 1, -(2**63)),
    "unsigned": ("UBIGINT", 2**64 - 1, 0),
    "huge": ("HUGEINT", 2**127 - 1, -(2**127)),
    "uhuge": ("UHUGEINT", 2**128 - 1, 0),
    "endless": ("BIGNUM", 10**60 + 1, -(10**60)),
    "truth": ("BOOLEAN", True, False),
    "single": ("FLOAT", 0.1, -1e30),
    "double": ("DOUBLE", 0.1, 1e-320),
    "money": ("DECIMAL(38,10)", "1234567890123456789012345678.0123456789", "-0.5"),
    "day": ("DATE", "2024-02-29", "infinity"),
    "hour": ("TIME", "23:59:59.5", "00:00:00"),
    "zoned hour": ("TIME WITH TIME ZONE", "12:00:00+02", "12:00:00-11:30"),
    "moment": ("TIMESTAMP", "2024-12-31T23:59:59.000001", "0001-01-01T00:00:00"),
    "nanos": ("TIMESTAMP_NS", "2024-12-31T23:59:59.123456789", "2024-12-31T23:59:59"),
    "zoned": ("TIMESTAMP WITH TIME ZONE", "2024-12-31T23:59:59.500000Z", "infinity"),
    "span": ("INTERVAL", "1 month 3 days 04:00:00", "00:00:01"),
    "id2": ("UUID", "99c375e6-fa76-4b3f-8c5a-2f5704d60e7e", "00000000-0000-0000-0000-000000000000"),
    "mood": ("ENUM('sad', 'it''s, fine')", "sad", "it's, fine"),
    "bytes": ("BLOB", b"\x00\xff\\x41", b""),
    "bits": ("BIT", "010", "1"),
    "json": ("JSON", {"a": [1, None, "x"], "n": Decimal("1.00000000000000000000000001")}, "a text"),
    "tags": ("VARCHAR[]", ["a", "it's, \"b\"", None, ""], []),
    "counts": ("HUGEINT[]", [1, None, 2**100], [0]),
    "floats": ("FLOAT[]", [0.1, -2.5], []),
    "prices": ("DECIMAL(20,2)[]", ["123456789012345678.25", None], []),
    "three": ("INTEGER[3]", [1, 2, 3], [4, 5, 6]),
    "part": (
        "STRUCT(a BIGINT, b STRUCT(c VARCHAR[], \"d e\" DECIMAL(22,2)), t DATE)",
        {"a": 2**63 - 1, "b": {"c": ["x", None], "d e": Decimal("12345678901234567890.25")}, "t": "2024-02-29"},
        {"a": None, "b": None, "t": None},
    ),
    "named": ("MAP(VARCHAR, INTEGER)", {"k": 1, "j": 2}, {}),
    "nested": ("INTEGER[][]", [[1], [], None], []),
}  # fmt: skip


class TestTables(DatabaseTables):
    kind = "duckdb"
    types = TYPES
    not_found = ("json", "part", "named", "nested")
    several_pages = 12_500
    series = "(SELECT n FROM range({0}, {1} + 1) AS r(n)) AS numbers"

    def shown(self, database: Database, table: str) -> str:
        return table

    def desk(self, database: Any, spec: ObjectSpec) -> AbstractAsyncContextManager[Adapter]:
        return opened("duckdb", database.path.parent, spec, path=database.path.name)


def desk(database: Database, spec: ObjectSpec) -> AbstractAsyncContextManager[Adapter]:
    return opened("duckdb", database.path.parent, spec, path=database.path.name)


async def test_a_column_says_what_it_holds(database: Database) -> None:
    """F87: also which labels it takes."""
    await database.run(
        """CREATE TABLE things (id UINTEGER PRIMARY KEY, mood ENUM('sad', 'b') NOT NULL, price DECIMAL(9,2) DEFAULT 0,
           twice INTEGER GENERATED ALWAYS AS (id * 2), free UNION(a INTEGER, b VARCHAR), n BIGINT NOT NULL DEFAULT 3)"""
    )
    async with desk(database, ObjectSpec("things", "id", ("mood",))) as adapter:
        schema = await adapter.describe("things")

    only_read = "values of the type union(a integer, b varchar) are only read"
    made_there = "the database makes its values"
    nobody_gives = (
        "the key of a new record is an integer that nobody gives; let the database make id, or map a field to it"
    )
    assert schema.columns == (
        Column("id", "integer", nullable=False, bounds=(0, 2**32 - 1), required=True, why_required=nobody_gives),
        Column("mood", "text", nullable=False, labels=("sad", "b"), takes_empty=False, required=True),
        Column("price", "text", digits=(9, 2), takes_empty=False),
        Column("twice", "integer", bounds=(-(2**31), 2**31 - 1), writable=False, why_not=made_there),
        Column("free", "json", writable=False, why_not=only_read),
        Column("n", "integer", nullable=False, bounds=(-(2**63), 2**63 - 1)),
    )
    assert not schema.key_assigned


async def test_a_moment_with_a_zone_is_the_same_moment_in_a_column_without_one(database: Database) -> None:
    """F82: DuckDB itself would leave the zone out."""
    await database.run("CREATE TABLE things (id INTEGER PRIMARY KEY, plain TIMESTAMP, zoned TIMESTAMPTZ)")
    written = "2024-01-01T00:30:00.25+14:00"
    async with desk(database, ObjectSpec("things", "id", ("plain", "zoned"))) as adapter:
        await adapter.push("things", [Write("create", "1", {"plain": written, "zoned": written})])

        read = (await one(adapter, "things", "1")).fields
        assert (read["plain"], read["zoned"]) == ("2023-12-31T10:30:00.250000", "2023-12-31T10:30:00.250000Z")


async def test_keys_that_a_collation_takes_for_the_same_are_different_records(database: Database) -> None:
    await database.run(
        "CREATE TABLE things (id VARCHAR COLLATE NOCASE PRIMARY KEY, name VARCHAR)",
        "INSERT INTO things SELECT 'k' || n, 'x' FROM range(7000) AS r(n)",
        "INSERT INTO things SELECT 'K' || n, 'x' FROM range(7000) AS r(n)",
    )
    async with desk(database, ObjectSpec("things", "id", ("name",))) as adapter:
        assert len(await records(adapter, "things")) == 14_000
        outcomes = await adapter.push("things", [Write("update", "k7", {"name": "small"}), Write("delete", "K9")])
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        held = await records(adapter, "things")
        assert (held["k7"]["name"], held["K7"]["name"], "k9" in held, "K9" in held) == ("small", "x", True, False)


async def test_schemas_and_names_that_need_quotes(database: Database) -> None:
    await database.run(
        "CREATE SCHEMA crm",
        'CREATE TABLE crm."my ""table" ("the id" INTEGER, "Näme" VARCHAR, shop VARCHAR)',
        'CREATE UNIQUE INDEX one ON crm."my ""table" ("the id")',
        """INSERT INTO crm."my ""table" VALUES (1, 'a', 's')""",
    )
    name = 'crm."my ""table"'
    async with desk(database, ObjectSpec(name, "the id", ("Näme",))) as adapter:
        (outcome,) = await adapter.push(name, [Write("update", "1", {"Näme": "b"})])
        assert isinstance(outcome, Written)
        assert await records(adapter, name) == {"1": {"the id": 1, "Näme": "b"}}


async def test_what_is_not_there_is_named(database: Database) -> None:
    await database.run("CREATE TABLE contacts (id INTEGER, email VARCHAR UNIQUE)")
    for spec, error, said in (
        (ObjectSpec("contact", "id", ("email",)), NotFound, "there is no table 'contact'; did you mean 'contacts'"),
        (ObjectSpec("contacts", "email", ("emial",)), NotFound, "no column 'emial'; did you mean 'email'"),
        (ObjectSpec("contacts", "id", ("email",)), Unsupported, "does not tell its rows apart"),
    ):
        async with desk(database, spec) as adapter:
            with pytest.raises(error, match=said):
                await pages(adapter, spec.object)


async def test_a_column_that_changes_its_type_is_looked_at_anew(database: Database) -> None:
    """F102."""
    await database.run(
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, age INTEGER)", "INSERT INTO contacts VALUES (1, 2)"
    )
    async with desk(database, ObjectSpec("contacts", "id", ("age",))) as adapter:
        await pages(adapter, "contacts")
        await database.run("ALTER TABLE contacts ALTER age TYPE VARCHAR")
        for call in (pages(adapter, "contacts"), adapter.push("contacts", [Write("update", "1", {"age": 3})])):
            with pytest.raises(NotFound, match="changed its type"):
                await call
        await adapter.describe("contacts")
        assert await records(adapter, "contacts") == {"1": {"id": 1, "age": "2"}}


@pytest.mark.parametrize(
    ("kind", "native"),
    [("STRUCT(a INTEGER)", {"b": 1}), ("STRUCT(a INTEGER)", {"a": "x"}), ("INTEGER[2]", [1]), ("INTEGER[]", ["x"]),
     ("JSON", object()), ("VARCHAR", "a\ud800"), ("DECIMAL(4,2)", "123.4"), ("DATE", "2024-02-30"), ("TINYINT", 128),
     ("UUID", "x"), ("ENUM('a')", "b"), ("BLOB", "x"), ("BOOLEAN", 1), ("BIGINT", "7"), ("DOUBLE", "7")],
)  # fmt: skip
async def test_what_a_column_cannot_hold_is_refused_with_its_name_and_not_bent(
    database: Database, kind: str, native: Any
) -> None:
    await database.run(f"CREATE TABLE things (id INTEGER PRIMARY KEY, good VARCHAR, bad {kind})")
    async with desk(database, ObjectSpec("things", "id", ("good", "bad"))) as adapter:
        outcomes = await adapter.push(
            "things", [Write("create", "1", {"good": "x", "bad": native}), Write("create", "2", {"good": "y"})]
        )

        assert isinstance(outcomes[0], Rejected), outcomes
        assert outcomes[0].fields == ("bad",)
        assert isinstance(outcomes[1], Written)
        assert list(await records(adapter, "things")) == ["2"]
