"""Readings: rows as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Malformed, Native, Record
from datasyncd.adapters.digest import row_digest

from .keys import key_of
from .selection import Selection

PAGE = 1000
"""Rows of a page."""

Row: TypeAlias = tuple[Native, ...]


class Batch(msgspec.Struct):
    """Some rows of a pull, and where the next reading begins."""

    records: list[Record]
    malformed: list[Malformed]
    last: Row | None
    """The last row that was read; None: there are no more."""


def batch_of(selection: Selection, found: Sequence[Any], size: int) -> Batch:
    """A page of the rows that a statement found, which was asked for one more than a page has."""
    records, malformed = as_records(selection, found[:size])
    last = _native(found[size - 1], selection) if len(found) > size else None
    return Batch(records, malformed, last)


def as_records(selection: Selection, found: Sequence[Any]) -> tuple[list[Record], list[Malformed]]:
    """Rows as records; all that share a key, which those of a view may do, apart."""
    rows: list[Row] = list(map(tuple, found))
    if selection.decoders:
        rows = [_native(row, selection) for row in rows]
    columns, width = selection.spec.columns, len(selection.spec.columns)
    parts = len(selection.keys)
    records: list[Record] = []
    malformed: list[Malformed] = []
    version_at = None if selection.version is None else selection.names.index(selection.version)
    stamped = selection.stamped
    for row in rows:
        first = row[0]
        key = first if parts == 1 and type(first) is str else key_of(row[:parts])
        if key is None:
            malformed.append(Malformed(None, place(selection), f"{_named(selection)} is NULL or cannot be a key"))
            continue
        if stamped:
            records.append(Record(key, dict(zip(columns, row[:width], strict=True)), row[-1]))
        elif version_at is None:
            records.append(Record(key, dict(zip(columns, row, strict=True)), row_digest(row)))
        else:
            counter = row[version_at]
            if type(counter) is not int:
                malformed.append(Malformed(key, place(selection), f"{selection.version!r} is no number"))
            else:
                records.append(Record(key, dict(zip(columns, row[:width], strict=True)), counter))
    if not selection.table.is_table and len({record.key for record in records}) < len(records):
        records, twice = _apart(records, selection)
        malformed += twice
    return records, malformed


def by_key(selection: Selection, found: Sequence[Any]) -> dict[Key, Record | Malformed]:
    """Rows by their keys; those without one left out."""
    records, malformed = as_records(selection, found)
    answers: dict[Key, Record | Malformed] = {record.key: record for record in records}
    answers.update({row.key: row for row in malformed if row.key is not None})
    return answers


def without_known(batch: Batch, known: set[Key], selection: Selection) -> Batch:
    """The batch without keys that an earlier page had; `known` then has those of this one, too."""
    again = {record.key for record in batch.records if record.key in known}
    known.update(record.key for record in batch.records)
    if again:
        batch.records = [record for record in batch.records if record.key not in again]
        batch.malformed += [_shared(key, selection) for key in sorted(again)]
    return batch


def keyless(selection: Selection, count: int) -> list[Malformed]:
    """Rows without a key, which no page shows."""
    return [Malformed(None, place(selection), f"{count} rows have no {_named(selection)}")] if count else []


def place(selection: Selection) -> str:
    """Where a row stands, for a person."""
    return f"table {selection.table.shown}"


def _native(row: Sequence[Any], selection: Selection) -> Row:
    values = list(row)
    for place, decode in selection.decoders:
        if values[place] is not None:
            values[place] = decode(values[place])
    return tuple(values)


def _apart(records: Sequence[Record], selection: Selection) -> tuple[list[Record], list[Malformed]]:
    """Records whose key is theirs alone; and for each other key that several rows have it."""
    count: dict[Key, int] = {}
    for record in records:
        count[record.key] = count.get(record.key, 0) + 1
    shared = [_shared(key, selection) for key, rows in count.items() if rows > 1]
    return [record for record in records if count[record.key] == 1], shared


def _shared(key: Key, selection: Selection) -> Malformed:
    return Malformed(key, place(selection), f"several rows have the same {_named(selection)}")


def _named(selection: Selection) -> str:
    return ", ".join(map(repr, selection.spec.keys))
