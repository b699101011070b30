"""A batch: the writes of one push, inside one transaction.

Writes of one kind are made by one statement. If the database refuses something, they are made in two halves, each
behind a savepoint, and so on: so a refusal stops nothing but its own write, and costs a few statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasyncd.adapters.contract import Key, Malformed, Record, Rejected, Write, Written
from datasyncd.adapters.sql import batch
from datasyncd.adapters.sql.batch import Change, Landed, Result
from datasyncd.adapters.sql.keys import Parts
from datasyncd.adapters.sql.table import Connection

from . import reading
from .keys import parts_of
from .names import quoted
from .refusal import refusal
from .selection import Selection, cast, placed
from .table import Table, TableColumn
from .trouble import is_refusal

_SUPPRESSED = Rejected("a trigger or rule of the table left the write out")


class Batch(batch.Batch):
    """The writes of one push."""

    _selection: Selection
    _table: Table

    def __init__(self, connection: Connection, selection: Selection, writes: Sequence[Write]) -> None:
        super().__init__(selection, writes)
        self._connection = connection

    async def _look(self, keys: Sequence[Parts]) -> Mapping[Key, Record | Malformed]:
        return await reading.by_key(self._connection, self._selection, self._selection.by_key, keys)

    async def _lock(self, keys: Sequence[Parts], moves: bool) -> Mapping[Key, Record | Malformed]:
        sql = self._selection.to_replace if moves else self._selection.to_update
        return await reading.by_key(self._connection, self._selection, sql, keys)

    def _parts_of(self, key: Key) -> Parts | None:
        return parts_of(key, self._selection.keys)

    async def _try(self, changes: Sequence[Change]) -> list[Result]:
        """Make changes, as many at once as the database takes."""
        await self._connection.execute("SAVEPOINT batch")
        try:
            results = await self._make(changes)
        except Exception as error:
            if not isinstance(error, _Suppressing) and not is_refusal(error):
                raise
            await self._connection.execute("ROLLBACK TO batch; RELEASE batch")
            refused = error
        else:
            await self._connection.execute("RELEASE batch")
            return results
        if len(changes) == 1:
            return [await refusal(refused, self._connection, self._selection, changes[0].write, changes[0].parts)]
        middle = len(changes) // 2
        return [*await self._try(changes[:middle]), *await self._try(changes[middle:])]

    async def _make(self, changes: Sequence[Change]) -> list[Result]:
        """Make all changes; those of one kind together."""
        results: dict[int, Result] = {}
        groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for index, change in enumerate(changes):
            if change.write.op == "update" and not change.names and change.parts is not None:
                results[index] = Landed(change.write.key or "", change.parts, change)
            else:
                groups.setdefault((change.write.op, change.names), []).append(index)
        for (op, names), indexes in groups.items():
            group = [changes[index] for index in indexes]
            if op == "create":
                made = await self._insert(names, group)
            elif op == "update":
                made = await self._update(names, group)
            else:
                made = await self._delete(group)
            results.update(zip(indexes, made, strict=True))
        return [results[index] for index in range(len(changes))]

    async def _insert(self, names: tuple[str, ...], changes: Sequence[Change]) -> list[Result]:
        into = f"INSERT INTO {self._table.sql} AS t"
        if not names:
            sql = f"{into} DEFAULT VALUES RETURNING {self._selection.key_values}"
            rows = [row for _ in changes for row in await self._connection.fetch(sql)]
        else:
            columns = [self._table.columns[name] for name in names]
            given = ", ".join(_sent(f"x.c{n}", column) for n, column in enumerate(columns))
            source = ", ".join(f"${n}::{column.form.wire}[]" for n, column in enumerate(columns, 1))
            aliases = ", ".join(f"c{n}" for n, _ in enumerate(columns))
            sql = (
                f"{into} ({', '.join(map(quoted, names))}) SELECT {given} FROM unnest({source}) "
                f"WITH ORDINALITY AS x ({aliases}, n) ORDER BY x.n RETURNING {self._selection.key_values}"
            )
            rows = await self._connection.fetch(sql, *_lists([change.values for change in changes], len(names)))
        if len(rows) < len(changes):
            # A trigger left some out; which ones, only a statement for each can tell.
            if len(changes) == 1:
                return [_SUPPRESSED]
            raise _Suppressing
        # A table without a trigger that says otherwise answers in the order in which it was given rows.
        return [self._landed(row, change) for row, change in zip(rows, changes, strict=True)]

    async def _update(self, names: tuple[str, ...], changes: Sequence[Change]) -> list[Result]:
        columns = [self._table.columns[name] for name in names]
        settings = [f"{quoted(c.name)} = {_sent(f'x.c{n}', c)}" for n, c in enumerate(columns)]
        if self._selection.version is not None and self._selection.version not in names:
            version = self._selection.version
            settings.append(f"{quoted(version)} = {placed(version)} + 1")
        sql = (
            f"UPDATE {self._table.sql} AS t SET {', '.join(settings)} FROM {self._numbered(columns)} "
            f"WHERE {self._selection.key_is('x')} RETURNING x.n, {self._selection.key_values}"
        )
        rows = await self._connection.fetch(sql, *self._by_number(changes, len(names)))
        landed = {row[0]: self._landed(row[1:], changes[row[0]]) for row in map(tuple, rows)}
        return [landed.get(n, _SUPPRESSED) for n in range(len(changes))]

    async def _delete(self, changes: Sequence[Change]) -> list[Result]:
        sql = (
            f"DELETE FROM {self._table.sql} AS t USING {self._numbered([])} "
            f"WHERE {self._selection.key_is('x')} RETURNING x.n"
        )
        gone = {n for (n,) in await self._connection.fetch(sql, *self._by_number(changes, 0))}
        return [Written(change.write.key or "") if n in gone else _SUPPRESSED for n, change in enumerate(changes)]

    def _numbered(self, columns: Sequence[TableColumn]) -> str:
        """SQL of the changes as rows: number, key, values."""
        wires = ["int8", *("text" for _ in self._keys), *(column.form.wire for column in columns)]
        names = ["n", *(f"k{n}" for n, _ in enumerate(self._keys, 1)), *(f"c{n}" for n, _ in enumerate(columns))]
        source = ", ".join(f"${n}::{wire}[]" for n, wire in enumerate(wires, 1))
        return f"unnest({source}) AS x ({', '.join(names)})"

    def _by_number(self, changes: Sequence[Change], width: int) -> Iterator[list[Any]]:
        yield list(range(len(changes)))
        yield from _lists([change.parts or () for change in changes], len(self._keys))
        yield from _lists([change.values for change in changes], width)


class _Suppressing(Exception):
    """Some rows were left out by a trigger."""


def _sent(value: str, column: TableColumn) -> str:
    """SQL of a value that was sent, as the column takes it."""
    return cast(value, column) if column.form.cast else value


def _lists(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """The values of rows, by column."""
    return [[row[n] for row in rows] for n in range(width)]
