"""Backup: a copy of the state in one file, consistent and whole, and how such a file takes the state's place."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .codec import see_whole
from .copy import reading
from .database import LOOKED_AT_WHOLE, check_pages, look, sync
from .errors import opening

_DOCUMENTS = (
    "SELECT keys FROM cluster",
    "SELECT body FROM cluster",
    "SELECT body FROM binding",
    "SELECT body FROM attempt",
)
"""What is read before anything is decided."""

LEFT_BEHIND_S = 3_600.0
"""An unfinished copy of that age was left by somebody who was killed."""


class Contents(msgspec.Struct, frozen=True):
    """What a state is like, as a whole."""

    at: int
    """Microseconds since 1970: the last commit."""
    sequence: int
    schema: int
    clusters: int
    bytes: int


def copy(source: Path, target: Path) -> None:
    """Copy a state to a new file, which only its owner may read.

    The copy is what was committed when it began. The connection reads and nothing else: its writer goes on
    meanwhile, and stays the only one that checkpoints.

    Raises `OSError`, `FileExistsError` if the target is there; `StateError`.
    On crash: the target is left unfinished.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        made = sqlite3.connect(target, isolation_level=None)
        with contextlib.closing(made), _reading(source) as reader:
            reader.backup(made)
            as_one_file(made)
        sync(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def clear(folder: Path, name: str) -> None:
    """Remove unfinished copies that were left behind: files of this name, something random, and perhaps a suffix."""
    for left in folder.glob(f"{glob.escape(name)}{'[0-9a-f]' * 16}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            if time.time() - left.stat().st_mtime > LEFT_BEHIND_S:
                left.unlink()


def inspect(path: Path) -> Contents:
    """What a state holds, after a look at every page and document of it. Raises `OSError`, `StateError`."""
    size = path.stat().st_size
    with _reading(path) as db:
        look(db, path)
        if size > LOOKED_AT_WHOLE:
            check_pages(db, path)
        for query in _DOCUMENTS:
            for row in db.execute(query):
                see_whole(row[0], path)
        schema = int(db.execute("PRAGMA user_version").fetchone()[0])
        meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
        clusters = int(db.execute("SELECT count(*) FROM cluster").fetchone()[0])
        return Contents(int(meta["clock"]), int(meta["sequence"]), schema, clusters, size)


def advance(db: sqlite3.Connection, clock: int, sequence: int) -> None:
    """Move clock and sequence of a state forward, never back."""
    for name, value in (("clock", clock), ("sequence", sequence)):
        db.execute("UPDATE meta SET value = max(value, ?) WHERE name = ?", (value, name))


def take_place(new: Path, state: Path, kept: Path) -> bool:
    """Put a state in the place of another, which is kept under its new name. Under the state's lock.

    False: there was none. Raises `StateUnavailable` if the state's log cannot be folded into it now.
    On crash: the state is the old or the new one, whole.
    """
    was_there = state.exists()
    if was_there:
        try:
            with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as db:
                as_one_file(db)
        except sqlite3.Error as error:
            known = opening(error, state)
            if known.passes:
                raise known from error
    for suffix in ("-wal", "-shm"):
        # Of a damaged state: beside the new one, it would be taken for the log of that.
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{state}{suffix}", f"{kept}{suffix}")
    if was_there:
        try:
            os.link(state, kept)
        except OSError:  # a file system without links
            shutil.copyfile(state, kept)
            kept.chmod(0o600)
            sync(kept)
    os.replace(new, state)
    sync(state.parent)
    return was_there


def as_one_file(db: sqlite3.Connection) -> None:
    """Fold the write-ahead log into its database, so that one file is all of it."""
    db.execute("PRAGMA journal_mode = DELETE")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads. Raises `StateError`."""
    try:
        with reading(path) as db:
            yield db
    except sqlite3.DatabaseError as error:
        raise opening(error, path) from error
