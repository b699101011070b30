"""Sheets: the records of one file, and the text around them.

A file is cut into *pieces*: one for each row, and one for each line that is none. Joined again they are the file,
byte for byte; a write changes the piece of its own row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from datasyncd.adapters.contract import Column, Gone, Key, Malformed, Native, ObjectSpec, Record
from datasyncd.adapters.digest import row_digest
from datasyncd.adapters.errors import NotFound


class Unfit(Exception):
    """The file has no place or no form for these fields."""

    def __init__(self, reason: str, *fields: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = fields


class Sheet(ABC):
    """The records of one file, as read, and as changed since."""

    def __init__(self, spec: ObjectSpec, name: str) -> None:
        self.spec = spec
        self.name = name
        """Of the file, for people."""
        self.rows: dict[Key, int] = {}
        """Key -> number of the piece."""
        self.malformed: list[Malformed] = []
        self.bad_keys: set[Key] = set()
        """Keys that rows have which cannot be read, or that several rows have."""
        self.whole = True
        """Every row that exists is among the rows or has its key among the bad ones."""
        self.unreadable = False
        """Of some rows not even the key can be read: a key that is not found may be theirs."""
        self.half_written = False
        """The end looks as if somebody were still writing it."""
        self.open_end: tuple[Key, str] | None = None
        """Key and place of the last row, if it is one, but without the end of its line."""
        self.torn: str | None = None
        """Why nothing can be written into the file, as a text for people."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The fields that the file has. Raises `NotFound` if a mapped one is missing, or there twice."""

    @abstractmethod
    def record(self, key: Key) -> Record:
        """The record of a row."""

    @abstractmethod
    def set(self, key: Key, fields: Mapping[str, Native]) -> None:
        """Change fields of a row. Raises `Unfit`."""

    @abstractmethod
    def add(self, key: Key, fields: Mapping[str, Native]) -> None:
        """Add a row at the end. Raises `Unfit`."""

    @abstractmethod
    def remove(self, key: Key) -> None:
        """Take a row out."""

    @abstractmethod
    def data(self) -> bytes:
        """The file as it is to be written."""

    def records(self) -> Iterator[Record]:
        """All records, in the order of the file."""
        return map(self.record, self.rows)

    def answer(self, key: Key) -> Record | Gone | Malformed:
        """What there is for a key."""
        if key in self.rows:
            return self.record(key)
        known = next((row for row in self.malformed if row.key == key), None)
        if known is None and self.unreadable:
            known = Malformed(key, self.name, "it may be among the rows that cannot be read")
        return known or Gone(key)

    def distrust_end(self) -> None:
        """Take the end for half-written, after it was given time to become whole."""
        if self.open_end is not None:
            key, place = self.open_end
            self.rows.pop(key, None)
            self._bad(key, place, "it is still being written")
        self.whole = False

    def _row(self, key: Key | None, piece: int, place: str, raw: str | bytes) -> None:
        """Take in a row that was read; a key that is missing or there already makes it malformed."""
        if key is None:
            self.malformed.append(Malformed(None, place, f"it has no {self.spec.key!r}", row_digest([raw])))
            self.whole = False
        elif key in self.rows or key in self.bad_keys:
            self.rows.pop(key, None)
            if key not in self.bad_keys:
                self._bad(key, place, f"another row has the same {self.spec.key!r}")
        else:
            self.rows[key] = piece

    def _bad(self, key: Key | None, place: str, reason: str, raw: str | bytes = "") -> None:
        """`raw`: what stands there, which names a row without a key."""
        self.malformed.append(Malformed(key, place, reason, row_digest([raw]) if key is None else b""))
        if key is None:
            self.whole = False
            self.unreadable = True
        else:
            self.bad_keys.add(key)


def no_column(file: str, name: str, names: Sequence[str]) -> NotFound:
    """What is said of a mapped column that a file does not have, or has twice."""
    what = "no column" if name not in names else "more than one column"
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!a}?" if near else ""
    return NotFound(f"{file} has {what} {name!r}{hint}")
