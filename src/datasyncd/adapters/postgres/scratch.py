"""Scratch: a table of a PostgreSQL database for the conformance suite, and another session that works in it.

A slot belongs to one daemon, so that the suite never reads the configured one: it makes its own, with a publication.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec

from datasyncd.adapters.sql.scratch import VERSION, TableScratch
from datasyncd.adapters.testing.scratch import Site

from .changes import Changes
from .names import shown
from .selection import STAMP
from .session import Sessions
from .table import table_of

_TABLE = """CREATE TABLE {0} (id text PRIMARY KEY, name text, email text, amount bigint, changed integer, note text,
    version bigint NOT NULL DEFAULT 1)"""
_COUNTS = (
    """CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.version := OLD.version + 1; RETURN NEW; END'""",
    "CREATE TRIGGER count_up BEFORE UPDATE ON {0} FOR EACH ROW EXECUTE FUNCTION {0}()",
)
_SLOT = (
    "CREATE PUBLICATION {0} FOR TABLE {0}",
    "SELECT pg_create_logical_replication_slot('{0}', 'pgoutput')",
)
_DROP = ("DROP PUBLICATION IF EXISTS {0}", "DROP TABLE IF EXISTS {0}", "DROP FUNCTION IF EXISTS {0}()")
_IN_USE = "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1"
_WHO = "SELECT current_user, current_schema(), current_database()"
_DROP_SLOT = "SELECT pg_drop_replication_slot($1)"
PAUSE_S = 0.05


class PostgresScratch(TableScratch):
    """A table of people."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._sessions: Sessions = Sessions(
            site.system,
            self.options.dsn,
            connect_s=self.options.connect_s,
            timeout_s=self.options.timeout_s,
            lock_s=self.options.lock_s,
            row_security=self.options.row_security,
        )
        self._changes: Changes | None = None

    async def create(self) -> None:
        statements = [_TABLE]
        if STAMP in self.options.version.values():
            self.options = msgspec.structs.replace(self.options, version={self.table: STAMP})
        elif self.options.version:
            statements += _COUNTS
            self.options = msgspec.structs.replace(self.options, version={self.table: VERSION})
        if self.options.slot is not None:
            statements += _SLOT
            self.options = msgspec.structs.replace(self.options, slot=self.table, publication=self.table)
            self.made = f"{self.made}, with a slot and a publication of that name,"
        await self._run(statements)
        if self.options.changes is not None:
            async with self._sessions.use() as connection:
                notes, table = await table_of(connection, self.options.changes), await table_of(connection, self.table)
                self._changes = Changes(notes, table, self.spec)
            await self._run(self._changes.triggers())

    async def grant(self) -> str:
        async with self._sessions.use() as connection:
            role, schema, database = await connection.fetchrow(_WHO)
        statements = [f"GRANT CREATE ON SCHEMA {shown(schema or 'public')} TO {shown(role)};"]
        if self.options.slot is not None:
            statements.append(f"GRANT CREATE ON DATABASE {shown(database)} TO {shown(role)};")
        return " ".join(statements)

    async def drop(self) -> None:
        async with self._sessions.use() as connection:
            # The server takes a moment to see that the reader of a slot is gone.
            while await connection.fetchval(_IN_USE, self.table):  # noqa: ASYNC110
                await anyio.sleep(PAUSE_S)
            if await connection.fetchval(_IN_USE, self.table) is False:
                await connection.execute(_DROP_SLOT, self.table)
            if self._changes is not None:
                await self._changes.forget(connection)
        await self._run(_DROP)

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        async with self._sessions.use() as connection:
            return [tuple(row) for row in await connection.fetch(_numbered(sql), *values)]

    async def each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        async with self._sessions.use() as connection:
            await connection.executemany(_numbered(sql), rows)

    async def _run(self, statements: Sequence[str]) -> None:
        async with self._sessions.use() as connection:
            for statement in statements:
                await connection.execute(statement.format(self.table))


def _numbered(sql: str) -> str:
    """A statement whose values are $1, $2, ..."""
    parts = sql.split("{}")
    return "".join(part if n == 0 else f"${n}{part}" for n, part in enumerate(parts))
