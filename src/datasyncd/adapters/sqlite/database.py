"""The database file behind a system: opened when it is needed, again when it was replaced, patient with locks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio

from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.files.patience import to_its_end

from .connection import Connection, Outdated
from .trouble import is_lock, trouble

T = TypeVar("T")
P = ParamSpec("P")

PAUSE_S = 0.02
"""Between two tries for a lock: as long as others wait who want it, too."""


class Database:
    """One SQLite file with at most one connection to it."""

    def __init__(self, system: str, path: Path, busy_s: float) -> None:
        self.path = path
        self._system = system
        self._busy_s = busy_s
        self._connection: Connection | None = None
        self._identity: tuple[int, int] | None = None
        self.openings = 0
        """How often the file was opened: another number, another file."""
        self._opening = anyio.Lock()
        self._closed = False

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, ...)`, one transaction or reading, again and again while the file is locked.

        Raises `Transient` if it is locked for longer than `busy_s`, and else what `trouble` makes of the error.
        """
        deadline = anyio.current_time() + self._busy_s
        while True:
            try:
                connection = await self._opened()
                return await connection.run(function, *args, **kwargs)
            except sqlite3.Error as error:
                if not is_lock(error) or anyio.current_time() >= deadline:
                    raise trouble(error, self._system, self.path) from None
            except (NotFound, Unsupported) as error:
                raise type(error)(f"{self._system}: {self.path}: {error}") from None
            except Outdated:
                continue
            await anyio.sleep(PAUSE_S)

    def is_still_there(self) -> bool:
        """Whether the path still leads to the file that is open; false: it was replaced or removed."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    async def aclose(self) -> None:
        """Close the file; what runs is cut short."""
        self._closed = True
        if self._connection is not None:
            self._connection.stop_running()
        await to_its_end(self._close())

    async def _opened(self) -> Connection:
        async with self._opening:
            if self._closed:
                raise Transient(f"{self._system}: {self.path} was closed")
            if self._connection is not None and not self.is_still_there():
                await to_its_end(self._disconnect())
            if self._connection is None:
                await to_its_end(self._connect())
        assert self._connection is not None
        return self._connection

    async def _connect(self) -> None:
        """On cancel: the connection is kept, for the next call or for `aclose`."""
        self._identity = self._look()
        connection = Connection(self.path)
        await connection.open()
        self._connection = connection
        self.openings += 1

    async def _close(self) -> None:
        async with self._opening:
            await self._disconnect()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    def _look(self) -> tuple[int, int]:
        place = f"{self._system}: {self.path}"
        try:
            if self.path.stat().st_size == 0:
                raise Unreachable(f"{place} is an empty file; see whether it is still being copied")
            return _identity(self.path)
        except PermissionError:
            raise Unauthorised(f"{place}: reading is not allowed to the daemon's user") from None
        except OSError as error:
            raise Unreachable(f"{place}: {error.strerror}; see that `path` is right and the file is there") from None


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
