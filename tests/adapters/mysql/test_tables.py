"""MariaDB and MySQL: tables as the catalog has them: types, keys, generated columns, views, names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from datasyncd.adapters.contract import Column, Gone, ObjectSpec, Rejected, Write, Written
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.keeps import moments
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.adapters.sql.tables import DatabaseTables
from tests.servers.mysql import Database

HERE = Path()

TYPES = {
    "flag": ("boolean", True, False),
    "bit1": ("bit(1)", True, False),
    "bits": ("bit(64)", 2**64 - 1, 5),
    "small": ("smallint", 32767, -1),
    "medium": ("mediumint unsigned zerofill", 2**24 - 1, 7),
    "big": ("bigint", 2**63 - 1, -(2**63)),
    "huge": ("bigint unsigned", 2**64 - 1, 0),
    "year": ("year", 1901, 2155),
    "number": ("decimal(65, 30)", "12345678901234567890123456789012345.123456789012345678901234567891", "-0.1"),
    "money": ("decimal(12, 2)", "12.5", "0"),
    "double": ("double", 0.1, -2.5e300),
    "single": ("float", 0.1, 16777216.0),
    "day": ("date", "2024-02-29", "9999-12-31"),
    "moment": ("timestamp(6) NULL", "2024-02-29T11:00:00Z", "2038-01-19T03:14:07.000001Z"),
    "wall": ("datetime(6)", "2024-02-29T11:00:00.500000", "1000-01-01T00:00:00"),
    "second": ("datetime", "2024-02-29T11:00:00", "9999-12-31T23:59:59"),
    "clock": ("time(3)", "11:00:00", "-838:59:59.5"),
    "code": ("uuid", "6f1c1f5e-9f0a-4f0e-8f0a-000000000001", "00000000-0000-0000-0000-000000000000"),
    "padded": ("char(5)", "ab", "zürich"[:5]),
    "short": ("varchar(5) COLLATE utf8mb4_bin", "ab ", "👩‍👩‍👧"),
    "latin": ("varchar(20) CHARACTER SET latin1", "Zoë", "%s \\ %% ' \" \n \0 \x1a"),
    "host": ("inet6", "2001:db8::1", "::"),
    "mood": ("enum('sad', 'it''s %', 'Ä')", "it's %", "Ä"),
    "tags": ("set('b', 'a c', 'x')", ["b", "x"], []),
    "bytes": ("blob", b"\x00\xff'\\%s", b""),
    "fixed": ("binary(4)", b"\x00\xff\x00\x01", b"abcd"),
    "document": (
        "json",
        {"a": [1, 2.5, None, {"b": "ü\0"}], "n": 2**60},
        [True, "x", Decimal("0.12345678901234567890")],
    ),
    "text": ("longtext", "x" * 70_000, ""),
}
"""Column -> its type, and two values as they are read and written."""


@pytest.fixture
def database(mysql: Database) -> Database:
    return mysql


class TestTables(DatabaseTables):
    kind = "mysql"
    types = TYPES
    not_found = ("document",)
    series = "(SELECT seq AS n FROM seq_{}_to_{}) AS s"

    def shown(self, database: Database, table: str) -> str:
        return f"{database.name}.{table}"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2024-02-29T12:00:00+01:00", "2024-02-29T11:00:00Z"),
        ("2024-02-29 11:00:00", "2024-02-29T11:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2024-02-29T23:30:00-00:30", "2024-03-01T00:00:00Z"),
        ("2024-03-31T02:30:00Z", "2024-03-31T02:30:00Z"),
        ("1970-01-01T00:00:01.000000Z", "1970-01-01T00:00:01Z"),
    ],
)
async def test_moments_are_in_utc_whatever_zone_the_server_has(mysql: Database, sent: str, stored: str) -> None:
    """F82, F83."""
    await mysql.run("CREATE TABLE things (id integer PRIMARY KEY, at timestamp(6) NULL, wall datetime(6))")
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("at", "wall")), dsn=mysql.dsn()) as desk:
        await desk.push("things", [Write("create", "1", {"at": sent, "wall": sent})])

        assert (await one(desk, "things", "1")).fields == {"id": 1, "at": stored, "wall": stored[:-1]}
        async with mysql.connected() as other, other.cursor() as cursor:
            await cursor.execute("SET time_zone = '+13:00'")
            await cursor.execute("UPDATE things SET at = '2024-03-01 10:00:00', wall = '2024-03-01 10:00:00'")
        assert (await one(desk, "things", "1")).fields == {
            "id": 1, "at": "2024-02-29T21:00:00Z", "wall": "2024-03-01T10:00:00",
        }  # fmt: skip


@pytest.mark.parametrize("value", ["2039-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2024-02-30T00:00:00Z", "soon", ""])
async def test_a_moment_that_a_timestamp_has_no_room_for_is_refused(mysql: Database, value: str) -> None:
    await mysql.run("CREATE TABLE things (id integer PRIMARY KEY, at timestamp(6) NULL)")
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("at",)), dsn=mysql.dsn()) as desk:
        outcomes = await desk.push("things", [Write("create", "1", {"at": value})])

        assert outcomes == [Rejected("at: a value of the type timestamp(6) expected", ("at",))]


async def test_what_is_no_date_or_no_truth_is_read_as_it_stands(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE things (id integer PRIMARY KEY, day date, at datetime, flag boolean)",
        "SET sql_mode = ''; INSERT INTO things VALUES (1, '0000-00-00', '2024-00-00 00:00:00', 7)",
    )
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("day", "at", "flag")), dsn=mysql.dsn()) as desk:
        record = await one(desk, "things", "1")
        assert record.fields == {"id": 1, "day": "0000-00-00", "at": "2024-00-00T00:00:00", "flag": 7}
        (outcome,) = await desk.push("things", [Write("update", "1", {"flag": True}, record.version)])

        assert isinstance(outcome, Written)


async def test_describe_tells_kinds_lengths_and_what_can_be_written(mysql: Database) -> None:
    await mysql.run(
        """CREATE TABLE things (
            id bigint unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(40) NOT NULL, price decimal(10, 2),
            gross decimal(12, 4) AS (price * 1.19) STORED, net double AS (price) VIRTUAL, tags set('a', 'b'),
            document json, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, ok boolean NOT NULL DEFAULT false,
            place point)"""
    )
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("name",)), dsn=mysql.dsn()) as desk:
        schema = await desk.describe("things")

    made = "the database makes its values"
    assert (schema.object, schema.key_assigned, schema.lacks) == (f"{mysql.name}.things", True, ())
    assert schema.columns == (
        Column("id", "integer", nullable=False, bounds=(0, 2**64 - 1)),
        Column("name", "text", nullable=False, max_length=40, required=True),
        Column("price", "text", takes_empty=False, digits=(10, 2)),
        Column("gross", "text", writable=False, takes_empty=False, digits=(12, 4), why_not=made),
        Column("net", "float", writable=False, why_not=made),
        Column("tags", "list", labels=("a", "b")),
        Column("document", "json"),
        Column("at", "text", nullable=False, takes_empty=False, keeps=moments(utc=True, places=0)),
        Column("ok", "boolean", nullable=False),
        Column("place", "text", writable=False, takes_empty=False, why_not="values of its type are only read"),
    )


async def test_a_trigger_that_fills_in_a_column_makes_it_no_longer_required(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE things (id integer PRIMARY KEY, code varchar(9) NOT NULL, name text)",
        "CREATE TRIGGER fill BEFORE INSERT ON things FOR EACH ROW SET NEW.code = 'filled'",
    )
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("name", "code")), dsn=mysql.dsn()) as desk:
        assert not any(column.required for column in (await desk.describe("things")).columns if column.name == "code")
        outcomes = await desk.push(
            "things", [Write("create", "1", {"name": "a"}), Write("create", "2", {"code": None})]
        )

        assert [type(outcome) for outcome in outcomes] == [Written, Written]
        assert {row["code"] for row in (await records(desk, "things")).values()} == {"filled"}


async def test_an_enum_that_may_not_be_null_is_its_first_label_where_nobody_gives_one(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE things (id integer AUTO_INCREMENT PRIMARY KEY, mood enum('a', 'b') NOT NULL, name text)"
    )
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("name", "mood")), dsn=mysql.dsn()) as desk:
        assert not any(column.required for column in (await desk.describe("things")).columns)
        await desk.push("things", [Write("create", None, {"name": "x"})])

        assert list((await records(desk, "things")).values()) == [{"id": 1, "name": "x", "mood": "a"}]


async def test_generated_columns_are_read_and_follow_what_is_written(mysql: Database) -> None:
    await mysql.run(
        """CREATE TABLE things (id integer AUTO_INCREMENT PRIMARY KEY, price decimal(10, 2),
            twice decimal(10, 2) AS (price * 2) STORED, half decimal(10, 2) AS (price / 2) VIRTUAL)"""
    )
    spec = ObjectSpec("things", "id", ("price", "twice", "half"))
    async with opened("mysql", HERE, spec, dsn=mysql.dsn()) as desk:
        (made,) = await desk.push("things", [Write("create", None, {"price": "3"})])

        assert isinstance(made, Written)
        assert made.image is not None
        assert made.image.fields == {"id": 1, "price": "3", "twice": "6", "half": "1.5"}


@pytest.mark.parametrize(
    ("type", "keys"),
    [
        ("integer", [str(n) for n in range(-1499, 1501)]),
        ("decimal(20, 2)", ["-1.5", "0", "9.25", "10", "123456789012345678.01"]),
        ("date", ["0001-01-01", "2024-02-29", "9999-12-31"]),
        ("datetime(6)", ["2024-02-29T11:00:00", "2024-02-29T11:00:00.000001"]),
        ("timestamp(6)", ["2024-02-29T11:00:00Z", "2024-02-29T11:00:00.500000Z"]),
        ("uuid", ["00000000-0000-0000-0000-000000000000", "6f1c1f5e-9f0a-4f0e-8f0a-000000000001"]),
        ("year", ["1901", "2155"]),
    ],
)
async def test_keys_of_each_type_are_made_read_and_paged_in_the_order_of_the_server(
    mysql: Database, type: str, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(keys) < 10:
        monkeypatch.setattr("datasyncd.adapters.sql.pulling.Pulling.page", 1)
    await mysql.run(f"CREATE TABLE things (id {type} PRIMARY KEY, name text)")
    async with opened("mysql", HERE, ObjectSpec("things", "id", ("name",)), dsn=mysql.dsn()) as desk:
        made = await desk.push("things", [Write("create", key, {"name": "x"}) for key in reversed(keys)])
        assert [outcome.key for outcome in made if isinstance(outcome, Written)] == keys[::-1]
        found = await pages(desk, "things")

        assert [record.key for page in found for record in page.records] == keys
        assert (await one(desk, "things", keys[0])).fields["name"] == "x"
        assert await desk.read("things", ["", "x", keys[0] + " ", "1e1", "٣"]) == [
            Gone(key) for key in ("", "x", keys[0] + " ", "1e1", "٣")
        ]
        (gone,) = await desk.push("things", [Write("delete", keys[-1])])
        assert gone == Written(keys[-1])
        assert await desk.read("things", [keys[-1]]) == [Gone(keys[-1])]


async def test_names_are_taken_as_they_are(mysql: Database) -> None:
    await mysql.run("CREATE TABLE `Tab``le %s.x` (`Id` varchar(9) PRIMARY KEY, `Nä%me` text, `Select` text)")
    object = "`Tab``le %s.x`"
    spec = ObjectSpec(object, "Id", ("Nä%me", "Select"))
    async with opened("mysql", HERE, spec, dsn=mysql.dsn()) as desk:
        await desk.push(object, [Write("create", "k", {"Nä%me": "n", "Select": "s"})])
        await desk.push(object, [Write("update", "k", {"Nä%me": "m"})])

        assert await records(desk, object) == {"k": {"Id": "k", "Nä%me": "m", "Select": "s"}}
        assert (await desk.describe(object)).object == f"{mysql.name}.{object}"
        assert [record.key for record in await desk.find(object, "Nä%me", ["m"])] == ["k"]
        (taken,) = await desk.push(object, [Write("create", "k", {})])
        assert "Clash" in repr(taken)


async def test_a_table_of_another_database_needs_its_name(mysql: Database) -> None:
    await mysql.run("CREATE TABLE contacts (id integer PRIMARY KEY)")
    object = f"{mysql.name}.contacts"
    dsn = mysql.dsn().removesuffix(mysql.name)
    async with opened("mysql", HERE, ObjectSpec(object, "id", ()), dsn=dsn) as desk:
        assert await records(desk, object) == {}
    async with opened("mysql", HERE, ObjectSpec("contacts", "id", ()), dsn=dsn) as desk:
        with pytest.raises(NotFound, match="desk: there is no table 'contacts', or the user has no right there"):
            await desk.describe("contacts")


async def test_a_missing_table_or_column_is_named_with_the_nearest(mysql: Database) -> None:
    await mysql.run("CREATE TABLE contacts (id integer PRIMARY KEY, email text)")
    async with opened("mysql", HERE, ObjectSpec("contact", "id", ()), dsn=mysql.dsn()) as desk:
        with pytest.raises(NotFound, match=r"there is no table 'contact', .*; did you mean 'contacts'"):
            await desk.describe("contact")
    async with opened("mysql", HERE, ObjectSpec("contacts", "id", ("emial",)), dsn=mysql.dsn()) as desk:
        with pytest.raises(NotFound, match=r"contacts has no column 'emial'; did you mean 'email'"):
            await pages(desk, "contacts")
    async with opened("mysql", HERE, ObjectSpec("a.b.c", "id", ()), dsn=mysql.dsn()) as desk:
        with pytest.raises(NotFound, match=r"'a.b.c' names no table"):
            await desk.describe("a.b.c")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("id integer", "does not tell its rows apart"),
        ("id integer, x integer, UNIQUE (id, x)", "does not tell its rows apart"),
        ("id varchar(20), UNIQUE (id(3))", "does not tell its rows apart"),
        ("id binary(16) PRIMARY KEY", "is of the type binary, which cannot be a key"),
        ("id float PRIMARY KEY", "is of the type float, which cannot be a key"),
        ("id enum('a') PRIMARY KEY", "is of the type enum, which cannot be a key"),
    ],
)
async def test_a_key_that_does_not_tell_rows_apart_is_refused(mysql: Database, columns: str, reason: str) -> None:
    await mysql.run(f"CREATE TABLE things ({columns})")
    async with opened("mysql", HERE, ObjectSpec("things", "id", ()), dsn=mysql.dsn()) as desk:
        with pytest.raises(Unsupported, match=f"desk: the key 'id' of {mysql.name}.things {reason}"):
            await desk.describe("things")


async def test_a_partitioned_and_a_versioned_table_are_tables(mysql: Database) -> None:
    await mysql.run(
        "CREATE TABLE parts (id integer PRIMARY KEY, name text) PARTITION BY HASH (id) PARTITIONS 3",
        "CREATE TABLE old (id integer PRIMARY KEY, name text) WITH SYSTEM VERSIONING",
    )
    for name in ("parts", "old"):
        async with opened("mysql", HERE, ObjectSpec(name, "id", ("name",)), dsn=mysql.dsn()) as desk:
            outcomes = await desk.push(name, [Write("create", str(n), {"name": "x"}) for n in (5, 15)])
            assert all(isinstance(outcome, Written) for outcome in outcomes)
            version = (await one(desk, name, "15")).version
            await desk.push(name, [Write("update", "15", {"name": "y"}, version), Write("delete", "5")])

            assert await records(desk, name) == {"15": {"id": 15, "name": "y"}}
