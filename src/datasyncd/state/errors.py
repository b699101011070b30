"""Why a state cannot be worked on: each text names the file, the cause and the next step.

StateError
|-- StateLocked        another process works on it: later, or through that process
|-- StateUnavailable   the disk is full or read-only, or a right is missing; the state is as it was
|-- StateMisplaced     its folder cannot be made: the config names another one, or something is in its place
|-- StateGone          it was removed or replaced beneath the process that works on it, which ends
|-- LockGone           so was its lock file alone: the state is whole
|-- StateNewer         a newer version wrote it: nothing is touched
`-- DamagedState       it is no state, or damaged: only a person can help, with a backup
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

RESTORE = "restore a backup: datasyncd restore FILE"

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_PASSING = {
    sqlite3.SQLITE_FULL: "its disk is full; make room there",
    sqlite3.SQLITE_IOERR: "reading or writing its disk failed; see whether that is full or broken",
    sqlite3.SQLITE_READONLY: "it cannot be written; see the rights of file and folder, and how the disk is mounted",
    sqlite3.SQLITE_PERM: "it may not be used; see the rights of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that it is a file, and the rights of file and folder",
    sqlite3.SQLITE_BUSY: "another program has locked it; stop that program",
    sqlite3.SQLITE_LOCKED: "another program has locked it; stop that program",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


class StateError(Exception):
    """The state cannot be worked on."""

    passes = False
    """Whether it may be well again by itself, or by what somebody does around it."""


class StateLocked(StateError):
    """Another process works on this state."""

    passes = True


class StateUnavailable(StateError):
    """The state cannot be read or written now. What was committed is there, and nothing else was changed."""

    passes = True


class StateMisplaced(StateError):
    """The folder that the config names cannot be one."""


class StateGone(StateError):
    """The file that this process works on is no longer at its place: nothing more is written to any system."""


class LockGone(StateError):
    """The lock that this process holds is no longer that of the state: nothing more is written to any system."""


class StateNewer(StateError):
    """The state was written by a newer version; it is not touched."""


class DamagedState(StateError):
    """The file is damaged, or no state of datasyncd."""


def of_sqlite(error: sqlite3.Error, path: Path | str) -> StateError | None:
    """What an error of SQLite means for the state; None: a defect of ours."""
    code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
    if code in _DAMAGED:
        return _damaged(error, path)
    if code in _PASSING:
        return StateUnavailable(f"{path}: {_PASSING[code]}")
    return None


def opening(error: sqlite3.Error, path: Path | str) -> StateError:
    """What an error of SQLite means while a file is looked at that may be anything."""
    return of_sqlite(error, path) or _damaged(error, path)


def _damaged(error: sqlite3.Error, path: Path | str) -> DamagedState:
    # SQLite quotes what it cannot read.
    said = "".join(character if character.isprintable() else "?" for character in str(error))
    return DamagedState(f"{path}: not a state file, or damaged: {said}; {RESTORE}")
