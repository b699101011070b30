"""Stores: the six systems of the demo, as their owners make, edit and read them.

They are real files, made of what lies in `data`; nothing in here knows of the daemon. A value is shown as the store
writes it, as text; None is a blank.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, TypeAlias

DATA = resources.files(__package__) / "data"
"""What the stores and the config are made of."""

Row: TypeAlias = dict[str, Any]


class Store(Protocol):
    """One store. A record is found by what the store calls the person: an e-mail address, a phone number."""

    def make(self) -> None: ...

    def row(self, name: str) -> Row:
        """Empty if nobody is called so."""
        ...

    def edit(self, name: str, values: Mapping[str, Any]) -> None: ...


class Table:
    """A table of an SQLite database."""

    def __init__(self, file: Path, source: str, table: str, called: str) -> None:
        self.file = file
        self._source = DATA / source
        self._table = table
        self._called = called

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """One transaction, by somebody who works with the store."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def make(self) -> None:
        with self.open() as connection:
            connection.executescript(self._source.read_text(encoding="utf-8"))

    def row(self, name: str) -> Row:
        with self.open() as connection:
            found = connection.execute(f"SELECT * FROM {self._table} WHERE {self._called} = ?", (name,)).fetchone()
        return dict(found or {})

    def edit(self, name: str, values: Mapping[str, Any]) -> None:
        changes = ", ".join(f"{column} = ?" for column in values)
        with self.open() as connection:
            connection.execute(f"UPDATE {self._table} SET {changes} WHERE {self._called} = ?", (*values.values(), name))


class Sheet:
    """A file of records, written anew as a whole when one of them is edited."""

    def __init__(
        self,
        file: Path,
        source: str,
        called: str,
        read: Callable[[str], list[Row]],
        written: Callable[[list[Row]], str],
    ) -> None:
        self.file = file
        self._source = DATA / source
        self._called = called
        self._read = read
        self._written = written

    def make(self) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self._replace(self._source.read_text(encoding="utf-8"))

    def row(self, name: str) -> Row:
        return next((row for row in self._rows() if row[self._called] == name), {})

    def edit(self, name: str, values: Mapping[str, Any]) -> None:
        rows = self._rows()
        for row in rows:
            if row[self._called] == name:
                row.update(values)
        self._replace(self._written(rows))

    def _rows(self) -> list[Row]:
        return self._read(self.file.read_text(encoding="utf-8"))

    def _replace(self, text: str) -> None:
        made = self.file.with_suffix(".new")
        made.write_text(text, encoding="utf-8", newline="")
        made.replace(self.file)


def stores(folder: Path) -> dict[str, Store]:
    """All six, by the names that the config gives them."""
    return {
        "shop": Table(folder / "shop.db", "shop.sql", "customers", "email"),
        "billing": Table(folder / "billing.db", "billing.sql", "subscriptions", "email"),
        "desk": Sheet(folder / "desk/requesters.jsonl", "requesters.jsonl", "email", _lines, _as_lines),
        "mail": Sheet(folder / "mail/contacts.csv", "contacts.csv", "Email", _cells, _as_cells),
        "sms": Sheet(folder / "sms/subscribers.csv", "subscribers.csv", "Phone", _cells, _as_cells),
        "prefs": Sheet(folder / "prefs/preferences.jsonl", "preferences.jsonl", "email", _lines, _as_lines),
    }


def shown(value: Any) -> str | None:
    """A value of a row as text; None: blank."""
    return None if value in (None, "") else str(value)


def _cells(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _as_cells(rows: list[Row]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _lines(text: str) -> list[Row]:
    return [json.loads(line) for line in text.splitlines()]


def _as_lines(rows: list[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
