"""A batch: the writes of one push, inside one transaction.

Each write is a statement of its own, and many are sent together. A statement that the database refuses is undone by the
server alone, so that it stops nothing but its own write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datasyncd.adapters.contract import Key, Malformed, Native, Record, Rejected, Write, Written
from datasyncd.adapters.sql import batch, reading
from datasyncd.adapters.sql.batch import Change, Landed, Result, Standing
from datasyncd.adapters.sql.keys import Parts, key_of, native, parts_of

from .connection import Connection, Done, ServerError
from .names import quoted
from .refusal import refusal
from .selection import Selection, placed
from .table import Table
from .trouble import is_refusal

_TOO_LONG = Rejected("the values are longer in all than the server takes in one statement; see `max_allowed_packet`")
_HEADER = 1024
"""Bytes that a statement is longer on the wire than by itself, and some more."""


class Batch(batch.Batch):
    """The writes of one push."""

    _selection: Selection
    _table: Table

    def __init__(self, connection: Connection, selection: Selection, writes: Sequence[Write]) -> None:
        super().__init__(selection, writes)
        self._connection = connection

    async def _look(self, keys: Sequence[Parts]) -> Mapping[Key, Record | Malformed]:
        return await by_key(self._connection, self._selection, keys)

    async def _lock(self, keys: Sequence[Parts], moves: bool) -> Mapping[Key, Record | Malformed]:
        return await by_key(self._connection, self._selection, keys, lock=True)

    def _parts_of(self, key: Key) -> Parts | None:
        return parts_of(key, self._selection.keys)

    def _barred(self, name: str) -> str:
        if name in self._table.columns and self._table.is_table and self._table.engine:
            return self._table.why_not_written(self._table.columns[name])
        return super()._barred(name)

    def _judge(self, write: Write, standing: Standing) -> Result | Change:
        if write.op == "delete" and self._table.engine:
            return Rejected(f"the engine {self._table.engine} of {self._table.shown} has no transactions")
        judged = super()._judge(write, standing)
        if isinstance(judged, Change) and write.op == "create":
            unmade = tuple(n for n in self._keys if n not in judged.names and not self._table.columns[n].makes_keys)
            if unmade:
                return self._keyless(unmade)
        if isinstance(judged, Change) and not self._table.fills:
            columns = self._table.columns
            # Some servers take NULL for the present time, or for the next number.
            empty = tuple(n for n, v in zip(judged.names, judged.values, strict=True) if v is None)
            missing = tuple(name for name in empty if not columns[name].nullable)
            if missing:
                return Rejected(f"{', '.join(missing)} may not be NULL", missing)
        return judged

    async def _try(self, changes: Sequence[Change]) -> list[Result]:
        statements = [self._statement(change) for change in changes]
        short = [self._connection.longest - _HEADER > len(sql.encode()) for sql in statements]
        sent = [sql for sql, fits in zip(statements, short, strict=True) if sql and fits]
        answers = iter(await self._connection.each(sent, is_refusal))
        results: list[Result] = []
        for change, sql, fits in zip(changes, statements, short, strict=True):
            if not sql:
                results.append(self._landed_as_it_was(change))
            else:
                results.append(await self._result(change, next(answers)) if fits else _TOO_LONG)
        return results

    def _statement(self, change: Change) -> str:
        """The statement of a change; "": nothing is to be written."""
        table, connection, names = self._table.sql, self._connection, change.names
        if change.parts is None:
            columns, marks = ", ".join(map(quoted, names)), ", ".join(["%s"] * len(names))
            sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
            if self._asks_back(change):
                sql += f" RETURNING {', '.join(map(quoted, self._keys))}"
            return connection.statement(sql, *change.values)
        where = self._selection.key_is
        key = self._selection.key(change.parts)
        if change.write.op == "delete":
            # The form with an alias is the one that both servers have.
            return connection.statement(f"DELETE t FROM {table} AS t WHERE {where}", *key)
        settings = [f"{placed(name)} = %s" for name in names]
        if not settings:
            return ""
        version = self._selection.version
        if version is not None and version not in names:
            settings.append(f"{placed(version)} = {placed(version)} + 1")
        return connection.statement(
            f"UPDATE {table} AS t SET {', '.join(settings)} WHERE {where}", *change.values, *key
        )

    async def _result(self, change: Change, answer: Done | ServerError) -> Result:
        if isinstance(answer, ServerError):
            return await refusal(answer, self._connection, self._selection, change.write, change.parts)
        if change.write.op == "delete":
            return Written(change.write.key or "")
        if change.parts is None and self._asks_back(change):
            values = zip(self._keys, answer.rows[0], strict=True)
            return self._landed([self._selection.native(name, value) for name, value in values], change)
        return self._landed([self._present(name, n, change, answer) for n, name in enumerate(self._keys)], change)

    def _asks_back(self, change: Change) -> bool:
        """Whether the server is asked for the key of a new row: one that it makes otherwise than by numbering, or may
        keep in another form than it was given, as `char` does with blanks at its end. MySQL cannot be asked."""
        columns = [self._table.columns[name] for name in self._keys]
        known = all(c.makes_numbers if c.name not in change.names else c.form.kind == "integer" for c in columns)
        return self._connection.is_mariadb and not known

    def _present(self, name: str, place: int, change: Change, answer: Done) -> Native:
        """The value that a part of the key has now."""
        column = self._table.columns[name]
        if name in change.write.fields and name in change.names:
            return change.write.fields[name]
        if change.parts is not None:
            return native(change.parts[place], column)
        if name in change.names:
            return native(self._parts_of(change.write.key or "")[place], column)  # type: ignore[index]
        return answer.made

    def _landed_as_it_was(self, change: Change) -> Result:
        assert change.parts is not None
        return Landed(change.write.key or "", change.parts, change)


async def by_key(
    connection: Connection, selection: Selection, keys: Sequence[Parts], *, lock: bool = False
) -> Mapping[Key, Record | Malformed]:
    """What there is for each key; nothing for one that only a collation takes for it."""
    if not keys:
        return {}
    sql, values = selection.by_key(keys, lock=lock)
    found = reading.by_key(selection, await connection.fetch(sql, *values))
    asked = {key_of([native(part, c) for part, c in zip(parts, selection.keys, strict=True)]) for parts in keys}
    return {key: row for key, row in found.items() if key in asked}
