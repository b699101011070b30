"""Readings: rows as records. All functions here run in the connection's thread, one call a page."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from datasyncd.adapters.contract import Gone, Key, Malformed, Native, ObjectSpec, Record, Undecodable
from datasyncd.adapters.digest import row_digest

from .keys import key_text, native_keys
from .selection import Row, Selection, fetch
from .table import check, table_of

PAGE = 1000
"""Rows of a page."""


class Batch(msgspec.Struct):
    """Some rows of a pull, and where the next reading begins."""

    records: list[Record]
    malformed: list[Malformed]
    last: Row | None
    """The last row that was read; None: there are no more."""


class Start(msgspec.Struct, frozen=True):
    """What a pull must know of a table before its first page."""

    keys_are_told_apart: bool
    malformed: tuple[Malformed, ...]
    """Of the rows whose key is NULL, which no page shows."""
    newest: tuple[Native, ...]
    """Highest values of the cursor column, highest first."""


def start(connection: sqlite3.Connection, spec: ObjectSpec, selection: Selection) -> Start:
    """Look at the table. Raises `NotFound`, `Unsupported`."""
    table = table_of(connection, spec.object)
    check(table, spec.key, spec.columns)
    newest = connection.execute(selection.newest, (PAGE,)).fetchall() if spec.cursor else []
    keyless = connection.execute(selection.keyless).fetchone()[0] if table.columns[spec.key].nullable else 0
    malformed = [Malformed(None, place(spec), f"{keyless} rows have no {spec.key!r}")] if keyless else []
    return Start(table.tells_keys_apart(spec.key), tuple(malformed), tuple(value for (value,) in newest))


def data_version(connection: sqlite3.Connection) -> int:
    """Another number after each commit of somebody else that this connection can see."""
    found: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return found


def page(connection: sqlite3.Connection, spec: ObjectSpec, sql: str, values: Sequence[Native]) -> Batch:
    """One page by a statement of `Selection`, which takes the limit last."""
    rows = fetch(connection, sql, (*values, PAGE + 1))
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    records, malformed = as_records(spec, rows)
    if last is not None and records and records[-1].key == key_text(rows[-1][0]):
        del records[-1]  # the one row too many: it begins the next page
    return Batch(records, malformed, last)


def as_records(spec: ObjectSpec, rows: Sequence[Row]) -> tuple[list[Record], list[Malformed]]:
    """Rows as records; what cannot be one, and all that share a key, apart."""
    columns = spec.columns
    records: list[Record] = []
    malformed: list[Malformed] = []
    for row in rows:
        native = row[0]
        key = native if type(native) is str else key_text(native)
        if key is None:
            malformed.append(Malformed(None, place(spec), f"{spec.key!r} is {_name(native)}, which cannot be a key"))
        else:
            records.append(Record(key, dict(zip(columns, row, strict=True)), row_digest(row)))
    if len({record.key for record in records}) < len(records):
        records, twice = _apart(records, spec)
        malformed += twice
    return records, malformed


def without_known(batch: Batch, known: set[Key], spec: ObjectSpec) -> Batch:
    """The batch without keys that an earlier page had; `known` then has those of this one, too."""
    again = [record.key for record in batch.records if record.key in known]
    known.update(record.key for record in batch.records)
    if again:
        batch.records = [record for record in batch.records if record.key not in again]
        batch.malformed += [_shared(key, spec) for key in again]
    return batch


def by_key(
    connection: sqlite3.Connection, spec: ObjectSpec, selection: Selection, keys: Sequence[Key]
) -> list[Record | Gone | Malformed]:
    """What there is for each key now."""
    table = table_of(connection, spec.object)
    check(table, spec.key, spec.columns)
    untyped = table.columns[spec.key].kind == "any"
    wanted = dict.fromkeys(native for key in keys for native in native_keys(key, untyped))
    records, malformed = as_records(spec, selection.by_key(connection, list(wanted)))
    found: dict[Key, Record | Malformed] = {record.key: record for record in records}
    found.update({row.key: row for row in malformed if row.key is not None})
    return [found.get(key) or Gone(key) for key in keys]


def by_value(
    connection: sqlite3.Connection, spec: ObjectSpec, selection: Selection, name: str, values: Sequence[Native]
) -> list[Record]:
    """Records whose column has one of the values; addresses are compared without case."""
    check(table_of(connection, spec.object), spec.key, (*spec.columns, name))
    parts: dict[bool, list[Native]] = {True: [], False: []}
    for value in values:
        parts[isinstance(value, str) and "@" in value].append(value)
    rows = selection.by_value(connection, name, parts[True], any_case=True)
    rows += selection.by_value(connection, name, parts[False], any_case=False)
    records, _ = as_records(spec, rows)
    return records


def place(spec: ObjectSpec) -> str:
    """Where a row stands, for a person."""
    return f"table {spec.object}"


def _name(native: Native) -> str:
    if isinstance(native, Undecodable):
        return f"text that is no {native.encoding}"
    return "NULL" if native is None else type(native).__name__


def _apart(records: Sequence[Record], spec: ObjectSpec) -> tuple[list[Record], list[Malformed]]:
    """Records whose key is theirs alone; and for each other key that several rows have it."""
    count: dict[Key, int] = {}
    for record in records:
        count[record.key] = count.get(record.key, 0) + 1
    shared = [_shared(key, spec) for key, rows in count.items() if rows > 1]
    return [record for record in records if count[record.key] == 1], shared


def _shared(key: Key, spec: ObjectSpec) -> Malformed:
    """Several rows have this key."""
    return Malformed(key, place(spec), f"several rows have the same {spec.key!r}")
