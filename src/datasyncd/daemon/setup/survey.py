"""Survey: what a store looks like to somebody who sees it for the first time.

Reads a sample and writes nothing. Databases, CSV files and files of JSON lines tell their columns by themselves; what
`server` finds at the address of one has the same form.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import anyio
import msgspec

from datasyncd.adapters.contract import Column, Native
from datasyncd.adapters.csv.dialect import DELIMITERS, decode, delimiter_of, lines_of, reader
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.jsonl.line import decoded
from datasyncd.adapters.sqlite.table import quoted, table_of

from .words import is_id

Place: TypeAlias = Path | str
"""A file, or the address of a database: postgresql://..., mysql://..."""

SERVER = ("postgresql://", "postgres://", "mysql://", "mariadb://")
"""How an address begins."""

SAMPLE = 1000
"""Rows that are looked at."""
_MAGIC = b"SQLite format 3\x00"


class Unknown(Exception):
    """The store cannot be surveyed: why, for a person."""


class Store(msgspec.Struct, frozen=True):
    """One object of one store."""

    adapter: str
    place: Place
    """As the adapter's option has it: the file of a database, the folder of a file, the address of a server."""
    object: str
    columns: Mapping[str, Column]
    """By name."""
    keys: Sequence[str]
    """Columns that can be the record's own id, the likeliest first."""
    rows: Sequence[Mapping[str, Native]]
    """A sample."""

    @property
    def name(self) -> str:
        """A name for the system: that of the database or of the folder."""
        if isinstance(self.place, str):
            return urlsplit(self.place).path.strip("/") or self.adapter
        return self.place.resolve().stem if self.adapter == "sqlite" else self.place.resolve().name

    def __repr__(self) -> str:
        return f"Store({self.object!r})"  # the rest may be people, or a password

    def values(self, column: str) -> list[Native]:
        """What the sample has in a column, blanks left out."""
        return [value for row in self.rows if (value := row.get(column)) not in (None, "")]


def objects(path: Place) -> list[str]:
    """Names of what can be synchronised in a place, the likeliest first. Raises `Unknown`."""
    if isinstance(path, str):
        from . import server

        return _likeliest(anyio.run(server.tables, path))
    if _adapter(path) != "sqlite":
        return [path.stem]
    try:
        with closing(_open(path)) as db:
            rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            names = [name for (name,) in rows if not name.startswith("sqlite_")]
    except sqlite3.Error as error:
        raise Unknown(f"{path}: {error}") from None
    if not names:
        raise Unknown(f"{path} has no tables")
    return _likeliest(names)


def survey(path: Place, object: str) -> Store:
    """One object of a place. Raises `Unknown`."""
    if isinstance(path, str):
        from . import server

        store = anyio.run(server.table, path, object)
    else:
        store = _of_file(path, object)
    place = object if isinstance(path, str) else path
    if not store.columns:
        raise Unknown(f"{place} has no columns")
    if not store.keys:
        raise Unknown(f"{place}: no column of {object} tells its records apart, so that none can be their id")
    return store


def _of_file(path: Path, object: str) -> Store:
    adapter = _adapter(path)
    try:
        match adapter:
            case "sqlite":
                return _table(path, object)
            case "csv":
                return _csv(path)
            case _:
                return _jsonl(path)
    except (OSError, sqlite3.Error, csv.Error, NotFound) as error:
        raise Unknown(f"{path}: {error}") from None


def _adapter(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                return "sqlite"
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}") from None
    found = {".csv": "csv", ".jsonl": "jsonl"}.get(path.suffix)
    if found is None:
        raise Unknown(f"{path} is neither an SQLite database nor a file that ends in .csv or .jsonl")
    return found


def _likeliest(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: (not _is_about_people(name), name))


def _is_about_people(name: str) -> bool:
    return any(word in name.lower() for word in ("contact", "customer", "person", "people", "user", "member"))


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)


def _table(path: Path, name: str) -> Store:
    with closing(_open(path)) as db:
        table = table_of(db, name)
        names = list(table.columns)
        cells = ", ".join(map(quoted, names))
        rows = db.execute(f"SELECT {cells} FROM {quoted(table.name)} LIMIT {SAMPLE}").fetchall()
    keys = sorted(table.unique, key=lambda column: (column != table.row_id, not is_id(column), names.index(column)))
    columns = {column.name: column for column in table.schema(None).columns if column.writable}
    return Store("sqlite", path, table.name, columns, keys, [dict(zip(names, row, strict=True)) for row in rows])


def _csv(path: Path) -> Store:
    content = decode(path.read_bytes(), "utf-8")
    if content.damaged:
        raise Unknown(f"{path} is not UTF-8: begin with an example, and say its `encoding`")
    lines = [line for line in lines_of(content.text) if line.strip()]
    if not lines:
        raise Unknown(f"{path} is empty, it has not even a header")
    delimiter = max(DELIMITERS, key=lambda each: len(next(reader([lines[0]], each), [])))
    delimiter = delimiter_of(lines[0], next(reader([lines[0]], delimiter), []))
    names, *rows = islice(reader(lines, delimiter), SAMPLE + 1)
    records = [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]
    columns = {name: Column(name, "text") for name in names}
    return Store("csv", path.parent, path.stem, columns, _keys(names, records), records)


def _jsonl(path: Path) -> Store:
    records = []
    for line in islice(path.read_bytes().splitlines(), SAMPLE):
        if line.strip():
            try:
                records.append(decoded(line))
            except ValueError as error:
                raise Unknown(f"{path}: a line is no record: {error}") from None
    if not records:
        raise Unknown(f"{path} has no records, so that nobody can tell its fields")
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: Column(name, "json") for name in names}
    return Store("jsonl", path.parent, path.stem, columns, _keys(names, records), records)


def _keys(names: Sequence[str], records: Sequence[Mapping[str, Native]]) -> list[str]:
    """Columns with another value in each row; where there are no rows, those that are called like an id."""
    found = []
    for name in names:
        values = [record.get(name) for record in records]
        simple = all(isinstance(value, str | int) and value != "" for value in values)
        if simple and len(set(values)) == len(values) and (values or is_id(name)):
            found.append(name)
    return sorted(found, key=lambda name: (not is_id(name), names.index(name)))
