"""PostgreSQL: what tables are made of: types, keys, generated columns, names, and what does not fit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import Column, Gone, Malformed, ObjectSpec, Record, Write, Written
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records
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


async def of_all_types(database: Database) -> ObjectSpec:
    columns = ", ".join(f'"{name}" {type}' for name, (type, _, _) in TYPES.items())
    await database.run(MOOD, DOMAIN, f"CREATE TABLE things (id integer PRIMARY KEY, {columns})")
    return ObjectSpec("things", "id", tuple(TYPES))


@pytest.mark.parametrize("place", [1, 2])
async def test_every_type_comes_back_as_it_was_written(database: Database, place: int) -> None:
    spec = await of_all_types(database)
    values: dict[str, Any] = {name: known[place] for name, known in TYPES.items()}

    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        (created,) = await desk.push("things", [Write("create", "1", values)])
        assert isinstance(created, Written), created
        read = await one(desk, "things", "1")

        assert {name: read.fields[name] for name in TYPES} == values
        assert {name: type(read.fields[name]) for name in TYPES} == {name: type(v) for name, v in values.items()}
        assert created.image == read

        (cleared,) = await desk.push("things", [Write("update", "1", dict.fromkeys(TYPES), read.version)])
        assert isinstance(cleared, Written), cleared
        assert (await one(desk, "things", "1")).fields == {"id": 1, **dict.fromkeys(TYPES)}
        (set_again,) = await desk.push("things", [Write("update", "1", values)])
        assert isinstance(set_again, Written), set_again
        assert await one(desk, "things", "1") == read


@pytest.mark.parametrize("name", sorted(name for name in TYPES if name not in ("written", "padded", "document")))
async def test_records_are_found_by_a_value_of_any_type(database: Database, name: str) -> None:
    spec = await of_all_types(database)
    rows = [{name: known[place] for name, known in TYPES.items()} for place in (1, 2)]

    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        await desk.push("things", [Write("create", str(n), row) for n, row in enumerate(rows)])

        for n, row in enumerate(rows):
            found = {record.key for record in await desk.find("things", name, [row[name]])}
            assert found == {str(other) for other, values in enumerate(rows) if values[name] == row[name]} | {str(n)}
        assert await desk.find("things", name, [object()]) == []


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
        Column("price", "text", takes_empty=False, takes_nul=False),
        Column("gross", "text", writable=False, takes_empty=False, takes_nul=False, why_not=made),
        Column("net", "text", writable=False, takes_empty=False, takes_nul=False, why_not=made),
        Column("tags", "list", takes_nul=False),
        Column("document", "json", takes_nul=False),
        Column("at", "text", nullable=False, takes_empty=False, takes_nul=False),
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


async def test_a_composite_key_is_a_list_of_texts_and_pages_by_all_its_parts(database: Database) -> None:
    await database.run(
        "CREATE TABLE seats (shop text, n integer, name text, PRIMARY KEY (shop, n))",
        "INSERT INTO seats SELECT 's' || n % 3, n, 'x' FROM generate_series(1, 2500) n",
    )
    spec = ObjectSpec("seats", "shop", ("name",), more_keys=("n",))
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        assert (await desk.describe("seats")).key_assigned
        found = await pages(desk, "seats")

        assert len({record.key for page in found for record in page.records}) == 2500
        assert [page.complete for page in found] == [False, False, True]
        assert await desk.read("seats", ['["s1","4"]', '["s1","5"]', "s1", '["s1","x"]', "[1]"]) == [
            await one(desk, "seats", '["s1","4"]'), Gone('["s1","5"]'), Gone("s1"), Gone('["s1","x"]'), Gone("[1]"),
        ]  # fmt: skip
        outcomes = await desk.push(
            "seats",
            [
                Write("create", None, {"shop": 'a "b"', "n": 1, "name": "new"}),
                Write("update", '["s1","4"]', {"name": "four"}),
                Write("update", '["s1","7"]', {"n": 70_000, "name": "moved"}),
                Write("delete", '["s1","10"]'),
            ],
        )
        assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == [
            '["a \\"b\\"","1"]', '["s1","4"]', '["s1","70000"]', '["s1","10"]',
        ]  # fmt: skip
        held = await records(desk, "seats")
        assert held['["a \\"b\\"","1"]'] == {"shop": 'a "b"', "n": 1, "name": "new"}
        assert [held['["s1","4"]']["name"], held['["s1","70000"]']["name"]] == ["four", "moved"]
        assert not {'["s1","7"]', '["s1","10"]'} & held.keys()


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


async def test_rows_without_a_key_are_told_and_the_pull_is_not_complete(database: Database) -> None:
    await database.run(
        "CREATE TABLE things (id text UNIQUE, name text)",
        "INSERT INTO things VALUES (NULL, 'a'), (NULL, 'b'), ('k', 'c')",
    )
    async with opened("postgres", HERE, ObjectSpec("things", "id", ("name",)), dsn=database.dsn()) as desk:
        found = await pages(desk, "things")

        assert [list(page.malformed) for page in found] == [[
            Malformed(None, "table public.things", "2 rows have no 'id'")
        ]]  # fmt: skip
        assert [page.complete for page in found] == [False]
        assert list(await records(desk, "things")) == ["k"]


async def test_a_view_is_only_read_and_keys_that_repeat_are_quarantined(database: Database) -> None:
    await database.run(
        "CREATE TABLE a (id integer PRIMARY KEY, name text)",
        "INSERT INTO a SELECT n, 'x' FROM generate_series(1, 1500) n",
        "CREATE VIEW things AS SELECT * FROM a UNION ALL SELECT 1000, 'again' UNION ALL SELECT 7, 'again'",
    )
    async with opened("postgres", HERE, ObjectSpec("things", "id", ("name",)), dsn=database.dsn()) as desk:
        schema = await desk.describe("things")
        assert [column.why_not for column in schema.columns] == ["it is a column of a view"] * 2
        assert {row.key for row in await malformed(desk, "things")} == {"7", "1000"}
        assert len(await records(desk, "things")) >= 1498
        (outcome,) = await desk.push("things", [Write("update", "1", {"name": "y"})])
        assert "a view is only read" in str(outcome)


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
