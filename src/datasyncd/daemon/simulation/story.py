"""Story: one history told line by line, in virtual time: people, crashes, and what the daemon's journal says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from datasyncd.state.records import JournalRow, Records
from datasyncd.state.shelf import Shelf

from .scheduler import SECOND


class Line(msgspec.Struct, frozen=True):
    """One thing that happened."""

    at_s: float
    """Virtual seconds since the beginning."""
    who: str
    """`people`, `crash`, the system that was read or written, or what the daemon did it for: `pull`, `read`, `push`."""
    what: str

    def __str__(self) -> str:
        return f"{self.at_s:11.6f}  {self.who:<8}{self.what}"


class Story:
    """Tells what happens as it happens; the journal's lines come with the commit that wrote them."""

    def __init__(self, tell: Callable[[Line], None], names: Mapping[int, str]) -> None:
        self._tell = tell
        self._names = names
        self._told = 0
        """Id of the last line of the journal that was told."""

    def tells(self, at: int, who: str, what: str) -> None:
        self._tell(Line(at / SECOND, who, what))

    def commits(self, db: sqlite3.Connection, at: int) -> None:
        """Tell what a transaction has added to the journal."""
        rows = db.execute("SELECT id, cluster_id FROM journal WHERE id > ? ORDER BY id", (self._told,)).fetchall()
        if not rows:
            return
        new = {row[0] for row in rows}
        self._told = max(new)
        journal = [line for id in dict.fromkeys(row[1] for row in rows) for line in Records(db, Shelf()).journal(id)]
        for line in sorted((line for line in journal if line.id in new), key=lambda line: line.id):
            self.tells(at, line.cause, self._sentence(line))

    def _sentence(self, line: JournalRow) -> str:
        place = f" {line.system}" if line.system else ""
        fields = ", ".join(self._field(line.kind, row) for row in line.fields)
        return f"{line.kind}{place}: cluster {line.cluster_id}{', ' if fields else ''}{fields}"

    def _field(self, kind: str, row: list[Any]) -> str:
        name = self._names.get(row[0], str(row[0])) if row else ""
        return f"{name} = {row[3]!r}" if kind in _WITH_VALUES and len(row) > 3 else name


_WITH_VALUES = frozenset({"found", "edit", "overruled", "choice"})
