"""Sessions: connections to one server.

The server ends by itself what takes too long: a statement after `timeout_s`, a wait for a lock after `lock_s`, and a
transaction whose next statement does not come after IDLE_S. A commit that is still under way to the server when we give
up finds its transaction gone, so that no write lands later than LATE_S after that.
"""

from __future__ import annotations

import contextlib

import asyncpg

from datasyncd.adapters.errors import AdapterError, Unreachable
from datasyncd.adapters.sql import session
from datasyncd.adapters.sql.table import Connection

from .dsn import address
from .trouble import FAILURES, code_of, is_lost, no_connection, trouble

IDLE_S = 10.0
"""The server ends a transaction that waits for us for longer."""

LATE_S = 30.0
"""Longest time after we gave up in which a write can still be applied: IDLE_S, and what a commit takes at worst."""

GRACE_S = 5.0
"""How much longer than the server we wait for the end of a statement."""

FRESH_S = 240.0
"""A connection that was not used for longer may have been dropped by something on the way."""

_SETTINGS = """
SELECT pg_is_in_recovery(), set_config(s.name, s.setting, false)
FROM unnest($1::text[], $2::text[]) AS s (name, setting)"""


class Sessions(session.Sessions):
    """Connections of one system."""

    failures = FAILURES

    def __init__(
        self, system: str, dsn: str, *, connect_s: float, timeout_s: float, lock_s: float, row_security: bool
    ) -> None:
        super().__init__(system, f"{system}: {address(dsn)}", FRESH_S)
        self.answer_s = timeout_s + GRACE_S
        """How long to wait for the answer to a statement."""
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

    async def _opened(self) -> Connection:
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=self._connect_s,
                command_timeout=self.answer_s,
                server_settings={"application_name": f"datasyncd {self._system}"},
            )
        except (*FAILURES, ValueError) as error:
            raise no_connection(error, self.place) from None

    async def _prepare(self, connection: Connection) -> None:
        rows = await connection.fetch(_SETTINGS, list(self._settings), list(self._settings.values()))
        if rows[0][0]:
            # What it shows is as old as its lag, and nobody can say which lag.
            raise Unreachable(f"{self.place}: the server is a standby; expected the primary in `dsn`")
        for wish in self._wishes.items():
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.fetchval("SELECT set_config($1, $2, false)", *wish)

    async def replication(self) -> Connection:
        """A new connection over which the server can stream changes, closed as `connect` says. It takes statements
        without values alone. Raises `Unreachable`, `Unauthorised`."""
        self._check_open()
        settings = {name: self._settings[name] for name in ("TimeZone", "DateStyle", "IntervalStyle")}
        try:
            connection = await asyncpg.connect(
                self._dsn,
                timeout=self._connect_s,
                server_settings={
                    **settings, "application_name": f"datasyncd {self._system}", "replication": "database"
                },
            )  # fmt: skip
        except (*FAILURES, ValueError) as error:
            if code_of(error) == "53300":
                raise Unreachable(
                    f"{self.place}: the server streams to no more clients; see `max_wal_senders`"
                ) from None
            raise no_connection(error, self.place) from None
        self._open.add(connection)
        if self.closed or connection.get_settings().in_hot_standby == "on":
            self.end(connection)
            self._check_open()
            raise Unreachable(f"{self.place}: the server is a standby; expected the primary in `dsn`")
        return connection

    def _trouble(self, error: Exception, place: str) -> AdapterError:
        # Where the connection is lost, it is the server that is to be looked at, and not what was asked for.
        return trouble(error, self.place if is_lost(error) else place)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
