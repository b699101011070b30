"""Scratch: a table of a MariaDB or MySQL database for the conformance suite, and another session that works in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from datasyncd.adapters.sql.scratch import VERSION, TableScratch
from datasyncd.adapters.testing.scratch import Site

from .changes import Changes
from .names import shown
from .session import Sessions
from .table import table_of

_TABLE = """CREATE TABLE {0} (id varchar(100) PRIMARY KEY, name longtext, email varchar(200), amount bigint,
    changed integer, note text, version bigint NOT NULL DEFAULT 1) CHARACTER SET utf8mb4 ENGINE = InnoDB"""
_COUNTS = "CREATE TRIGGER {0}_count BEFORE UPDATE ON {0} FOR EACH ROW SET NEW.version = OLD.version + 1"
_DROP = "DROP TABLE IF EXISTS {0}"


class MysqlScratch(TableScratch):
    """A table of people."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._sessions: Sessions = Sessions(
            site.system,
            self.options.dsn,
            connect_s=self.options.connect_s,
            timeout_s=self.options.timeout_s,
            lock_s=self.options.lock_s,
        )
        self._changes: Changes | None = None

    async def create(self) -> None:
        statements = [_TABLE]
        if self.options.version:
            statements.append(_COUNTS)
            self.options = msgspec.structs.replace(self.options, version={self.table: VERSION})
        async with self._sessions.use() as connection:
            for statement in statements:
                await connection.execute(statement.format(self.table))
            if self.options.changes is not None:
                notes, table = await table_of(connection, self.options.changes), await table_of(connection, self.table)
                self._changes = Changes(notes, table, self.spec)
                for trigger in self._changes.triggers():
                    await connection.execute(trigger.replace("%", "%%"))

    async def grant(self) -> str:
        async with self._sessions.use() as connection:
            ((user, database),) = await connection.fetch("SELECT CURRENT_USER(), DATABASE()")
        name, _, host = user.rpartition("@")
        rights = "CREATE, DROP, SELECT, INSERT, UPDATE, DELETE"
        if self.options.version or self.options.changes:
            rights += ", TRIGGER"
        return f"GRANT {rights} ON {shown(database)}.* TO {shown(name)}@'{host}';"

    async def drop(self) -> None:
        async with self._sessions.use() as connection:
            await connection.execute(_DROP.format(self.table))
            if self._changes is not None:
                await self._changes.forget(connection)

    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        async with self._sessions.use() as connection:
            found: list[tuple[Any, ...]] = await connection.fetch(sql.replace("{}", "%s"), *values)
            return found

    async def each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        async with self._sessions.use() as connection:
            statements = [connection.statement(sql.replace("{}", "%s"), *row) for row in rows]
            await connection.each(statements, lambda refused: False)
