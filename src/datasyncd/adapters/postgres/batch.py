"""A batch: the writes of one push, each compared with the row that it finds and locks, inside one transaction.

Writes of one kind are made by one statement. If the database refuses something, they are made in two halves, each
behind a savepoint, and so on: so a refusal stops nothing but its own write, and costs a few statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import (
    Key,
    Malformed,
    Missing,
    Native,
    Outcome,
    Record,
    Rejected,
    Stale,
    Write,
    Written,
)
from datasyncd.adapters.digest import alike_but

from . import reading
from .form import Unfit
from .keys import Parts, key_of, part_of, parts_of
from .names import quoted
from .refusal import refusal
from .selection import Selection, cast, placed
from .table import Connection, TableColumn
from .trouble import is_refusal


class Change(msgspec.Struct, frozen=True):
    """A write that may be made."""

    write: Write
    names: tuple[str, ...]
    """Columns to set; those of the key are among them only if they are given for a new row, or change."""
    values: tuple[Any, ...]
    """What they are set to, in the forms in which values travel."""
    parts: Parts | None
    """The present key of its row; None: a new row."""
    before: Record | None = None
    """Its row at the version that the write named, if that version is a digest of all of it."""


class Landed(msgspec.Struct, frozen=True):
    """A write that was made: the key of its row now."""

    key: Key
    parts: Parts
    change: Change


Standing: TypeAlias = Mapping[Key, tuple[Parts, Record | None]]
"""Key -> its texts and its row. None: the row cannot be read, and no version is its own."""

Result: TypeAlias = "Outcome | Landed"

_SUPPRESSED = Rejected("a trigger or rule of the table left the write out")


class Batch:
    """The writes of one push."""

    def __init__(self, connection: Connection, selection: Selection, writes: Sequence[Write]) -> None:
        self._connection = connection
        self._selection = selection
        self._table = selection.table
        self._keys = selection.spec.keys
        self._writes = writes
        self._known: dict[tuple[str, ...], Rejected | None] = {}

    async def apply(self) -> list[Outcome]:
        """Make the writes that can be made, in the transaction that is open."""
        results: list[Result] = []
        for part in _apart(self._writes):
            results += await self._part(part)
        landed = [result.parts for result in results if isinstance(result, Landed)]
        images = await reading.by_key(self._connection, self._selection, self._selection.by_key, landed)
        return [self._answer(result, images) if isinstance(result, Landed) else result for result in results]

    def _answer(self, landed: Landed, images: Mapping[Key, Record | Malformed]) -> Outcome:
        image, change = images.get(landed.key), landed.change
        if not isinstance(image, Record):
            return Written(landed.key)
        before = change.before
        alone = before is not None and alike_but(change.write.fields, before.fields, image.fields)
        return Written(landed.key, image, alone)

    async def _part(self, writes: Sequence[Write]) -> list[Result]:
        """Writes of different records."""
        standing = await self._standing(writes)
        results: list[Result | Change] = [self._judge(write, standing) for write in writes]
        changes = [result for result in results if isinstance(result, Change)]
        made = iter(await self._try(changes) if changes else [])
        return [next(made) if isinstance(result, Change) else result for result in results]

    async def _standing(self, writes: Sequence[Write]) -> Standing:
        """Lock and look at the rows that the writes are about."""
        found = {write.key: parts_of(write.key, self._selection.keys) for write in writes if write.key is not None}
        parts = {key: texts for key, texts in found.items() if texts is not None}
        moves = any(write.op == "delete" or self._rekeys(write) for write in writes)
        sql = self._selection.to_replace if moves else self._selection.to_update
        rows = await reading.by_key(self._connection, self._selection, sql, list(parts.values()))
        return {
            key: (texts, row if isinstance(row, Record) else None)
            for key, texts in parts.items()
            if (row := rows.get(key)) is not None
        }

    def _rekeys(self, write: Write) -> bool:
        return any(name in write.fields for name in self._keys)

    # What can be said before the database is asked

    def _judge(self, write: Write, standing: Standing) -> Result | Change:
        barred = self._barred_of(tuple(write.fields))
        if barred is not None:
            return barred
        if write.op == "create":
            return self._judge_create(write)
        found = standing.get(write.key or "")
        if found is None:
            return Written(write.key or "") if write.op == "delete" else Missing()
        parts, row = found
        if write.version is not None and (row is None or write.version != row.version):
            return Stale()
        fields = write.fields
        if self._rekeys(write):
            same = {name for name, part in zip(self._keys, parts, strict=True) if part_of(fields.get(name)) == part}
            fields = {name: value for name, value in fields.items() if name not in same}
        exact = write.version is not None and self._selection.version is None
        return self._change(write, fields, parts, row if exact else None)

    def _judge_create(self, write: Write) -> Result | Change:
        fields = {n: v for n, v in write.fields.items() if v is not None or n not in self._keys}
        if write.key is not None:
            parts = parts_of(write.key, self._selection.keys)
            if parts is None:
                return Rejected("the key does not fit the type of its column", self._keys)
            for name, part in zip(self._keys, parts, strict=True):
                if part_of(fields.setdefault(name, self._native(name, part))) != part:
                    return Rejected(f"the new row's {name!r} is not the key that it was given", (name,))
        missing = tuple(n for n in self._keys if n not in fields and not self._table.columns[n].has_default)
        if missing:
            return Rejected(f"the database makes no {', '.join(missing)} of its own, and none was given", missing)
        return self._change(write, fields, None)

    def _native(self, name: str, part: str) -> Native:
        """A part of a key as a value of its column."""
        match self._table.columns[name].form.kind:
            case "integer":
                return int(part)
            case "float":
                return float(part)
            case "boolean":
                return part == "true"
        return part

    def _barred_of(self, names: tuple[str, ...]) -> Rejected | None:
        """The refusal of all writes that name these fields; None: there is none."""
        if names not in self._known:
            barred = tuple(name for name in names if self._barred(name))
            reasons = "; ".join(f"{name}: {self._barred(name)}" for name in barred)
            self._known[names] = Rejected(reasons, barred) if barred else None
        return self._known[names]

    def _barred(self, name: str) -> str:
        """Why no write may name a field; "": it may."""
        column = self._table.columns.get(name)
        if column is None:
            return f"the table {self._table.shown} has no such column"
        if not self._table.is_table:
            return "a view is only read"
        return "the database makes its values" if column.is_generated and name not in self._keys else ""

    def _change(
        self, write: Write, fields: Mapping[str, Native], parts: Parts | None, before: Record | None = None
    ) -> Result | Change:
        columns = self._table.columns
        try:
            values = [None if value is None else columns[name].form.to_wire(value) for name, value in fields.items()]
        except Unfit:
            return self._unfit(fields)
        return Change(write, tuple(fields), tuple(values), parts, before)

    def _unfit(self, fields: Mapping[str, Native]) -> Rejected:
        """The refusal of values of which one at least has no form in its column."""
        reasons = {}
        for name, value in fields.items():
            try:
                if value is not None:
                    self._table.columns[name].form.to_wire(value)
            except Unfit as unfit:
                reasons[name] = str(unfit)
        return Rejected("; ".join(f"{name}: {reason}" for name, reason in reasons.items()), tuple(reasons))

    # Making changes

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

    def _landed(self, values: Sequence[Native], change: Change) -> Result:
        key = key_of(tuple(values))
        parts = None if key is None else parts_of(key, self._selection.keys)
        if key is None or parts is None:
            return Rejected("the row has no key", self._keys)
        return Landed(key, parts, change)


class _Suppressing(Exception):
    """Some rows were left out by a trigger."""


def _apart(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """The writes in runs, in each of which every record comes once."""
    start, seen = 0, set[Key]()
    for index, write in enumerate(writes):
        if write.key is None:
            continue
        if write.key in seen:
            yield writes[start:index]
            start = index
            seen.clear()
        seen.add(write.key)
    yield writes[start:]


def _sent(value: str, column: TableColumn) -> str:
    """SQL of a value that was sent, as the column takes it."""
    return cast(value, column) if column.form.cast else value


def _lists(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """The values of rows, by column."""
    return [[row[n] for row in rows] for n in range(width)]
