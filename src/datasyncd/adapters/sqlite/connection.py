"""A connection to an SQLite file, which runs whole functions in its own thread.

One hop to the thread a page or a batch: a hop for each statement would cost more than the statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import quote

import aiosqlite

from datasyncd.adapters.files.patience import to_its_end

T = TypeVar("T")
P = ParamSpec("P")

NAP_S = 0.2
"""How long one statement waits for a lock; longer waits are made of repetitions, so that a close never hangs."""


class Outdated(Exception):
    """The connection was closed, or its file replaced, before the function had an effect: repeat it with a new one."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that also takes functions."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: _connect(path), iter_chunk_size=64)
        self._leaving = False
        # A process that dies without `aclose` must exit: what was not committed is rolled back by the next reader.
        self._thread.daemon = True

    async def open(self) -> None:
        """Open the file; if that fails, nothing is left running."""
        try:
            await self
        except BaseException:
            self._thread.join()  # it has been told to stop, and has nothing else to do
            raise

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, ...)` in the connection's thread.

        On cancel: what runs is interrupted, and its end is awaited, so that nothing is committed after we left.
        """
        return await to_its_end(self._hop(function, *args, **kwargs), hurry=self.stop_running)

    def stop_running(self) -> None:
        """Make the statement that runs, if one does, fail at once."""
        if self._connection is not None:
            self._connection.interrupt()

    async def close(self) -> None:
        """Let what waits in the thread's queue run, then close."""
        self._leaving = True
        await super().close()

    async def _hop(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._leaving:
            raise Outdated
        # `_execute` is what aiosqlite's own methods go by; the lock file pins the version.
        return cast("T", await self._execute(function, self._conn, *args, **kwargs))  # type: ignore[no-untyped-call]


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing file, never make one. Transactions are begun by us alone."""
    address = "".join(("file:", quote(str(path)), "?mode=rw"))
    connection = sqlite3.connect(address, uri=True, timeout=NAP_S, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
