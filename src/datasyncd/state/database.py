"""The state file: how it is locked, opened, brought up to date and kept whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from .codec import DamagedState

CHECKPOINT_PAGES = 8_000
"""Pages of 4 kB in the write-ahead log before they are moved into the file: a page that many batches change is moved
once, and the log stays at about 32 MB."""


class StateLocked(Exception):
    """Another process works on this state."""


class StateNewer(Exception):
    """The state was written by a newer version; it is not touched."""


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the state for this process alone. Raises `StateLocked`.

    On crash: the lock is the operating system's and goes with the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateLocked(
                f"{path}: another datasyncd works on this state; ask it over its control socket, or stop it"
            ) from error
        yield
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> Path:
    """The file whose lock stands for the state's."""
    return path.with_name(path.name + ".lock")


def connect(path: Path) -> sqlite3.Connection:
    """Open the state file for its one writer, created and migrated as needed.

    Raises `StateNewer`, `DamagedState`.
    """
    created = not path.exists()
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    if created:
        path.chmod(0o600)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -32768")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        migrate(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise DamagedState(f"{path}: not a state file, or damaged: {error}; restore a backup") from error
    except BaseException:
        db.close()
        raise
    return db


def migrate(db: sqlite3.Connection, path: Path | str = ":memory:") -> None:
    """Bring the schema up to date, all in one transaction. Raises `StateNewer`."""
    scripts = _scripts()
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    newest = max(scripts)
    if version > newest:
        raise StateNewer(
            f"{path}: written by a newer version (schema {version}; this version knows {newest}); install that version"
        )
    if version == newest:
        return
    steps = "\n".join(scripts[number] for number in sorted(scripts) if number > version)
    try:
        db.executescript("\n".join(["BEGIN;", steps, f"PRAGMA user_version = {newest};", "COMMIT;"]))
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    if version == 0:
        db.execute("INSERT INTO meta VALUES ('sequence', 0), ('clock', 0), ('secret', ?)", (secrets.token_bytes(32),))


def newest_schema() -> int:
    """The schema that this version brings a state to."""
    return max(_scripts())


def _scripts() -> dict[int, str]:
    folder = resources.files(__package__) / "schema"
    return {
        int(entry.name.split("_")[0]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
