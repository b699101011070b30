"""Trouble: what an error of SQLite means for whoever called.

Texts of SQLite that may quote a value are never passed on.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full; make room there",
    sqlite3.SQLITE_IOERR: "reading or writing the disk failed; see whether it is full or broken",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_INTERRUPT: "the call was cut short",
    sqlite3.SQLITE_PROTOCOL: "the lock protocol failed",
}
_NOT_THERE = {
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that the file and its folder exist and may be read",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database; see whether it is still being copied, or encrypted",
    sqlite3.SQLITE_CORRUPT: "it is damaged; look at it with `PRAGMA integrity_check` and restore a backup",
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where Python raised the error by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_lock(error: sqlite3.Error) -> bool:
    """Somebody else has the file or the table locked; the call had no effect and can be repeated."""
    return primary_code(error) in _LOCKED


def is_full(error: sqlite3.Error) -> bool:
    """There was no room for what was to be written: the transaction is not committed, and is rolled back."""
    return primary_code(error) == sqlite3.SQLITE_FULL


def trouble(error: sqlite3.Error, system: str, path: Path) -> AdapterError:
    """The error of the whole call that this error of SQLite is."""
    code = primary_code(error)
    place = f"{system}: {path}"
    if code in _LOCKED:
        return Transient(f"{place} is locked by somebody else")
    if code in _FORBIDDEN:
        return Unauthorised(
            f"{place}: writing is not allowed; give the daemon's user the right to write it and its folder"
        )
    if code in _NOT_THERE:
        return Unreachable(f"{place}: {_NOT_THERE[code]}")
    if code in _PASSING:
        return Transient(f"{place}: {_PASSING[code]}")
    if code == sqlite3.SQLITE_ERROR:
        return NotFound(f"{place}: {error}")
    return Transient(f"{place}: SQLite says {getattr(error, 'sqlite_errorname', type(error).__name__)}")
