"""PostgreSQL: what tables are made of: types, keys, generated columns, names, and what does not fit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from datasyncd.adapters.contract import Column, Gone, ObjectSpec, Record, Write, Written
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.keeps import moments, numbers
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.adapters.sql.tables import DatabaseTables
from tests.servers.postgres import Database

HERE = Path()

EXACT = Decimal("0.12345678901234567890123")
"""More digits than a float holds."""

TYPES = {
    "flag": ("boolean", True, False),
    "small": ("smallint", 32767, -1),
    "big": ("bigint", 2**63 - 1, -(2**63)),
    "number": ("numeric", "123456789012345678901234567890.12345", "-0.1"),
    "money": ("numeric(12, 2)", "12.5", "0"),
    "double": ("double precision", 0.1, -2.5e300),
    "single": ("real", 0.1, 16777216.0),
    "day": ("date", "2024-02-29", "infinity"),
    "moment": ("timestamptz", "2024-02-29T11:00:00Z", "2024-02-29T11:00:00.000001Z"),
    "fraction": ("timestamptz", "2024-02-29T11:00:00.500000Z", "-infinity"),
    "ancient": ("timestamptz", "0044-03-15 12:00:00+00 BC", "0001-01-01T00:00:00Z"),
    "wall": ("timestamp", "2024-02-29T11:00:00", "infinity"),
    "clock": ("time", "11:00:00", "23:59:59.5"),
    "span": ("interval", "1 mon 2 days", "01:00:00"),
    "code": ("uuid", "6f1c1f5e-9f0a-4f0e-8f0a-000000000001", "00000000-0000-0000-0000-000000000000"),
    "padded": ("char(5)", "ab", "abcde"),
    "short": ("varchar(5)", "ab", "zürich"[:5]),
    "host": ("inet", "10.0.0.1", "2001:db8::1"),
    "mood": ("mood", "happy", "sad"),
    "bytes": ("bytea", b"\x00\xff", b""),
    "document": ("jsonb", {"a": [1, 2.5, None, {"b": "ü"}], "n": 2**60}, [True, "x", EXACT]),
    "written": ("json", {"a": 1}, "text"),
    "exact": ("jsonb", {"n": Decimal("0.12345678901234567891")}, [Decimal("1.0000000000000000000000001")]),
    "tags": ("text[]", ["a", 'quo"te', "back\\slash", "NULL", "", "com,ma {x}"], []),
    "counts": ("integer[]", [1, None, -3], [[1, 2], [3, 4]]),
    "days": ("date[]", ["2024-02-29", None], []),
    "codes": ("uuid[]", ["6f1c1f5e-9f0a-4f0e-8f0a-000000000001"], []),
    "flags": ("boolean[]", [True, False, None], []),
    "named": ("email_address", "a@b.org", "c@d.org"),
}
"""Column -> its type, and two values as they are read and written."""

MOOD = "CREATE TYPE mood AS ENUM ('sad', 'happy')"
DOMAIN = "CREATE DOMAIN email_address AS varchar(40) CHECK (value LIKE '%@%')"


class TestTables(DatabaseTables):
    kind = "postgres"
    types = TYPES
    not_found = ("written", "padded", "document")
    makes_types = (MOOD, DOMAIN)
    series = "generate_series({}, {}) AS n"

    def shown(self, database: Database, table: str) -> str:
        return f"public.{table}"


async def test_describe_tells_kinds_lengths_and_what_can_be_written(database: Database) -> None:
    await database.run(
        """CREATE TABLE things (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(40) NOT NULL, price numeric,
            gross numeric GENERATED ALWAYS AS (price * 1.19) STORED, net numeric GENERATED ALWAYS AS (price) VIRTUAL,
            tags text[], document jsonb, at timestamptz NOT NULL DEFAULT now())"""
    )
    async with opened("postgres", HERE, ObjectSpec("things", "id", ("name",)), dsn=database.dsn()) as desk:
        schema = await desk.describe("things")

    made = "the database makes its values"
    assert (schema.object, schema.key_assigned, schema.lacks) == ("public.things", True, ())
    assert schema.columns == (
        Column("id", "integer", nullable=False, writable=False, bounds=(-(2**63), 2**63 - 1), why_not=made),
        Column("name", "text", nullable=False, max_length=40, takes_nul=False, required=True),
        Column("price", "text", takes_empty=False, takes_nul=False, keeps=numbers()),
        Column("gross", "text", writable=False, takes_empty=False, takes_nul=False, keeps=numbers(), why_not=made),
        Column("net", "text", writable=False, takes_empty=False, takes_nul=False, keeps=numbers(), why_not=made),
        Column("tags", "list", takes_nul=False),
        Column("document", "json", takes_nul=False),
        Column("at", "text", nullable=False, takes_empty=False, takes_nul=False, keeps=moments(utc=True)),
    )


async def test_generated_columns_are_read_and_follow_what_is_written(database: Database) -> None:
    await database.run(
        """CREATE TABLE things (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, price numeric,
            twice numeric GENERATED ALWAYS AS (price * 2) STORED,
            half numeric GENERATED ALWAYS AS (price / 2) VIRTUAL)"""
    )
    spec = ObjectSpec("things", "id", ("price", "twice", "half"))
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        (made,) = await desk.push("things", [Write("create", None, {"price": "3"})])

        assert isinstance(made, Written)
        assert made.image is not None
        assert made.image.fields == {"id": 1, "price": "3", "twice": "6", "half": "1.5"}


async def test_keys_are_ordered_by_the_server(database: Database) -> None:
    await database.run(
        "CREATE TABLE things (id integer PRIMARY KEY, name text)",
        "INSERT INTO things SELECT n - 1500, 'x' FROM generate_series(1, 3000) n",
    )
    async with opened("postgres", HERE, ObjectSpec("things", "id", ("name",)), dsn=database.dsn()) as desk:
        keys = [record.key for page in await pages(desk, "things") for record in page.records]

        assert keys == [str(n) for n in range(-1499, 1501)]


async def test_names_are_taken_as_they_are(database: Database) -> None:
    await database.run(
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."Tab""le" ("Id" text PRIMARY KEY, "Näme" text, "Select" text)',
    )
    object = '"My Shop"."Tab""le"'
    spec = ObjectSpec(object, "Id", ("Näme", "Select"))
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        await desk.push(object, [Write("create", "k", {"Näme": "n", "Select": "s"})])

        assert await records(desk, object) == {"k": {"Id": "k", "Näme": "n", "Select": "s"}}
        assert (await desk.describe(object)).object == object


async def test_a_table_of_another_schema_needs_its_name(database: Database) -> None:
    await database.run("CREATE SCHEMA crm", "CREATE TABLE crm.contacts (id integer PRIMARY KEY)")
    spec = ObjectSpec("contacts", "id", ())
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        with pytest.raises(NotFound, match="desk: there is no table 'contacts'"):
            await desk.describe("contacts")


async def test_a_missing_table_or_column_is_named_with_the_nearest(database: Database) -> None:
    await database.run("CREATE TABLE contacts (id integer PRIMARY KEY, email text)")
    async with opened("postgres", HERE, ObjectSpec("contact", "id", ()), dsn=database.dsn()) as desk:
        with pytest.raises(NotFound, match="there is no table 'contact'; did you mean 'contacts'"):
            await desk.describe("contact")
    async with opened("postgres", HERE, ObjectSpec("contacts", "id", ("emial",)), dsn=database.dsn()) as desk:
        with pytest.raises(NotFound, match=r"public\.contacts has no column 'emial'; did you mean 'email'"):
            await pages(desk, "contacts")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("id integer", "does not tell its rows apart"),
        ("id integer, x integer, UNIQUE (id, x)", "does not tell its rows apart"),
        ("id jsonb PRIMARY KEY", "is of the type jsonb, which cannot be a key"),
    ],
)
async def test_a_key_that_does_not_tell_rows_apart_is_refused(database: Database, columns: str, reason: str) -> None:
    await database.run(f"CREATE TABLE things ({columns})", "CREATE UNIQUE INDEX ON things (id) WHERE id IS NULL")
    async with opened("postgres", HERE, ObjectSpec("things", "id", ()), dsn=database.dsn()) as desk:
        with pytest.raises(Unsupported, match=f"desk: the key 'id' of public.things {reason}"):
            await desk.describe("things")


async def test_a_partitioned_table_is_one_table(database: Database) -> None:
    await database.run(
        "CREATE TABLE things (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE high PARTITION OF things FOR VALUES FROM (10) TO (20)",
    )
    async with opened("postgres", HERE, ObjectSpec("things", "id", ("name",)), dsn=database.dsn()) as desk:
        outcomes = await desk.push("things", [Write("create", str(n), {"name": "x"}) for n in (5, 15)])
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        version = (await one(desk, "things", "15")).version
        await desk.push("things", [Write("update", "15", {"name": "y"}, version)])

        assert await records(desk, "things") == {"5": {"id": 5, "name": "x"}, "15": {"id": 15, "name": "y"}}


async def test_a_key_of_a_type_that_the_server_alone_reads_is_looked_for(database: Database) -> None:
    await database.run(
        "CREATE TABLE things (at timestamptz, day date, PRIMARY KEY (at, day))",
        "INSERT INTO things VALUES ('2024-02-29 12:00:00.5+01', '2024-02-29')",
    )
    spec = ObjectSpec("things", "at", (), more_keys=("day",))
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        key = '["2024-02-29T11:00:00.500000Z","2024-02-29"]'
        answers = await desk.read("things", ['["yesterday?","2024-02-29"]', key, '["2024-02-29","x"]'])

        assert answers == [
            Gone('["yesterday?","2024-02-29"]'),
            Record(
                key,
                {"at": "2024-02-29T11:00:00.500000Z", "day": "2024-02-29"},
                (await one(desk, "things", key)).version,
            ),
            Gone('["2024-02-29","x"]'),
        ]
