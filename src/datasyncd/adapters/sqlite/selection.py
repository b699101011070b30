"""Selections: the reading statements of one object.

Columns always stand behind the table's short name: SQLite takes a quoted name that it does not know for a text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from datasyncd.adapters.contract import Native, ObjectSpec, Undecodable

from .table import quoted

Row: TypeAlias = tuple[Native, ...]

_LISTS = (1, 8, 64, 512)
"""Lengths of lists of values in statements: few, so that the compiled statements are found again."""


ENCODING = "UTF-8"
"""In which texts are handed over, however the file keeps them."""


class Selection:
    """The statements that read the columns of one object, its key first."""

    def __init__(self, spec: ObjectSpec) -> None:
        key = column(spec.key)
        mark = column(spec.cursor) if spec.cursor else key
        self.columns = spec.columns
        self._all = " ".join(
            ("SELECT", ", ".join(map(column, spec.columns)), "FROM", quoted(spec.object), "AS t WHERE ")
        )
        by_key = f" ORDER BY {key} LIMIT ?"
        by_mark = f" ORDER BY {mark}, {key} LIMIT ?"
        self.first = "".join((self._all, key, " IS NOT NULL", by_key))
        self.since = "".join((self._all, mark, " >= ? AND ", key, " IS NOT NULL", by_mark))
        table = " ".join(("FROM", quoted(spec.object), "AS t WHERE", key, "IS NULL"))
        self.keyless = "SELECT count(*) " + table
        self.newest = " ".join(
            (
                "SELECT",
                mark,
                "FROM",
                quoted(spec.object),
                "AS t WHERE",
                mark,
                "IS NOT NULL ORDER BY",
                mark,
                "DESC LIMIT ?",
            )
        )
        self._key, self._mark = key, mark
        self._by_key, self._by_mark = by_key, by_mark

    def after(self, key: Native) -> tuple[str, list[Native]]:
        """What reads the rows behind a key, and the values for it."""
        mark, value = _placed(key)
        return "".join((self._all, self._key, " > ", mark, self._by_key)), [value]

    def since_after(self, mark: Native, key: Native) -> tuple[str, list[Native]]:
        """What reads the rows behind a mark and a key, and the values for it."""
        marks, values = zip(_placed(mark), _placed(key), strict=True)
        row = ", ".join((self._mark, self._key))
        return "".join((self._all, "(", row, ") > (", ", ".join(marks), ")", self._by_mark)), list(values)

    def by_key(self, connection: sqlite3.Connection, keys: Sequence[Native]) -> list[Row]:
        """Rows that have one of these keys."""
        return self._among(connection, self._key, keys)

    def by_value(
        self, connection: sqlite3.Connection, name: str, values: Sequence[Native], any_case: bool
    ) -> list[Row]:
        """Rows whose column has one of these values; `any_case`: ASCII letters alike."""
        return self._among(connection, column(name) + (" COLLATE NOCASE" if any_case else ""), values)

    def _among(self, connection: sqlite3.Connection, what: str, values: Sequence[Native]) -> list[Row]:
        rows: list[Row] = []
        for part, length in _parts(values):
            marks = ", ".join("?" * length)
            rows += fetch(connection, "".join((self._all, what, " IN (", marks, ")")), part)
        return rows


def column(name: str) -> str:
    """A column of the table that is read."""
    return "t." + quoted(name)


def fetch(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    """All rows; a text that is no UTF-8 comes as `Undecodable`."""
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("Could not decode"):
            raise
    connection.text_factory = _text
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.text_factory = str


def _text(stored: bytes) -> str | Undecodable:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return Undecodable(stored, ENCODING)


def _placed(value: Native) -> tuple[str, Native]:
    """The place of a value in a statement, and what is put there: bytes alone would be sorted behind all texts."""
    return ("CAST(? AS TEXT)", value.data) if isinstance(value, Undecodable) else ("?", value)


def _parts(values: Sequence[Native]) -> Iterator[tuple[list[Native], int]]:
    """Cut values into lists of usual lengths, filled up with NULL, which equals nothing."""
    for start in range(0, len(values), _LISTS[-1]):
        part = list(values[start : start + _LISTS[-1]])
        length = next(usual for usual in _LISTS if usual >= len(part))
        part += [None] * (length - len(part))
        yield part, length
