"""Sessions: connections to one server, opened when they are needed, bounded in number and in time.

A call has a connection for itself. Whatever ends a call early, a cancel included, ends its connection, too: the server
then rolls back what was not committed, and no connection is ever used again in a state that nobody knows.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel

from datasyncd.adapters.errors import AdapterError, Transient, named

from .table import Connection

CONNECTIONS = 4
"""Most connections at a time, beside those that listen."""


class Sessions(ABC):
    """Connections of one system."""

    failures: tuple[type[Exception], ...]
    """What a call to a server may raise; anything else is a defect of ours."""

    def __init__(self, system: str, place: str, fresh_s: float) -> None:
        """`fresh_s`: a connection that was not used for longer may be gone: it is not used again."""
        self.place = place
        self.closed = False
        """Nothing is opened any more."""
        self._system = system
        self._fresh_s = fresh_s
        self._limit = anyio.Semaphore(CONNECTIONS)
        self._idle: list[tuple[float, Connection]] = []
        self._open: set[Connection] = set()

    @abstractmethod
    async def _opened(self) -> Connection:
        """A new connection. Raises `Unreachable`, `Unauthorised`."""

    @abstractmethod
    async def _prepare(self, connection: Connection) -> None:
        """What a new connection is told before it is used."""

    @abstractmethod
    def _trouble(self, error: Exception, place: str) -> AdapterError:
        """The error of the whole call that one of `failures` is."""

    @contextlib.asynccontextmanager
    async def use(self, object: str | None = None) -> AsyncIterator[Connection]:
        """A connection for one call. Raises what `_trouble` makes of the errors of the call."""
        async with self._limit:
            connection = await self._taken()
            try:
                yield connection
            except AdapterError as error:
                self.end(connection)
                raise named(error, self._system) from None
            except self.failures as error:
                self.end(connection)
                raise self._trouble(error, self.place if object is None else f"{self._system}: {object}") from None
            except BaseException:
                self.end(connection)
                raise
            if connection.is_closed() or self.closed:
                self.end(connection)
            else:
                self._idle.append((anyio.current_time(), connection))

    async def connect(self) -> Connection:
        """A new connection, which is closed with the others or by `end`. Raises `Unreachable`, `Unauthorised`."""
        self._check_open()
        connection = await self._opened()
        self._open.add(connection)
        try:
            self._check_open()
            await self._prepare(connection)
        except self.failures as error:
            self.end(connection)
            raise self._trouble(error, self.place) from None
        except BaseException:
            self.end(connection)
            raise
        return connection

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Connection]:
        """A connection of its own for somebody who listens, ended at the end."""
        connection = await self.connect()
        try:
            yield connection
        except self.failures as error:
            raise self._trouble(error, self.place) from None
        finally:
            self.end(connection)

    async def aclose(self) -> None:
        """Close all connections at once, whatever they are doing."""
        self.closed = True
        self._idle.clear()
        for connection in list(self._open):
            self.end(connection)
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()  # the loop closes sockets in its next turn

    async def _taken(self) -> Connection:
        self._check_open()
        while self._idle:
            used_at, connection = self._idle.pop()
            if not connection.is_closed() and anyio.current_time() - used_at < self._fresh_s:
                return connection
            self.end(connection)
        return await self.connect()

    def end(self, connection: Connection) -> None:
        """Close a connection at once, whatever it is doing."""
        self._open.discard(connection)
        connection.terminate()

    def _check_open(self) -> None:
        if self.closed:
            raise Transient(f"{self.place} was closed")
