"""Sessions: the file is opened for each call, and closed at its end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio

from datasyncd.adapters.errors import AdapterError, Transient
from datasyncd.adapters.sql import session

from .connection import PAUSE_S, Connection
from .file import File
from .trouble import FAILURES, trouble


class Sessions(session.Sessions):
    """Openings of one file, one at a time."""

    failures = FAILURES

    def __init__(
        self,
        system: str,
        file: File,
        turns: anyio.Semaphore,
        *,
        read_only: bool,
        memory_mb: int,
        timeout_s: float,
        lock_s: float,
    ) -> None:
        """`turns`: lets one call at a time through, shared by those of one adapter that read and that write."""
        super().__init__(system, file.place, fresh_s=0.0)
        self._file = file
        self._limit = turns
        self._read_only = read_only
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s
        self._lock_s = lock_s

    @contextlib.asynccontextmanager
    async def use(self, object: str | None = None) -> AsyncIterator[Connection]:
        """The file, open for one call."""
        async with super().use(object) as connection:
            try:
                yield connection
            finally:
                await connection.close()

    async def standing(self) -> int:
        """The epoch of the file as it is now; it is not opened as a database, and others are not disturbed."""
        self._check_open()
        async with self._limit:
            deadline = anyio.current_time() + self._lock_s
            while (descriptor := self._file.take()) is None:
                if anyio.current_time() >= deadline:
                    raise Transient(f"{self.place} is locked by another system of this daemon")
                await anyio.sleep(PAUSE_S)
            try:
                self._file.seen(self._file.look(descriptor))
            finally:
                self._file.leave(descriptor)
            return self._file.epoch

    async def aclose(self) -> None:
        """Cut short what runs, and wait until the file is closed."""
        await super().aclose()
        with anyio.CancelScope(shield=True):
            async with self._limit:
                pass

    async def _opened(self) -> Connection:
        connection = Connection(
            self._file, read_only=self._read_only, memory_mb=self._memory_mb, timeout_s=self._timeout_s
        )
        await connection.open(self._lock_s)
        return connection

    async def _prepare(self, connection: Connection) -> None:
        pass

    def _trouble(self, error: Exception, place: str) -> AdapterError:
        return trouble(error, place)
