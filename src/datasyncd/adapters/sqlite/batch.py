"""A batch: the writes of one push, each compared with the row that it finds, inside one transaction.

The batch is first tried as a whole. Only if the database refuses something are its writes made one by one, each behind
a savepoint, so that a refusal stops nothing but itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import (
    Key,
    Missing,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Stale,
    Write,
    Written,
)
from datasyncd.adapters.digest import alike_but, row_digest

from .keys import is_number, key_text, native_keys
from .reading import as_records
from .refusal import UNFIT, is_refusal, refusal
from .selection import Row, Selection
from .table import check, quoted, table_of


class Undone(Exception):
    """A trigger rolled the whole transaction back: because of the write of this index, if known."""

    def __init__(self, index: int | None, outcome: Outcome) -> None:
        super().__init__(index)
        self.index = index
        self.outcome = outcome


class Change(msgspec.Struct):
    """A write that may be made."""

    write: Write
    fields: Mapping[str, Native]
    """Columns to set; the key is among them only if it is given for a new row, or changes."""
    native: Native = None
    """The present key of its row, as SQLite holds it; None: a new row."""
    before: Row | None = None
    """Its row at the version that the write named."""


Standing: TypeAlias = tuple[Row, bytes | None]
"""A row and its digest. No digest: several rows have its key, and no version is its own."""


class Landed(msgspec.Struct):
    """A write that was made: the key of its row now, as SQLite holds it."""

    native: Native
    change: Change


class Batch:
    """The writes of one push."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        spec: ObjectSpec,
        selection: Selection,
        writes: Sequence[Write],
        refused: Mapping[int, Outcome],
    ) -> None:
        self.connection = connection
        self._spec = spec
        self._selection = selection
        self._writes = writes
        self._refused = refused
        """Outcomes that are known from an earlier try, by the index of the write."""
        self.rows = 0
        """Rows that the statements of the batch changed themselves, triggers and foreign keys left out."""

    def apply(self, singly: bool) -> list[Outcome]:
        """Make the writes that can be made, in the transaction that is open. Raises `Undone` if it no longer is."""
        self._table = table_of(self.connection, self._spec.object)
        check(self._table, self._spec.key, self._spec.columns)
        keys = [write.key for write in self._writes if write.key is not None]
        singly = singly or len(set(keys)) < len(keys)
        results = None if singly else self._together(keys)
        if results is None:
            results = [self._refused.get(i) or self._single(i, write) for i, write in enumerate(self._writes)]
        landed = [result.native for result in results if isinstance(result, Landed)]
        records, _ = as_records(self._spec, self._selection.by_key(self.connection, landed))
        images = {record.key: record for record in records}
        answers: list[Outcome] = []
        for result in results:
            if isinstance(result, Landed):
                answers.append(self._answer(result, images))
            else:
                answers.append(result)
        return answers

    def _answer(self, landed: Landed, images: Mapping[Key, Record]) -> Outcome:
        key, change = key_text(landed.native) or "", landed.change
        image = images.get(key)
        if image is None or change.before is None:
            return Written(key, image)
        before = dict(zip(self._spec.columns, change.before, strict=True))
        return Written(key, image, alike_but(change.write.fields, before, image.fields))

    def _together(self, keys: Sequence[Key]) -> list[Outcome | Landed] | None:
        """All at once; None, and nothing done, if the database refused something."""
        standing = self._standing(keys)
        judged = [self._judge(write, standing) for write in self._writes]
        self.connection.execute("SAVEPOINT together")
        try:
            results = self._make(judged)
        except (sqlite3.Error, *UNFIT) as error:
            if not is_refusal(error):
                raise
            if not self.connection.in_transaction:
                raise Undone(None, Rejected(str(error))) from None
            self.connection.execute("ROLLBACK TO together")
            return None
        return results

    def _single(self, index: int, write: Write) -> Outcome | Landed:
        judged = self._judge(write, self._standing([] if write.key is None else [write.key]))
        self.connection.execute("SAVEPOINT single")
        try:
            (result,) = self._make([judged])
        except (sqlite3.Error, *UNFIT) as error:
            if not is_refusal(error):
                raise
            if not self.connection.in_transaction:
                raise Undone(index, Rejected(str(error))) from None
            self.connection.execute("ROLLBACK TO single")
            result = refusal(error, self.connection, self._table, self._spec.key, write)
        self.connection.execute("RELEASE single")
        return result

    def _standing(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Key -> its row."""
        untyped = self._table.columns[self._spec.key].kind == "any"
        wanted = [native for key in keys for native in native_keys(key, untyped)]
        standing: dict[Key, Standing] = {}
        for row in self._selection.by_key(self.connection, wanted):
            key = key_text(row[0])
            if key is not None:
                standing[key] = (row, None if key in standing else row_digest(row))
        return standing

    def _judge(self, write: Write, standing: Mapping[Key, Standing]) -> Outcome | Change:
        """What the batch can say of a write before the database does."""
        unknown = write.fields.keys() - self._table.writable
        if unknown:
            names = tuple(name for name in write.fields if name in unknown)
            return Rejected(f"the table {self._table.name!r} has no column to write {', '.join(names)} to", names)
        if write.op == "create":
            return self._judge_create(write)
        found = standing.get(write.key or "")
        if found is None:
            return Written(write.key or "") if write.op == "delete" else Missing()
        row, version = found
        if write.version is not None and write.version != version:
            return Stale()
        fields = write.fields
        if self._spec.key in fields and key_text(fields[self._spec.key]) == write.key:
            fields = {name: value for name, value in fields.items() if name != self._spec.key}
        return Change(write, fields, row[0], None if write.version is None else row)

    def _judge_create(self, write: Write) -> Outcome | Change:
        key, given = self._spec.key, write.fields.get(self._spec.key)
        if given is not None:
            if write.key is not None and key_text(given) != write.key:
                return Rejected(f"the new row's {key!r} is not the key that it was given", (key,))
            return Change(write, write.fields)
        if write.key is not None:
            if (why := self._table.why_key_needed(key)) and not is_number(write.key):
                return Rejected(why, (key,))
            return Change(write, {**write.fields, key: write.key})
        if not self._table.makes(key):
            return Rejected(f"the table {self._table.name!r} makes no {key!r} of its own, and none was given", (key,))
        return Change(write, {name: value for name, value in write.fields.items() if name != key})

    def _make(self, judged: Sequence[Outcome | Change]) -> list[Outcome | Landed]:
        """Make the changes: new rows and changed keys one by one, the others by lists."""
        results: list[Outcome | Landed] = []
        updates: dict[tuple[str, ...], list[tuple[Native, ...]]] = {}
        deletes: list[tuple[Native]] = []
        for change in judged:
            if not isinstance(change, Change):
                results.append(change)
            elif change.write.op == "delete":
                deletes.append((change.native,))
                results.append(Written(change.write.key or ""))
            elif change.native is None or self._spec.key in change.fields:
                results.append(self._make_keyed(change))
            else:
                if change.fields:
                    values = (*change.fields.values(), change.native)
                    updates.setdefault(tuple(change.fields), []).append(values)
                results.append(Landed(change.native, change))
        table, key = self._table.name, self._spec.key
        for names, rows in updates.items():
            self.rows += self.connection.executemany(_update(table, key, names), rows).rowcount
        if deletes:
            self.rows += self.connection.executemany(_delete(table, key), deletes).rowcount
        return results

    def _make_keyed(self, change: Change) -> Outcome | Landed:
        """Make a change after which only the database knows the row's key."""
        table, key = self._table.name, self._spec.key
        values = list(change.fields.values())
        if change.native is None:
            sql = _insert(table, tuple(change.fields))
        else:
            sql = _update(table, key, tuple(change.fields))
            values.append(change.native)
        rows = self.connection.execute(_returning(sql, table, key), values).fetchall()
        self.rows += len(rows)
        if not rows:
            return Rejected("a trigger of the table left the write out")
        if key_text(rows[0][0]) is None:
            return Rejected(f"{key!r} is no key", (key,))
        return Landed(rows[0][0], change)


# "OR ABORT" overrides what a constraint says of itself: REPLACE would delete another record, IGNORE hide the refusal.


@lru_cache
def _insert(table: str, names: tuple[str, ...]) -> str:
    if not names:
        return " ".join(("INSERT OR ABORT INTO", quoted(table), "DEFAULT VALUES"))
    columns, marks = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    return "".join(("INSERT OR ABORT INTO ", quoted(table), " (", columns, ") VALUES (", marks, ")"))


@lru_cache
def _update(table: str, key: str, names: tuple[str, ...]) -> str:
    settings = ", ".join(quoted(name) + " = ?" for name in names)
    return " ".join(("UPDATE OR ABORT", quoted(table), "SET", settings, "WHERE", _column(table, key), "= ?"))


@lru_cache
def _delete(table: str, key: str) -> str:
    return " ".join(("DELETE FROM", quoted(table), "WHERE", _column(table, key), "= ?"))


@lru_cache
def _returning(sql: str, table: str, key: str) -> str:
    return " ".join((sql, "RETURNING", _column(table, key)))


def _column(table: str, name: str) -> str:
    """A column behind its table: SQLite would take a name alone that it does not know for a text."""
    return ".".join((quoted(table), quoted(name)))
