"""SQLite keeps the promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.sqlite.adapter import SqliteAdapter, SqliteOptions
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context


class SqliteStage(Stage):
    """A table, and another connection to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run(
            "CREATE TABLE people "
            "(id TEXT PRIMARY KEY, name TEXT, email TEXT, amount INTEGER, changed INTEGER, note TEXT)"
        )

    def open(self, spec: ObjectSpec) -> Adapter:
        return SqliteAdapter(context(self._folder, spec), SqliteOptions(path="people.db"))

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [
            (key, *(fields.get(name) for name in ("name", "email", "amount", "changed", "note")))
            for key, fields in records.items()
        ]
        self._run("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)", *rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        for name, value in fields.items():
            self._run(" ".join(("UPDATE people SET", name, "= ? WHERE id = ?")), (value, key))

    async def delete(self, key: Key) -> None:
        self._run("DELETE FROM people WHERE id = ?", (key,))

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        connection = sqlite3.connect(self._folder / "people.db")
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM people ORDER BY id").fetchall()
        connection.close()
        return {row["id"]: dict(row) for row in rows}

    def _run(self, sql: str, *rows: tuple[Native, ...]) -> None:
        connection = sqlite3.connect(self._folder / "people.db")
        with connection:
            connection.executemany(sql, rows) if rows else connection.execute(sql)
        connection.close()


class TestSqlite(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Stage:
        return SqliteStage(tmp_path)


class TestSqliteWithWal(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Stage:
        stage = SqliteStage(tmp_path)
        stage._run("PRAGMA journal_mode = WAL")
        return stage
