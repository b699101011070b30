"""A batch: the writes of one push, made while nobody else can open the file.

They are made in one transaction. If DuckDB refuses something, it undoes all of it and does not say of which write: the
halves are then made in transactions of their own, and so on, until each refusal stands alone. Nobody comes between
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Clash, Key, Malformed, Record, Rejected, Write, Written
from datasyncd.adapters.sql import batch, reading
from datasyncd.adapters.sql.batch import Change, Result, Standing
from datasyncd.adapters.sql.keys import Parts, key_of, native, parts_of

from .connection import Connection
from .names import quoted
from .refusal import refusal
from .selection import Selection
from .table import Table
from .trouble import FAILURES, is_refusal


class Batch(batch.Batch):
    """The writes of one push."""

    _selection: Selection
    _table: Table

    def __init__(self, connection: Connection, selection: Selection, writes: Sequence[Write]) -> None:
        super().__init__(selection, writes)
        self._connection = connection
        self.is_begun = False
        """A commit was made, or tried."""

    async def _look(self, keys: Sequence[Parts]) -> Mapping[Key, Record | Malformed]:
        return await by_key(self._connection, self._selection, keys)

    async def _lock(self, keys: Sequence[Parts], moves: bool) -> Mapping[Key, Record | Malformed]:
        return await self._look(keys)

    def _parts_of(self, key: Key) -> Parts | None:
        return parts_of(key, self._selection.keys)

    def _barred(self, name: str) -> str:
        if name in self._table.columns and self._table.is_table:
            return self._table.why_not_written(self._table.columns[name])
        return super()._barred(name)

    def _judge(self, write: Write, standing: Standing) -> Result | Change:
        judged = super()._judge(write, standing)
        if not isinstance(judged, Change):
            return judged
        if write.op == "create" and write.key is not None and write.key in standing:
            return Clash(self._keys[0], write.key)
        columns = self._table.columns
        missing = tuple(
            n for n, v in zip(judged.names, judged.values, strict=True) if v is None and not columns[n].nullable
        )
        return Rejected(f"{', '.join(missing)} may not be NULL", missing) if missing else judged

    async def _try(self, changes: Sequence[Change]) -> list[Result]:
        keyed = await self._keyed(changes)
        fit = iter(await self._made([change for change in keyed if isinstance(change, Change)]))
        return [next(fit) if isinstance(change, Change) else change for change in keyed]

    # Keys of new rows

    async def _keyed(self, changes: Sequence[Change]) -> list[Result | Change]:
        """The changes with all keys of new rows in them: which of several rows got which key, DuckDB does not say."""
        made: dict[str, list[Any]] = {}
        for name in self._keys:
            count = sum(change.parts is None and name not in change.names for change in changes)
            if count:
                column = self._table.columns[name]
                value = column.form.reading(f"CAST(({column.default}) AS {column.declared})")
                rows = await self._connection.fetch(f"SELECT {value} FROM range(?)", count)
                made[name] = [column.form.to_wire(self._selection.native(name, value)) for (value,) in rows]
        return [self._with_key(change, made) for change in changes]

    def _with_key(self, change: Change, made: Mapping[str, list[Any]]) -> Result | Change:
        for name in self._keys if change.parts is None else ():
            if name not in change.names:
                names, values = (*change.names, name), (*change.values, made[name].pop(0))
                change = msgspec.structs.replace(change, names=names, values=values)
        if self._key_after(change) is None:
            return Rejected("the key is not in the form that its column gives it", self._keys)
        return change

    def _key_after(self, change: Change) -> Key | None:
        """The key that the row of a change will have; None: it would be kept in another form than it is given in."""
        values = dict(zip(change.names, change.values, strict=True))
        old = change.parts or ()
        parts = [values[name] if name in values else old[n] for n, name in enumerate(self._keys)]
        if any(not isinstance(part, str) for part in parts):
            return None
        columns = self._selection.keys
        if len(parts) == 1:
            return parts[0] if self._parts_of(parts[0]) is not None else None
        key = msgspec.json.encode(parts).decode()
        fits = self._parts_of(key) is not None
        return key_of([native(part, c) for part, c in zip(parts, columns, strict=True)]) if fits else None

    # Transactions

    async def _made(self, changes: Sequence[Change]) -> list[Result]:
        if not changes:
            return []
        connection = self._connection
        await connection.execute("BEGIN")
        try:
            await self._make(changes)
            self.is_begun = True
            await connection.commit()
        except FAILURES as error:
            if not is_refusal(error):
                raise
            await connection.execute("ROLLBACK")
            if len(changes) == 1:
                return [await refusal(error, connection, self._selection, changes[0])]
        else:
            return [self._result(change) for change in changes]
        half = len(changes) // 2
        return [*await self._made(changes[:half]), *await self._made(changes[half:])]

    def _result(self, change: Change) -> Result:
        if change.write.op == "delete":
            return Written(change.write.key or "")
        key = self._key_after(change)
        parts = None if key is None else self._parts_of(key)
        if key is None or parts is None:
            return Written(change.write.key or "")
        return batch.Landed(key, parts, change)

    async def _make(self, changes: Sequence[Change]) -> None:
        """Deletions, then updates, then new rows: one statement for all that have the same columns."""
        groups: dict[tuple[str, tuple[str, ...]], list[Change]] = {}
        for op in ("delete", "update", "create"):
            for change in changes:
                if change.write.op == op:
                    groups.setdefault((op, change.names), []).append(change)
        for (op, names), group in groups.items():
            if op != "update" or names:
                values = [(*(() if c.parts is None else self._selection.key(c.parts)), *c.values) for c in group]
                columns = [list(column) for column in zip(*values, strict=True)]
                await self._connection.execute(self._statement(op, names), *columns)

    def _statement(self, op: str, names: tuple[str, ...]) -> str:
        selection, table = self._selection, self._table.sql
        if op == "delete":
            return f"DELETE FROM {table} AS t USING {selection.listed(())} WHERE {selection.is_row}"
        if op == "create":
            return f"INSERT INTO {table} ({', '.join(map(quoted, names))}) SELECT {selection.row(names)}"
        settings = [f"{quoted(name)} = w.v{n}" for n, name in enumerate(names)]
        version = selection.version
        if version is not None and version not in names:
            settings.append(f"{quoted(version)} = t.{quoted(version)} + 1")
        return f"UPDATE {table} AS t SET {', '.join(settings)} FROM {selection.listed(names)} WHERE {selection.is_row}"


async def by_key(
    connection: Connection, selection: Selection, keys: Sequence[Parts]
) -> Mapping[Key, Record | Malformed]:
    """What there is for each key."""
    if not keys:
        return {}
    sql, values = selection.by_key(list(dict.fromkeys(keys)))
    return reading.by_key(selection, await connection.fetch(sql, *values))
