"""The state file: how it is locked, opened, brought up to date and kept whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from .errors import RESTORE, DamagedState, StateLocked, StateNewer, StateUnavailable, opening
from .folder import refuse_unusable
from .place import held

CHECKPOINT_PAGES = 8_000
"""Pages of 4 kB in the write-ahead log before they are moved into the file: a page that many batches change is moved
once, and the log stays at about 32 MB."""
LOOKED_AT_WHOLE = 64 << 20
"""Bytes of a state up to which every page of it is looked at when it is opened."""
TABLES = frozenset({"meta", "field", "cluster", "match_key", "binding", "attempt", "outbox", "cursor", "journal"})
"""A database that lacks one of these is somebody else's."""
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
"""What the system says of a disk that is full or read-only, and of missing rights."""


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the state for this process alone. Raises `StateLocked`, `StateMisplaced`, `StateUnavailable`.

    On crash: the lock is the operating system's and goes with the process.
    """
    with _named(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno != errno.EROFS:
                refuse_unusable(path.parent)
            raise
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateLocked(
                f"{path}: another datasyncd works on this state; ask it over its control socket, or stop it"
            ) from error
        with held(path):
            yield
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> Path:
    """The file whose lock stands for the state's."""
    return path.with_name(path.name + ".lock")


def connect(path: Path) -> sqlite3.Connection:
    """Open the state file for its one writer, created and migrated as needed.

    Raises `StateNewer`, `DamagedState`, `StateUnavailable`.
    """
    with _named(path):
        if not path.exists():
            create(path)
        refuse_empty(path)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            look(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA cache_size = -8192")
            db.execute("PRAGMA temp_store = MEMORY")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the system or SQLite says, as one of the errors of a state."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PASSING:
            raise
        raise StateUnavailable(f"{path}: {error.strerror}; see its folder, and the disk that it is on") from error
    except sqlite3.DatabaseError as error:
        raise opening(error, path) from error


def create(path: Path) -> None:
    """Make an empty state, which gets its name only when it is whole.

    On crash: there is none, and what was made of it is made anew.
    """
    new = path.with_name(f"{path.name}.creating")
    # A log without its state is nobody's, and would be taken for the log of the new one.
    for left in (new, Path(f"{new}-journal"), Path(f"{path}-wal"), Path(f"{path}-shm")):
        left.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
        migrate(db, new)
    os.replace(new, path)
    sync(path.parent)


def refuse_empty(path: Path) -> None:
    """SQLite would take it for a new database, and everybody in the systems for somebody never seen.

    Raises `DamagedState`.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DamagedState(f"{path}: the file is empty; {RESTORE}")


def look(db: sqlite3.Connection, path: Path) -> None:
    """See that it is a state of ours and, up to LOOKED_AT_WHOLE, that no page of it is broken. Nothing is changed.

    Raises `DamagedState`, `StateNewer`.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not names >= TABLES or version < 1:
        raise DamagedState(f"{path}: not a state of datasyncd, but another program's database; {RESTORE}")
    refuse_newer(version, path)
    if path.stat().st_size <= LOOKED_AT_WHOLE:
        check_pages(db, path)
    known = {row[0] for row in db.execute("SELECT name FROM meta")}
    if not {"sequence", "clock", "secret"} <= known:
        raise DamagedState(f"{path}: not a whole state of datasyncd; {RESTORE}")


def check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Look at every page. Raises `DamagedState`."""
    found = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if found != "ok":
        raise DamagedState(f"{path}: damaged: {' '.join(found.split())}; {RESTORE}")


def refuse_newer(version: int, path: Path | str) -> None:
    """Raises `StateNewer`."""
    if version > newest_schema():
        raise StateNewer(
            f"{path}: written by a newer version (schema {version}; this version knows {newest_schema()}); "
            "install that version"
        )


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def migrate(db: sqlite3.Connection, path: Path | str = ":memory:") -> None:
    """Bring the schema up to date, all in one transaction. Raises `StateNewer`."""
    scripts = _scripts()
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    refuse_newer(version, path)
    scripts, newest = _scripts(), newest_schema()
    if version == newest:
        return
    steps = [scripts[number] for number in sorted(scripts) if number > version]
    if version == 0:
        secret = secrets.token_hex(32)
        steps.append(f"INSERT INTO meta VALUES ('sequence', 0), ('clock', 0), ('secret', x'{secret}');")
    try:
        db.executescript("\n".join(["BEGIN;", *steps, f"PRAGMA user_version = {newest};", "COMMIT;"]))
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


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
