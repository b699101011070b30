"""Sessions: connections to one server, opened when they are needed, bounded in number and in time.

A call has a connection for itself. Whatever ends a call early, a cancel included, ends its connection, too: the server
then rolls back what was not committed, and no connection is ever used again in a state that nobody knows.

The server ends by itself what takes too long: a statement after `timeout_s`, a wait for a lock after `lock_s`, and a
transaction whose next statement does not come after IDLE_S. A commit that is still under way to the server when we give
up finds its transaction gone, so that no write lands later than LATE_S after that.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import asyncpg

from datasyncd.adapters.errors import AdapterError, Transient, Unreachable

from .dsn import address
from .table import Connection
from .trouble import FAILURES, no_connection, trouble

IDLE_S = 10.0
"""The server ends a transaction that waits for us for longer."""

LATE_S = 30.0
"""Longest time after we gave up in which a write can still be applied: IDLE_S, and what a commit takes at worst."""

GRACE_S = 5.0
"""How much longer than the server we wait for the end of a statement."""

CONNECTIONS = 4
"""Most connections at a time, beside those that listen."""

FRESH_S = 240.0
"""A connection that was not used for longer may have been dropped by something on the way: it is not used again."""

_SETTINGS = """
SELECT pg_is_in_recovery(), set_config(s.name, s.setting, false)
FROM unnest($1::text[], $2::text[]) AS s (name, setting)"""


class Sessions:
    """Connections of one system."""

    def __init__(
        self, system: str, dsn: str, *, connect_s: float, timeout_s: float, lock_s: float, row_security: bool
    ) -> None:
        self.place = f"{system}: {address(dsn)}"
        self.answer_s = timeout_s + GRACE_S
        """How long to wait for the answer to a statement."""
        self._system = system
        self._dsn = dsn
        self._connect_s = connect_s
        self._settings = {
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "IntervalStyle": "postgres",
            "statement_timeout": _milliseconds(timeout_s),
            "lock_timeout": _milliseconds(lock_s),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_S),
            # A plan that was made for a small table would be kept while the table grows.
            "plan_cache_mode": "force_custom_plan",
            # Off: rows that a policy hides are an error, and never taken for deleted ones.
            "row_security": "on" if row_security else "off",
        }
        self._wishes = {
            # A connection that listens is idle for long.
            "idle_session_timeout": "0",
            # A statement whose client is gone ends soon, and frees its locks.
            "client_connection_check_interval": _milliseconds(GRACE_S),
        }
        """Settings that not every server knows, or allows on its system."""
        self._limit = anyio.Semaphore(CONNECTIONS)
        self._idle: list[tuple[float, Connection]] = []
        self._open: set[Connection] = set()
        self.closed = False
        """Nothing is opened any more."""

    @contextlib.asynccontextmanager
    async def use(self, object: str | None = None) -> AsyncIterator[Connection]:
        """A connection for one call. Raises what `trouble` makes of the errors of the call."""
        async with self._limit:
            connection = await self._taken()
            try:
                yield connection
            except AdapterError as error:
                self.end(connection)
                raise type(error)(f"{self._system}: {error}") from None
            except FAILURES as error:
                self.end(connection)
                raise trouble(error, self.place if object is None else f"{self._system}: {object}") from None
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
        try:
            connection = await asyncpg.connect(
                self._dsn,
                timeout=self._connect_s,
                command_timeout=self.answer_s,
                server_settings={"application_name": f"datasyncd {self._system}"},
            )
        except (*FAILURES, ValueError) as error:
            raise no_connection(error, self.place) from None
        self._open.add(connection)
        try:
            self._check_open()
            rows = await connection.fetch(_SETTINGS, list(self._settings), list(self._settings.values()))
            if rows[0][0]:
                # What it shows is as old as its lag, and nobody can say which lag.
                raise Unreachable(f"{self.place}: the server is a standby; expected the primary in `dsn`")
            for wish in self._wishes.items():
                with contextlib.suppress(asyncpg.PostgresError):
                    await connection.fetchval("SELECT set_config($1, $2, false)", *wish)
        except FAILURES as error:
            self.end(connection)
            raise trouble(error, self.place) from None
        except BaseException:
            self.end(connection)
            raise
        return connection

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
            if not connection.is_closed() and anyio.current_time() - used_at < FRESH_S:
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


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
