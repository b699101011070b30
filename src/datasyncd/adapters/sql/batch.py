"""A batch: the writes of one push, each compared with the row that it finds and locks, inside one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
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

from .form import Unfit
from .keys import Parts, key_of, native, part_of
from .selection import Selection


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


class Batch(ABC):
    """The writes of one push."""

    def __init__(self, selection: Selection, writes: Sequence[Write]) -> None:
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
        images = await self._look(landed)
        return [self._answer(result, images) if isinstance(result, Landed) else result for result in results]

    @abstractmethod
    async def _look(self, keys: Sequence[Parts]) -> Mapping[Key, Record | Malformed]:
        """What there is for these keys."""

    @abstractmethod
    async def _lock(self, keys: Sequence[Parts], moves: bool) -> Mapping[Key, Record | Malformed]:
        """The same, locked against other writers; `moves`: rows are to be deleted, or to change their keys."""

    @abstractmethod
    async def _try(self, changes: Sequence[Change]) -> list[Result]:
        """Make the changes that the database takes."""

    @abstractmethod
    def _parts_of(self, key: Key) -> Parts | None:
        """The texts of a key; None: no row has it, as its form tells."""

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
        found = {write.key: self._parts_of(write.key) for write in writes if write.key is not None}
        parts = {key: texts for key, texts in found.items() if texts is not None}
        moves = any(write.op == "delete" or self._rekeys(write) for write in writes)
        rows = await self._lock(list(parts.values()), moves)
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
            parts = self._parts_of(write.key)
            if parts is None:
                whys = [self._table.why_key_needed(self._keys, name) for name in self._keys if name not in fields]
                reason = next(filter(None, whys), "the key does not fit the type of its column")
                return Rejected(reason, self._keys)
            for name, part in zip(self._keys, parts, strict=True):
                if part_of(fields.setdefault(name, native(part, self._table.columns[name]))) != part:
                    return Rejected(f"the new row's {name!r} is not the key that it was given", (name,))
        missing = tuple(n for n in self._keys if n not in fields and not self._table.columns[n].has_default)
        if missing:
            return self._keyless(missing)
        return self._change(write, fields, None)

    def _keyless(self, names: tuple[str, ...]) -> Rejected:
        """The refusal of a new row whose key lacks these columns."""
        whys = "; ".join(filter(None, (self._table.why_key_needed(self._keys, name) for name in names)))
        return Rejected(whys or f"the database makes no {', '.join(names)} of its own, and none was given", names)

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

    def _landed(self, values: Sequence[Native], change: Change) -> Result:
        key = key_of(tuple(values))
        parts = None if key is None else self._parts_of(key)
        if key is None or parts is None:
            return Rejected("the row has no key", self._keys)
        return Landed(key, parts, change)


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
