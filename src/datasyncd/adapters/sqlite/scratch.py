"""Scratch: a table of an SQLite file for the conformance suite, and another connection to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from datasyncd.adapters.contract import Key, Native
from datasyncd.adapters.files.patience import in_thread
from datasyncd.adapters.testing.scratch import Scratch, Site
from datasyncd.adapters.testing.stage import COLUMNS

from .trouble import trouble

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long the other connection waits for a lock."""


class SqliteScratch(Scratch):
    """A table of people."""

    somebody = "another connection, by Python's sqlite3"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._path: Path = site.base / site.options.path
        self._table = site.object
        self.made = f"the table {site.object} in {site.options.path}"

    async def make(self) -> None:
        await self._run(
            "CREATE TABLE {} (id TEXT PRIMARY KEY, name TEXT, email TEXT, amount INTEGER, changed INTEGER, note TEXT)"
        )

    async def remove(self) -> None:
        await self._run("DROP TABLE IF EXISTS {}")

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        await self._run("INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?)", *rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        changed = ", ".join(f"{name} = ?" for name in fields)
        await self._run(f"UPDATE {{}} SET {changed} WHERE id = ?", (*fields.values(), key))

    async def delete(self, key: Key) -> None:
        await self._run("DELETE FROM {} WHERE id = ?", (key,))

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        def look(connection: sqlite3.Connection) -> dict[Key, dict[str, Native]]:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"SELECT * FROM {self._table} ORDER BY id").fetchall()
            return {row["id"]: dict(row) for row in rows}

        return await self._with(look)

    async def _run(self, sql: str, *rows: Sequence[Native]) -> None:
        """One statement, once for each row; {} stands for the table."""
        statement = sql.replace("{}", self._table)

        def run(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(statement, rows) if rows else connection.execute(statement)

        await self._with(run)

    async def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Some work with a new connection, in a thread: whoever has the lock may need the event loop to let go."""

        def connected() -> T:
            address = "".join(("file:", quote(str(self._path)), "?mode=rw"))
            with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as connection:
                return work(connection)

        try:
            found: Any = await in_thread(connected)
        except sqlite3.Error as error:
            raise trouble(error, self.site.system, self._path) from None
        return found  # type: ignore[no-any-return]
