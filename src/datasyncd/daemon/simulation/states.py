"""States: where a history keeps the daemon's memory, and what of it outlives the death of a process.

Most histories run on one connection in memory, which is emptied between them: making the schema would take longer than
the history. There a process that dies loses what it had not committed. Some run on a real file: there the next process
gets the files as they were when the one before it died, and nothing else.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Protocol

from datasyncd.state.database import connect, migrate

SECRET = b"s" * 32
_idle: list[sqlite3.Connection] = []
"""Connections whose history is over."""


class State(Protocol):
    """The database of one history."""

    db: sqlite3.Connection

    def die(self) -> None:
        """The process dies: what was not committed is gone, and `db` is what the next one opens."""
        ...

    def close(self) -> None:
        """The history is over."""
        ...


class InMemory:
    """A database in memory."""

    def __init__(self) -> None:
        self.db = _idle.pop() if _idle else _new()
        _empty(self.db)

    def die(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def close(self) -> None:
        self.die()
        _idle.append(self.db)


class OnDisk:
    """A real state file, opened as the daemon opens it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="datasyncd-simulate-")
        self._file = Path(self._folder.name) / "0" / "state.db"
        self._file.parent.mkdir()
        self.db = connect(self._file)
        _seal(self.db)

    def die(self) -> None:
        """What the next process finds are copies: closing the old connection would tidy up after it."""
        folder = Path(self._folder.name) / str(int(self._file.parent.name) + 1)
        folder.mkdir()
        for left in self._file.parent.glob(self._file.name + "*"):
            if not left.name.endswith("-shm"):
                shutil.copy(left, folder / left.name)
        self.db.close()
        self._file = folder / self._file.name
        self.db = connect(self._file)

    def close(self) -> None:
        self.db.close()
        self._folder.cleanup()


def _new() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
    migrate(db)
    return db


def _empty(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    for table in _tables(db):
        db.execute("DELETE FROM " + table)
    db.execute("UPDATE meta SET value = 0 WHERE name IN ('sequence', 'clock')")
    db.execute("DELETE FROM meta WHERE name NOT IN ('sequence', 'clock', 'secret')")
    _seal(db)
    db.execute("COMMIT")


def _tables(db: sqlite3.Connection) -> list[str]:
    """All but `meta`: they are the same in every database."""
    if not _names:
        rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'meta'")
        _names.extend(row[0] for row in rows)
    return _names


_names: list[str] = []


def _seal(db: sqlite3.Connection) -> None:
    """The same secret in every history: digests are part of what a seed gives."""
    db.execute("UPDATE meta SET value = ? WHERE name = 'secret'", (SECRET,))
