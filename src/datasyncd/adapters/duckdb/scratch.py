"""Scratch: a table of a DuckDB file for the conformance suite, and another process that works in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Key, Native
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.sql.scratch import VERSION, TableScratch
from datasyncd.adapters.testing.scratch import Site
from datasyncd.adapters.testing.stage import COLUMNS

from .another import Another

PATIENCE_S = 20.0
"""How long the other process waits for the file."""

_TYPES = ("VARCHAR", "VARCHAR", "VARCHAR", "BIGINT", "INTEGER", "VARCHAR")
_TABLE = f"""CREATE TABLE {{0}} ({", ".join(map(" ".join, zip(COLUMNS, _TYPES, strict=True)))},
    {VERSION} BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id))"""


class DuckdbScratch(TableScratch):
    """A table of people."""

    somebody = "another process"
    many = 12_500

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        path = site.base / self.options.path
        self.made = f"the table {site.object} in {path}"
        self._sessions: Another = Another(str(path), PATIENCE_S)

    async def create(self) -> None:
        if self.options.version:
            self.options = msgspec.structs.replace(self.options, version={self.table: VERSION})
        await self.fetch(_TABLE.format(self.table))

    async def drop(self) -> None:
        await self.fetch(f"DROP TABLE IF EXISTS {self.table}")

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        texts = [[None if value is None else str(value) for value in column] for column in zip(*rows, strict=True)]
        values = ", ".join(f"CAST(unnest(CAST({{}} AS VARCHAR[])) AS {type})" for type in _TYPES)
        await self.fetch(f"INSERT INTO {self.table} ({', '.join(COLUMNS)}) SELECT {values}", *texts)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        changed = ", ".join(f"{name} = {{}}" for name in fields)
        if self.options.version:  # DuckDB has no triggers: whoever writes has to count
            changed += f", {VERSION} = {VERSION} + 1"
        await self.fetch(f"UPDATE {self.table} SET {changed} WHERE id = {{}}", *fields.values(), key)

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        return await self._asks((sql, values))

    async def each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._asks(("BEGIN", ()), *((sql, row) for row in rows), ("COMMIT", ()))

    async def _asks(self, *statements: tuple[str, Sequence[Any]]) -> Sequence[Sequence[Any]]:
        asked = [(sql.replace("{}", "?"), list(values)) for sql, values in statements]
        try:
            found: Sequence[Sequence[Any]] = await self._sessions.asks("run", *asked)
        except RuntimeError as error:
            raise Transient(f"{self.site.system}: another process: {error}") from None
        return found
