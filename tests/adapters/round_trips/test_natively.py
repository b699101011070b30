"""What others write into a store, by its own means, is read as what it means: blank, null and absent apart."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, ObjectSpec
from datasyncd.adapters.testing.desk import opened, records
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation
from datasyncd.reconcile.rules import Value
from tests.adapters.translate.translating import published
from tests.servers import mysql as mysql_server
from tests.servers import postgres as postgres_server

Written: TypeAlias = tuple[str, str, dict[str, Any], Value]
"""Type of a column, SQL of a value, what it is mapped as, and what it then is."""


def of(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, **options}


EVERYWHERE: list[Written] = [
    ("varchar(40)", "''", of("text"), None),
    ("varchar(40)", "NULL", of("text"), None),
    ("varchar(40)", "' '", of("text"), " "),
    ("varchar(40)", "' '", of("email"), None),
    ("varchar(40)", "'Zoë 🎉'", of("text"), "Zoë 🎉"),
    ("varchar(40)", "'0012'", of("integer"), 12),
    ("varchar(40)", "'1.50'", of("decimal"), "1.5"),
    ("varchar(40)", "'(650) 253-0000'", of("phone", region="US"), "+16502530000"),
    ("varchar(40)", "'2025-01-01T00:30:00+14:00'", of("datetime"), "2024-12-31T10:30:00Z"),
    ("varchar(40)", "'2024-12-31 23:30:00-12:00'", of("datetime"), "2025-01-01T11:30:00Z"),
    ("varchar(40)", "'2024-10-27 02:30:00'", of("datetime", zone="Europe/Berlin"), "2024-10-27T00:30:00Z"),
    ("varchar(40)", "'2024-03-31 02:30:00'", of("datetime", zone="Europe/Berlin"), "2024-03-31T01:30:00Z"),
    ("varchar(40)", "'2024-11-03 01:30:00'", of("datetime", zone="America/New_York"), "2024-11-03T05:30:00Z"),
    ("varchar(40)", "'20240229'", of("date"), "2024-02-29"),
    ("varchar(40)", "'b; a;;b'", of("set"), ["a", "b"]),
    ("varchar(40)", "'EUR 12.3'", of("money"), "12.30 EUR"),
    ("varchar(40)", "'N'", of("consent", native_values={"Y": True, "N": False}), "out"),
    ("varchar(40)", "'Türkiye'", of("country", form="name"), "TR"),
    ("varchar(40)", "'en_uk'", of("language"), "en-GB"),
    ("bigint", "9223372036854775807", of("integer"), 2**63 - 1),
    ("bigint", "9007199254740993", of("text"), "9007199254740993"),
    ("bigint", "0", of("consent"), "out"),
    ("bigint", "1624", of("money", currency="JPY", form="minor"), "1624 JPY"),
    ("bigint", "1234", of("money", currency="KWD", form="minor"), "1.234 KWD"),
    ("double precision", "0.1", of("decimal"), "0.1"),
    ("date", "'2024-02-29'", of("date"), "2024-02-29"),
]  # fmt: skip
DECIMAL: list[Written] = [
    ("decimal(12,3)", "1.500", of("decimal"), "1.5"),
    ("decimal(12,3)", "1.500", of("money", currency="EUR"), "1.50 EUR"),
    ("decimal(12,3)", "1624", of("money", currency="JPY"), "1624 JPY"),
    ("decimal(12,3)", "0.005", of("money", currency="KWD"), "0.005 KWD"),
    ("decimal(38,10)", "12345678901234567890.0000000001", of("decimal"), "12345678901234567890.0000000001"),
]
POSTGRES: list[Written] = [
    ("timestamptz", "'2025-01-01 00:30+14'", of("datetime"), "2024-12-31T10:30:00Z"),
    ("timestamptz", "'2024-12-31 23:30-12'", of("datetime"), "2025-01-01T11:30:00Z"),
    ("timestamptz", "'2024-10-27 02:30 Europe/Berlin'", of("datetime"), "2024-10-27T01:30:00Z"),
    ("timestamptz", "'2024-02-29 12:00:00.5+00'", of("datetime"), "2024-02-29T12:00:00.500000Z"),
    ("timestamp", "'2024-03-31 02:30'", of("datetime", zone="Europe/Berlin"), "2024-03-31T01:30:00Z"),
    ("real", "0.1", of("decimal"), "0.1"),
    ("char(9)", "'DE'", of("country"), "DE"),
    ("boolean", "true", of("consent"), "in"),
    ("text[]", "ARRAY['b', NULL, 'a;c', 'b']", of("set"), ["a;c", "b"]),
    ("integer[]", "ARRAY[7, 10]", of("set"), ["10", "7"]),
    ("jsonb", "'{\"b\": [1.0, 12345678901234567890], \"a\": null}'", of("json"),
     '{"a":null,"b":[1,12345678901234567890]}'),
    ("jsonb", "'null'", of("json"), None),
    ("uuid", "'550E8400-E29B-41D4-A716-446655440000'", of("text"), "550e8400-e29b-41d4-a716-446655440000"),
]  # fmt: skip
MYSQL: list[Written] = [
    ("timestamp(6) NULL", "'2024-02-29 12:00:00.5'", of("datetime"), "2024-02-29T12:00:00.500000Z"),
    ("datetime", "'2024-03-31 02:30:00'", of("datetime", zone="Europe/Berlin"), "2024-03-31T01:30:00Z"),
    ("float", "0.1", of("decimal"), "0.1"),
    ("char(9)", "'DE'", of("country"), "DE"),
    ("tinyint(1)", "0", of("consent"), "out"),
    ("set('b','a','c d')", "'b,c d'", of("set"), ["b", "c d"]),
    ("json", "'{\"b\": [1.0, 12345678901234567890], \"a\": null}'", of("json"),
     '{"a":null,"b":[1,12345678901234567890]}'),
    ("bit(1)", "b'1'", of("boolean"), True),
]  # fmt: skip
DUCKDB: list[Written] = [
    ("TIMESTAMPTZ", "'2025-01-01 00:30:00+14'", of("datetime"), "2024-12-31T10:30:00Z"),
    ("TIMESTAMP_S", "'2024-03-31 02:30:00'", of("datetime", zone="Europe/Berlin"), "2024-03-31T01:30:00Z"),
    ("FLOAT", "0.1", of("decimal"), "0.1"),
    ("VARCHAR[]", "['b', NULL, 'a;c']", of("set"), ["a;c", "b"]),
    ("JSON", "'{\"b\": 1.0, \"a\": null}'", of("json"), '{"a":null,"b":1}'),
]  # fmt: skip
SQLITE: list[Written] = [
    ("DATETIME", "'2024-02-29 12:00:00'", of("datetime"), "2024-02-29T12:00:00Z"),
    ("DATETIME", "1709208000", of("datetime"), "2024-02-29T12:00:00Z"),
    ("DECIMAL(9,2)", "'12.50'", of("decimal"), "12.5"),
    ("DECIMAL(9,2)", "12.5", of("money", currency="EUR"), "12.50 EUR"),
    ("INTEGER", "'17'", of("text"), "17"),
    ("BOOLEAN", "1", of("boolean"), True),
    ("BLOB", "x'5a6fc3ab'", of("text"), "Zoë"),
]


def tables(rows: list[Written]) -> tuple[str, str, list[str]]:
    """SQL of a column for each, of the values of one row, and the names."""
    names = [f"c{n}" for n, _ in enumerate(rows)]
    columns = ", ".join(f"{name} {row[0]}" for name, row in zip(names, rows, strict=True))
    return columns, ", ".join(row[1] for row in rows), names


async def are_read(adapter: Adapter, kind: str, rows: list[Written], names: list[str]) -> None:
    schema = await adapter.describe("things")
    fields = [
        MappedField(n, name, FieldTypeOptions(**row[2]), push=False)
        for n, (name, row) in enumerate(zip(names, rows, strict=True))
    ]
    translation = Translation(fields, schema, text_only=registry.find(kind).text_only)
    assert translation.problems() == []
    (record,) = [record async for page in adapter.pull("things", None) for record in page.records]
    reading = translation.reading(record)

    assert reading.invalid == {}
    found = [(row[0], row[1], reading.values.get(n)) for n, row in enumerate(rows)]
    assert found == [(row[0], row[1], row[3]) for row in rows]


def spec(names: list[str]) -> ObjectSpec:
    return ObjectSpec("things", "id", tuple(names))


async def test_postgres(database: postgres_server.Database) -> None:
    rows = [*EVERYWHERE, *DECIMAL, *POSTGRES]
    columns, values, names = tables(rows)
    await database.run(f"CREATE TABLE things (id integer PRIMARY KEY, {columns})", "SET TIME ZONE 'Asia/Tokyo'")
    await database.run(f"INSERT INTO things VALUES (1, {values})")
    async with opened("postgres", Path(), spec(names), dsn=database.dsn()) as adapter:
        await are_read(adapter, "postgres", rows, names)


async def test_mysql(mysql: mysql_server.Database) -> None:
    rows = [*EVERYWHERE, *DECIMAL, *MYSQL]
    columns, values, names = tables(rows)
    await mysql.run(f"CREATE TABLE things (id integer PRIMARY KEY, {columns})")
    async with mysql.connected() as other, other.cursor() as cursor:
        await cursor.execute("SET time_zone = '+00:00'")
        await cursor.execute(f"INSERT INTO things VALUES (1, {values})")
    async with opened("mysql", Path(), spec(names), dsn=mysql.dsn()) as adapter:
        await are_read(adapter, "mysql", rows, names)


async def test_duckdb(tmp_path: Path) -> None:
    rows = [*EVERYWHERE, *DECIMAL, *DUCKDB]
    columns, values, names = tables(rows)
    with duckdb.connect(str(tmp_path / "app.duckdb")) as app:
        app.execute(f"CREATE TABLE things (id INTEGER PRIMARY KEY, {columns})")
        app.execute(f"INSERT INTO things VALUES (1, {values})")
    async with opened("duckdb", tmp_path, spec(names), path="app.duckdb") as adapter:
        await are_read(adapter, "duckdb", rows, names)


async def test_sqlite(tmp_path: Path) -> None:
    rows = [*EVERYWHERE, *SQLITE]
    columns, values, names = tables(rows)
    with closing(sqlite3.connect(tmp_path / "app.db")) as app, app:
        app.execute(f"CREATE TABLE things (id INTEGER PRIMARY KEY, {columns})")
        app.execute(f"INSERT INTO things VALUES (1, {values})")
    async with opened("sqlite", tmp_path, spec(names), path="app.db") as adapter:
        await are_read(adapter, "sqlite", rows, names)


async def test_numbers_that_people_write_are_read_in_each_of_their_forms(tmp_path: Path) -> None:
    """F84: the published examples, as they stand in a file that somebody made."""
    rows = published("phone_examples.csv")
    lines = [f'{n},"{row["international"]}","{row["rfc3966"]}",{row["e164"]}' for n, row in enumerate(rows)]
    (tmp_path / "things.csv").write_text("\n".join(["id,a,b,c", *lines]) + "\n", encoding="utf-8")
    fields = [MappedField(n, name, FieldTypeOptions(name="phone")) for n, name in enumerate("abc")]
    async with opened("csv", tmp_path, spec(["a", "b", "c"]), path=".") as adapter:
        translation = Translation(fields, await adapter.describe("things"), text_only=True)
        found = {r.key: translation.reading(r) async for page in adapter.pull("things", None) for r in page.records}

    assert [found[str(n)].values for n, _ in enumerate(rows)] == [dict.fromkeys(range(3), row["e164"]) for row in rows]


async def test_blank_null_and_absent_are_three_things(tmp_path: Path) -> None:
    """F79, F80: blank and null are a blank, and what is not there says nothing."""
    lines = [{"id": "blank", "a": ""}, {"id": "null", "a": None}, {"id": "absent"}, {"id": "value", "a": "x"}]
    (tmp_path / "things.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    field = [MappedField(1, "a", FieldTypeOptions(name="text"))]
    async with opened("jsonl", tmp_path, spec(["a"]), path=".") as adapter:
        translation = Translation(field, await adapter.describe("things"))
        pulled = [record async for page in adapter.pull("things", None) for record in page.records]
        held = await records(adapter, "things")

    assert {record.key: translation.reading(record).values for record in pulled} == {
        "blank": {1: None}, "null": {1: None}, "absent": {}, "value": {1: "x"},
    }  # fmt: skip
    assert held["blank"] == {"id": "blank", "a": ""}


@pytest.mark.parametrize(("cell", "value"), [("", None), ('""', None), ('" "', " "), ("NULL", "NULL"), ("0", "0")])
async def test_an_empty_cell_is_blank_and_nothing_else_is(cell: str, value: Value, tmp_path: Path) -> None:
    (tmp_path / "things.csv").write_text(f"id,a\n1,{cell}\n")
    field = [MappedField(1, "a", FieldTypeOptions(name="text"))]
    async with opened("csv", tmp_path, spec(["a"]), path=".") as adapter:
        translation = Translation(field, await adapter.describe("things"), text_only=True)
        (record,) = [record async for page in adapter.pull("things", None) for record in page.records]

    assert translation.reading(record).values == {1: value}
