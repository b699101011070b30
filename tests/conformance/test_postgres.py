"""PostgreSQL keeps the promises: by digests of rows or a column that counts changes, by notes of them or by a slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.postgres.adapter import PostgresAdapter, PostgresOptions
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from tests.servers.postgres import Database, Server, notes_changes, streams_changes

COLUMNS = ("id", "name", "email", "amount", "changed", "note")


class PostgresStage(Stage):
    """A table, and another connection to it."""

    def __init__(self, database: Database, **options: Any) -> None:
        self._database = database
        self._options = options

    def open(self, spec: ObjectSpec) -> Adapter:
        options = PostgresOptions(dsn=self._database.dsn(), **self._options)
        return PostgresAdapter(context(self._database.server.folder, spec), options)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        await self._database.many("INSERT INTO people VALUES ($1, $2, $3, $4, $5, $6)", rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        for name, value in fields.items():
            sql = f"UPDATE people SET {name} = $1 WHERE id = $2"
            await self._database.many(sql, [(value, key)])

    async def delete(self, key: Key) -> None:
        await self._database.many("DELETE FROM people WHERE id = $1", [(key,)])

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        rows = await self._database.rows(f"SELECT {', '.join(COLUMNS)} FROM people ORDER BY id")
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


TABLE = """CREATE TABLE people (id text PRIMARY KEY, name text, email text, amount bigint,
    changed integer, note text, version bigint NOT NULL DEFAULT 1)"""

COUNTS = """CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.version := OLD.version + 1; RETURN NEW; END';
    CREATE TRIGGER count_up BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION count_up()"""


class TestPostgres(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        await database.run(TABLE)
        return PostgresStage(database)


class TestPostgresWithAVersion(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        await database.run(TABLE, COUNTS)
        return PostgresStage(database, version={"people": "version"})


class TestPostgresWithNotesOfChanges(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        await database.run(TABLE)
        await notes_changes(database, "people", "id")
        return PostgresStage(database, changes="datasyncd.changes")


class TestOlderPostgres(AdapterConformance):
    @pytest.fixture
    async def stage(self, postgres_16: Server) -> Stage:
        database = postgres_16.database()
        await database.run(TABLE)
        await notes_changes(database, "people", "id")
        return PostgresStage(database, changes="datasyncd.changes")


class TestPostgresWithASlot(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        await database.run(TABLE)
        return PostgresStage(database, slot=await streams_changes(database, "people"))


class TestOlderPostgresWithASlot(AdapterConformance):
    @pytest.fixture
    async def stage(self, postgres_16: Server) -> Stage:
        database = postgres_16.database()
        await database.run(TABLE)
        return PostgresStage(database, slot=await streams_changes(database, "people"))
