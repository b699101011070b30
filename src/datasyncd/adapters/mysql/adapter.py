"""The adapter of MariaDB and MySQL: the contract, over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from datasyncd.adapters.contract import (
    Capabilities,
    Context,
    Hint,
    Key,
    Malformed,
    ObjectSpec,
    Outcome,
    Record,
    Write,
)
from datasyncd.adapters.errors import OptionError
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.sql.adapter import DatabaseAdapter, DatabaseOptions, Seconds
from datasyncd.adapters.sql.keys import Parts, parts_of

from .batch import by_key
from .changes import Changes, changes_of
from .connection import Connection
from .dsn import FORM, fault
from .listening import listen
from .pulling import Pulling
from .scratch import MysqlScratch
from .selection import Selection
from .session import LATE_S, Sessions
from .table import Table, table_of, verify
from .writing import push


class MysqlOptions(DatabaseOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a system with `adapter = "mysql"`."""

    dsn: Annotated[str, msgspec.Meta(examples=["mysql://datasyncd@localhost/shop"])]
    """mysql://USER:PASSWORD@HOST:PORT/DATABASE, usually as a credential; `?ssl-mode=verify_identity` and the like."""
    timeout_s: Seconds = 30.0
    """The server ends a statement after so long; MySQL only one that reads."""
    lock_s: Seconds = 5.0
    """How long to wait for a lock that somebody else holds, in whole seconds; then the call is tried again later."""

    def __post_init__(self) -> None:
        if why := fault(self.dsn):
            raise OptionError("dsn", f"{why}; expected {FORM}")


class MysqlAdapter(DatabaseAdapter[Selection, Changes, Pulling]):
    """Tables of one database."""

    late_s = LATE_S
    _sessions: Sessions

    def __init__(self, context: Context, options: MysqlOptions) -> None:
        super().__init__(context, options.version, options.overlap_s)
        self._notes = options.changes
        self._sessions = Sessions(
            context.system,
            options.dsn,
            connect_s=options.connect_s,
            timeout_s=options.timeout_s,
            lock_s=options.lock_s,
        )

    def capabilities(self, object: str) -> Capabilities:
        """Everything that a transaction can promise. Whether keys are made here is in the schema."""
        return self._promises(object, told=self._notes is not None)

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes in one transaction; see `writing.push`."""
        if not writes:
            return []
        async with self._rights(object):
            selection = await self._selection(object)
            return await push(self._sessions, selection, self._changes[object], writes)

    async def _described(self, connection: Connection, spec: ObjectSpec, table: Table) -> tuple[str, ...]:
        warns = await super()._described(connection, spec, table)
        changes = self._changes[spec.object]
        if changes is None or not changes.cascades:
            return warns
        keys = ", ".join(changes.cascades)
        return (*warns, f"no trigger notes what the foreign key {keys} changes in {table.shown}: set a `sweep`")

    def _hints(self, object: str) -> AsyncIterator[Hint] | None:
        changes = self._changes[object]
        return None if changes is None else listen(self._sessions, changes)

    async def _table_of(self, connection: Connection, object: str) -> Table:
        return await table_of(connection, object)

    def _selection_of(self, spec: ObjectSpec, table: Table, version: str | None) -> Selection:
        return Selection(spec, table, version)

    async def _changes_of(self, connection: Connection, table: Table, spec: ObjectSpec) -> Changes | None:
        return None if self._notes is None else await changes_of(connection, self._notes, table, spec)

    def _pulling_of(self, selection: Selection, changes: Changes | None) -> Pulling:
        return Pulling(self._context, self._sessions, selection, changes, self._overlap)

    def _parts_of(self, key: Key, selection: Selection) -> Parts | None:
        return parts_of(key, selection.keys)

    async def _by_key(
        self, connection: Connection, selection: Selection, keys: Sequence[Parts]
    ) -> Mapping[Key, Record | Malformed]:
        found = await by_key(connection, selection, keys)
        await verify(connection, selection.table, selection.names)
        return found

    async def _by_value(
        self, pulling: Pulling, selection: Selection, field: str, wires: Sequence[Any], *, any_case: bool
    ) -> Sequence[Any]:
        sql, values = selection.by_value(field, wires, any_case)
        return await pulling.fetch(sql, *values)


KIND = AdapterKind(
    name="mysql",
    options=MysqlOptions,
    open=MysqlAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    composite_keys=True,
    stage=MysqlScratch,
)
