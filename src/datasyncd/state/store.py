"""Store: the state behind a small protocol, so that another database can stand in for SQLite.

Work goes in steps. A step is one function over a transaction: it loads a batch, runs the pure core over it
and writes the batch back. Nothing between two steps is remembered unless a step wrote it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import aiosqlite
import anyio

from datasyncd.reconcile.fingerprint import Fingerprinter

from .copy import copy_of
from .database import connect, lock, lock_file
from .errors import DamagedState, StateUnavailable, of_sqlite
from .parameters import register
from .place import Place
from .shelf import Shelf
from .transaction import Tables, Tx

T = TypeVar("T")

SEQUENCE = "sequence"
CLOCK = "clock"
SECRET = "secret"
_SET = "UPDATE meta SET value = ? WHERE name = ?"


class Store(Protocol):
    """What the daemon asks of its memory."""

    @property
    def sequence(self) -> int:
        """The last number of the global sequence that is committed."""
        ...

    @property
    def fingerprints(self) -> Fingerprinter: ...

    @property
    def trouble(self) -> str:
        """Why the last step that was to write could not; "": it could."""
        ...

    def announce(self, command: str, config_digest: bytes) -> None:
        """Say who works from now on: every change names its run."""
        ...

    async def transact(self, step: Callable[[Tx], T]) -> T:
        """Run a step in one transaction. On crash, error or cancel: all of it or nothing. Raises `StateError`.

        Who sends what a step has noted knows that the state was at its place when it was noted.
        """
        ...

    async def confirm(self) -> None:
        """See that the state is still at its place. Raises `StateGone`, `LockGone`."""
        ...

    async def aclose(self) -> None: ...


class Journaled:
    """Runs steps over one SQLite connection, and keeps the sequence and the clock with what they stamp."""

    def __init__(self, db: sqlite3.Connection, now: Callable[[], int]) -> None:
        register()
        self._db = db
        self._now = now
        self.sequence = self._number(SEQUENCE)
        self.clock = self._number(CLOCK)
        self.run = 0
        self.trouble = ""
        self._announced: tuple[str, bytes] | None = None
        self._shelf = Shelf()
        self._tables = Tables(db, self._shelf)
        secret = db.execute("SELECT value FROM meta WHERE name = ?", (SECRET,)).fetchone()
        self.fingerprints = Fingerprinter(bytes(secret[0]))

    def _number(self, name: str) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def run_step(self, step: Callable[[Tx], T]) -> T:
        """One transaction, in the calling thread."""
        db = self._db
        begin = self.sequence
        if self._announced is not None:
            begin = self.run = begin + 1  # the number of the run, taken only if this step writes anything
        tx = Tx(self._tables, begin, self._now(), self.run)
        before = db.total_changes
        db.execute("BEGIN")
        try:
            result = step(tx)
            if tx.sequence != begin:
                if self._announced is not None:
                    db.execute("INSERT INTO run VALUES (?, ?, ?, ?)", (self.run, tx.at, *self._announced))
                db.executemany(_SET, ((tx.sequence, SEQUENCE), (tx.at, CLOCK)))
            db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            self._shelf.clear()
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
                self._shrink()
            raise
        if tx.sequence != begin:
            self.sequence = tx.sequence
            self._announced = None
        if db.total_changes != before:
            self.trouble = ""
        return result

    def _shrink(self) -> None:
        """Give the disk back what the write-ahead log takes of it, which may be what fills it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def announce(self, command: str, config_digest: bytes) -> None:
        """Who works from now on. It is noted with the first thing that is written, which names it."""
        self._announced = (command, config_digest)


class _Writer(aiosqlite.Connection):
    """A connection that runs whole functions in its thread: one hop a step, however many statements."""

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result


class SqliteStore:
    """The state in one SQLite file, with one writer."""

    def __init__(
        self, path: Path, writer: _Writer, steps: Journaled, held: contextlib.ExitStack, place: Place | None
    ) -> None:
        self.path = path
        self._place = place
        self._writer = writer
        self._steps = steps
        self._held = held

    @classmethod
    async def open(cls, path: Path, now: Callable[[], int]) -> SqliteStore:
        """Open or create the state. Raises `StateError`."""
        held = contextlib.ExitStack()
        held.enter_context(lock(path))
        return await cls._open(path, lambda: connect(path), now, held, lambda: Place(path, lock_file(path)))

    @classmethod
    async def open_copy(cls, path: Path, now: Callable[[], int]) -> SqliteStore:
        """A copy that goes when it is closed; the state is only read, and need not exist.

        Raises `StateError`.
        """
        return await cls._open(path, lambda: copy_of(path), now, contextlib.ExitStack())

    @classmethod
    async def _open(
        cls,
        path: Path,
        connector: Callable[[], sqlite3.Connection],
        now: Callable[[], int],
        held: contextlib.ExitStack,
        placed: Callable[[], Place | None] = lambda: None,
    ) -> SqliteStore:
        def opened() -> tuple[sqlite3.Connection, Journaled, Place | None]:
            db = connector()
            try:
                return db, Journaled(db, now), placed()
            except BaseException:
                db.close()
                raise

        try:
            # Opened elsewhere: what fails here would leave the writer's thread to a loop that may be closed.
            with _named(path):
                db, steps, place = await anyio.to_thread.run_sync(opened)
            writer = _Writer(lambda: db, iter_chunk_size=64)
            await writer
        except BaseException:
            held.close()
            raise
        return cls(path, writer, steps, held, place)

    @property
    def sequence(self) -> int:
        return self._steps.sequence

    @property
    def clock(self) -> int:
        """The time of the last commit, microseconds: the clock never goes back behind it."""
        return self._steps.clock

    @property
    def fingerprints(self) -> Fingerprinter:
        return self._steps.fingerprints

    @property
    def trouble(self) -> str:
        return self._steps.trouble

    def announce(self, command: str, config_digest: bytes) -> None:
        self._steps.announce(command, config_digest)

    async def transact(self, step: Callable[[Tx], T]) -> T:
        try:
            with _named(self.path):
                return await self._writer.run(lambda _db: self._run(step))
        except StateUnavailable as error:
            self._steps.trouble = str(error)
            raise

    def _run(self, step: Callable[[Tx], T]) -> T:
        try:
            return self._steps.run_step(step)
        finally:
            # Also where the step failed: without its name SQLite calls a file read-only.
            self._confirm()

    def _confirm(self) -> None:
        if self._place is not None:
            self._place.confirm()

    async def confirm(self) -> None:
        await self._writer.run(lambda _db: self._confirm())

    async def aclose(self) -> None:
        await self._writer.close()
        self._held.close()


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Trouble with the file of a state says which file, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        known = of_sqlite(error, path)
        if known is None:
            raise
        raise known from error
    except DamagedState as error:
        raise DamagedState(str(error).replace("the state", str(path), 1)) from None


class InlineStore:
    """The same state without a thread, for the simulation: a step runs where it is called."""

    def __init__(self, db: sqlite3.Connection, now: Callable[[], int]) -> None:
        self._steps = Journaled(db, now)

    @property
    def sequence(self) -> int:
        return self._steps.sequence

    @property
    def fingerprints(self) -> Fingerprinter:
        return self._steps.fingerprints

    @property
    def trouble(self) -> str:
        return self._steps.trouble

    def announce(self, command: str, config_digest: bytes) -> None:
        self._steps.announce(command, config_digest)

    async def transact(self, step: Callable[[Tx], T]) -> T:
        return self._steps.run_step(step)

    async def confirm(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


__all__ = ["InlineStore", "SqliteStore", "Store"]
