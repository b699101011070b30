"""Readings: rows as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Malformed, Native, Record
from datasyncd.adapters.digest import row_digest

from .form import decoded
from .keys import Parts, key_of, part_of
from .selection import Selection
from .table import Connection
from .trouble import is_refusal

PAGE = 1000
"""Rows of a page."""

Row: TypeAlias = tuple[Native, ...]


class Batch(msgspec.Struct):
    """Some rows of a pull, and where the next reading begins."""

    records: list[Record]
    malformed: list[Malformed]
    last: Row | None
    """The last row that was read; None: there are no more."""


def batch_of(selection: Selection, found: Sequence[Any]) -> Batch:
    """A page of the rows that a statement found, which was asked for one more than a page has."""
    last = tuple(found[PAGE - 1]) if len(found) > PAGE else None
    records, malformed = as_records(selection, found[:PAGE])
    return Batch(records, malformed, last)


def as_records(selection: Selection, found: Sequence[Any]) -> tuple[list[Record], list[Malformed]]:
    """Rows as records; all that share a key, which those of a view may do, apart."""
    rows: list[Row] = list(map(tuple, found))
    if selection.json:
        rows = [_with_json(row, selection.json) for row in rows]
    columns, width = selection.spec.columns, len(selection.spec.columns)
    parts = len(selection.keys)
    records: list[Record] = []
    malformed: list[Malformed] = []
    version_at = None if selection.version is None else selection.names.index(selection.version)
    for row in rows:
        first = row[0]
        key = first if parts == 1 and type(first) is str else key_of(row[:parts])
        if key is None:
            malformed.append(Malformed(None, place(selection), f"{_named(selection)} is NULL or cannot be a key"))
            continue
        if version_at is None:
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


def without_known(batch: Batch, known: set[Key], selection: Selection) -> Batch:
    """The batch without keys that an earlier page had; `known` then has those of this one, too."""
    again = {record.key for record in batch.records if record.key in known}
    known.update(record.key for record in batch.records)
    if again:
        batch.records = [record for record in batch.records if record.key not in again]
        batch.malformed += [_shared(key, selection) for key in sorted(again)]
    return batch


async def by_key(
    connection: Connection, selection: Selection, sql: str, keys: Sequence[Parts]
) -> Mapping[Key, Record | Malformed]:
    """What there is for each key, by a statement of the selection that takes the texts of keys."""
    records, malformed = as_records(selection, await _by_key(connection, selection, sql, keys) if keys else [])
    answers: dict[Key, Record | Malformed] = {record.key: record for record in records}
    answers.update({row.key: row for row in malformed if row.key is not None})
    return answers


def begins_after(row: Row, names: Sequence[str], selection: Selection) -> Parts:
    """The values of these columns in a row as the texts by which a statement goes on after it."""
    fields = dict(zip(selection.names, row, strict=True))
    return tuple(text_of(fields[name]) for name in names)


def text_of(value: Native) -> str:
    """A value as the text by which a statement names it."""
    return part_of(value) or ""


def keyless(selection: Selection, count: int) -> list[Malformed]:
    """Rows without a key, which no page shows."""
    return [Malformed(None, place(selection), f"{count} rows have no {_named(selection)}")] if count else []


def place(selection: Selection) -> str:
    """Where a row stands, for a person."""
    return f"table {selection.table.shown}"


async def _by_key(connection: Connection, selection: Selection, sql: str, keys: Sequence[Parts]) -> list[Any]:
    """Rows; keys that the server takes for none of its types are looked for among ever fewer others."""
    lists = [list(part) for part in zip(*keys, strict=True)]
    if selection.keys_are_told:
        return list(await connection.fetch(sql, *lists))
    inside = connection.is_in_transaction()
    if inside:
        await connection.execute("SAVEPOINT keys")
    try:
        rows = list(await connection.fetch(sql, *lists))
    except Exception as error:
        if not is_refusal(error):
            raise
        if inside:
            await connection.execute("ROLLBACK TO keys; RELEASE keys")
    else:
        if inside:
            await connection.execute("RELEASE keys")
        return rows
    if len(keys) == 1:
        return []
    middle = len(keys) // 2
    rows = await _by_key(connection, selection, sql, keys[:middle])
    return rows + await _by_key(connection, selection, sql, keys[middle:])


def _with_json(row: Row, places: Sequence[int]) -> Row:
    values = list(row)
    for place in places:
        values[place] = decoded(values[place])
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
