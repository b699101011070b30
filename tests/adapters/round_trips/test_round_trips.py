"""Every type of field in every kind of column of a real store: what was written comes back, or was refused before."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Key, ObjectSpec
from datasyncd.adapters.testing import staged
from datasyncd.adapters.testing.desk import opened
from tests.servers import mysql as mysql_server
from tests.servers import postgres as postgres_server
from tests.servers import rabbitmq
from tests.servers.nats import Streams
from tests.servers.radicale import Book
from tests.servers.redis import Server as Redis

from . import columns
from .columns import Columns
from .trip import Case, case_of, travel
from .variants import Variant, addresses, variants

UNTYPED = "untyped"
PARQUET = {
    "string": pa.string(), "int16": pa.int16(), "int64": pa.int64(), "double": pa.float64(), "float": pa.float32(),
    "half": pa.float16(), "bool": pa.bool_(), "decimal(12, 2)": pa.decimal128(12, 2),
    "decimal(38, 10)": pa.decimal128(38, 10), "date": pa.date32(), "milliseconds of a day": pa.date64(),
    "binary": pa.binary(), "timestamp[us, UTC]": pa.timestamp("us", "UTC"), "timestamp[us]": pa.timestamp("us"),
    "timestamp[ms, UTC]": pa.timestamp("ms", "UTC"), "timestamp[ns, UTC]": pa.timestamp("ns", "UTC"),
    "list<string>": pa.list_(pa.string()), "list<int64>": pa.list_(pa.int64()), "list<double>": pa.list_(pa.float64()),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}  # fmt: skip
CARD_TYPES = ("text", "email", "phone", "date", "datetime", "set", "url", "country", "json", "consent")
"""Each value costs a request to the server: those that cards are made for, and those with signs of their own."""


def column(type: str) -> str:
    """The name of the column of a type."""
    return type or UNTYPED


def table(of: Columns, quote: str = '"', null: str = "") -> str:
    """SQL of its columns."""
    return ", ".join(f"{quote}{column(type)}{quote} {type}{null}" for type in of)


async def trip(
    adapter: Adapter, object: str, of: Columns, kind: str, tried: Sequence[Variant] = (), key: Any = str
) -> list[Case]:
    """Nothing comes back otherwise than was said, and what fits is what is expected; the cases.

    The first column takes the published addresses, too: all of them, if it takes every text.
    """
    schema, text_only = await adapter.describe(object), registry.find(kind).text_only
    first = next(iter(of))
    wanted = tried or variants()
    pairs = [(type, each) for type in of for each in [*wanted, *(addresses() if type == first and not tried else ())]]
    cases = [case for type, each in pairs if (case := case_of(schema, column(type), each, text_only=text_only))]
    made = await travel(adapter, object, key, cases)

    assert made.changed == []
    names = {each.name for each in wanted}
    tables = {each.name for each in addresses()} - (set() if "email" in of[first][0] else {"emails"})
    for type, (fits, loses) in of.items():
        more = tables if type == first and not tried else set()
        assert (type, made.fits(column(type))) == (type, (fits & names) | more)
        assert (type, made.loses(column(type))) == (type, loses & names)
    for case in cases:
        assert all(case.refused.values()), case
    return cases


def things(of: Columns) -> ObjectSpec:
    return ObjectSpec("things", "id", tuple(map(column, of)))


@pytest.mark.parametrize(("of", "strict"), [(columns.SQLITE, ""), (columns.STRICT, "STRICT")], ids=["loose", "strict"])
async def test_sqlite(tmp_path: Path, of: Columns, strict: str) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as app, app:
        app.execute(f"CREATE TABLE things (id TEXT PRIMARY KEY, {table(of)}) {strict}")
    async with opened("sqlite", tmp_path, things(of), path="app.db") as adapter:
        await trip(adapter, "things", of, "sqlite")


async def test_duckdb(tmp_path: Path) -> None:
    of = columns.DUCKDB
    with duckdb.connect(str(tmp_path / "app.duckdb")) as app:
        app.execute(f"CREATE TABLE things (id VARCHAR PRIMARY KEY, {table(of)})")
    async with opened("duckdb", tmp_path, things(of), path="app.duckdb") as adapter:
        await trip(adapter, "things", of, "duckdb")


async def test_postgres(database: postgres_server.Database) -> None:
    """F82, F83, F85: days, moments and amounts, as in every other store here."""
    of = columns.POSTGRES
    await database.run("CREATE TYPE mood AS ENUM ('sad', 'happy', '1', '2', 'a')")
    await database.run(f"CREATE TABLE things (id text PRIMARY KEY, {table(of)})")
    async with opened("postgres", Path(), things(of), dsn=database.dsn()) as adapter:
        await trip(adapter, "things", of, "postgres")


async def test_mysql(mysql: mysql_server.Database) -> None:
    await in_mysql(mysql)


async def test_mysql_on_a_loose_server(loose_mysql: mysql_server.Database) -> None:
    """Its own zone, its own alphabet and its laxness change nothing."""
    await in_mysql(loose_mysql)


async def in_mysql(database: mysql_server.Database) -> None:
    of = columns.MYSQL
    await database.run(f"CREATE TABLE things (id varchar(50) PRIMARY KEY, {table(of, '`', ' NULL')}) CHARSET utf8mb4")
    async with opened("mysql", Path(), things(of), dsn=database.dsn()) as adapter:
        await trip(adapter, "things", of, "mysql")


@pytest.mark.parametrize(
    ("of", "options"), [(columns.CELL, {}), (columns.LATIN_1, {"encoding": "latin-1", "delimiter": ";"})]
)
async def test_csv(tmp_path: Path, of: Columns, options: dict[str, str]) -> None:
    (tmp_path / "things.csv").write_text(f"id{options.get('delimiter', ',')}cell\n", encoding="latin-1")
    async with opened("csv", tmp_path, things(of), path=".", **options) as adapter:
        await trip(adapter, "things", of, "csv")


async def test_parquet(tmp_path: Path) -> None:
    of = columns.PARQUET
    schema = pa.schema([("id", pa.string()), *((name, PARQUET[name]) for name in of)])
    pq.write_table(schema.empty_table(), tmp_path / "things.parquet")
    async with opened("parquet", tmp_path, things(of), path=".") as adapter:
        await trip(adapter, "things", of, "parquet")


async def test_jsonl(tmp_path: Path) -> None:
    (tmp_path / "things.jsonl").write_text("\n")
    async with opened("jsonl", tmp_path, things(columns.VALUE), path=".") as adapter:
        await trip(adapter, "things", columns.VALUE, "jsonl")


async def test_carddav(book: Book) -> None:
    def card(number: int) -> Key:
        return f"{number}.vcf"

    of = columns.CARDS
    spec = ObjectSpec(book.name, "href", tuple(of))
    tried = [each for each in variants() if each.name in CARD_TYPES]
    async with opened("carddav", Path(), spec, **book.options()) as adapter:
        await trip(adapter, book.name, of, "carddav", tried, card)


async def test_nats(streams: Streams) -> None:
    await streamed("nats", streams.options())


async def test_redis(redis: Redis) -> None:
    await streamed("redis", redis.options())


async def test_rabbitmq() -> None:
    await streamed("amqp", rabbitmq.found().options())


async def streamed(kind: str, options: dict[str, Any]) -> None:
    """In a stream of its own."""
    found = registry.find(kind)
    stage = staged(found, found.options(**options), Path())
    await stage.make()
    try:
        adapter = stage.open(ObjectSpec("people", "id", ("value",)))
        try:
            await trip(adapter, "people", columns.VALUE, kind)
        finally:
            await adapter.aclose()
    finally:
        await stage.remove()
