"""MariaDB keeps the promises: by digests of rows, by a column that counts their changes, and by notes of changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.mysql.adapter import MysqlAdapter, MysqlOptions
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from tests.servers.mysql import Database, notes_changes

COLUMNS = ("id", "name", "email", "amount", "changed", "note")


class MysqlStage(Stage):
    """A table, and another connection to it."""

    def __init__(self, database: Database, **options: Any) -> None:
        self._database = database
        self._options = options

    def open(self, spec: ObjectSpec) -> Adapter:
        options = MysqlOptions(dsn=self._database.dsn(), **self._options)
        return MysqlAdapter(context(Path(), spec), options)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        columns = ", ".join(COLUMNS)
        await self._database.many(f"INSERT INTO people ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        for name, value in fields.items():
            await self._database.rows(f"UPDATE people SET {name} = %s WHERE id = %s", value, key)

    async def delete(self, key: Key) -> None:
        await self._database.rows("DELETE FROM people WHERE id = %s", key)

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        rows = await self._database.rows(f"SELECT {', '.join(COLUMNS)} FROM people ORDER BY id")
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


TABLE = """CREATE TABLE people (id varchar(100) PRIMARY KEY, name longtext, email varchar(200), amount bigint,
    changed integer, note text, version bigint NOT NULL DEFAULT 1)"""

COUNTS = "CREATE TRIGGER count_up BEFORE UPDATE ON people FOR EACH ROW SET NEW.version = OLD.version + 1"


class TestMysql(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        await mysql.run(TABLE)
        return MysqlStage(mysql)


class TestMysqlWithAVersion(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        await mysql.run(TABLE, COUNTS)
        return MysqlStage(mysql, version={"people": "version"})


class TestMysqlWithNotesOfChanges(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        await mysql.run(TABLE)
        await notes_changes(mysql, "people", "id")
        return MysqlStage(mysql, changes=mysql.notes)


class TestMysqlOnALooseServer(AdapterConformance):
    @pytest.fixture
    async def stage(self, loose_mysql: Database) -> Stage:
        await loose_mysql.run(TABLE)
        await notes_changes(loose_mysql, "people", "id")
        return MysqlStage(loose_mysql, changes=loose_mysql.notes)
