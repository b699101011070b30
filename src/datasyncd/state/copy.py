"""A copy of the state to try things on: without a name, readable by nobody else, and gone with the process.

The state itself is only read. While nobody works on it, not even the files that SQLite keeps beside it are touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .database import lock_file, look, migrate, refuse_empty
from .errors import opening
from .folder import refuse_unusable


def copy_of(path: Path) -> sqlite3.Connection:
    """The state as it was committed last, or an empty one where there is none and one could be made.

    Raises `StateError`. On crash, even by SIGKILL: SQLite unlinks the file of a database without a
    name when it makes it, so the system frees it with the process.
    """
    refuse_unusable(path.parent)
    db = sqlite3.connect("", isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        if path.exists():
            with reading(path) as source:
                look(source, path)
                source.backup(db)
        db.execute("PRAGMA journal_mode = MEMORY")
        db.execute("PRAGMA cache_size = -32768")
        migrate(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise opening(error, path) from error
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads one committed state of the file, whoever works on it. Raises `DamagedState`."""
    refuse_empty(path)
    with contextlib.ExitStack() as held:
        if not held.enter_context(_nobody_works_on(path)):
            # Whoever works on it has opened its write-ahead log, and reading through that leaves nothing behind.
            uri = f"{path.absolute().as_uri()}?mode=ro"
        elif (log := path.with_name(f"{path.name}-wal")).exists() and log.stat().st_size:
            # What a crash left: opening it would write it into the state.
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="datasyncd-")))
            shutil.copyfile(path, folder / path.name)
            shutil.copyfile(log, folder / log.name)
            uri = (folder / path.name).as_uri()
        else:
            uri = f"{path.absolute().as_uri()}?immutable=1"
        yield held.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))


@contextlib.contextmanager
def _nobody_works_on(path: Path) -> Iterator[bool]:
    """Keep others from starting to work on the state; False: somebody does."""
    try:
        descriptor = os.open(lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
