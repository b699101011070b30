"""Sessions: connections to one server.

A session is strict whatever the server is set to: a value that does not fit is refused and never cut, an id of 0 is 0,
and times are in UTC. The server ends by itself what takes too long: a wait for a lock after `lock_s`, a connection that
stands still after IDLE_S, and a statement after `timeout_s` (MySQL: one that reads; what writes there is bounded by
the wait for locks). A commit that is still under way to the server when we give up finds its connection and transaction
gone, so that no write lands later than LATE_S after that.
"""

from __future__ import annotations

from datasyncd.adapters.errors import AdapterError, Unreachable
from datasyncd.adapters.sql import session

from .connection import Connection, connect
from .dsn import address, arguments
from .trouble import FAILURES, is_lost, no_connection, trouble

IDLE_S = 10
"""The server ends a connection that waits for us for longer, and its transaction with it."""

LATE_S = 30.0
"""Longest time after we gave up in which a write can still be applied: IDLE_S, and what a commit takes at worst."""

GRACE_S = 5.0
"""How much longer than the server we wait for the end of a statement."""

FRESH_S = IDLE_S - 3.0
"""A connection that was not used for longer is about to be ended by the server."""

MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

_ASKED = "SHOW SESSION VARIABLES WHERE Variable_name IN ('version', 'read_only', 'max_allowed_packet', 'binlog_format')"

_SET = f"""
SET NAMES utf8mb4, SESSION sql_mode = '{MODE}', time_zone = '+00:00', autocommit = 1, completion_type = 0,
    foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, sql_select_limit = DEFAULT, sql_auto_is_null = 0,
    wait_timeout = %s, innodb_lock_wait_timeout = %s, lock_wait_timeout = %s"""

_STATEMENT = {True: "SET SESSION max_statement_time = %s", False: "SET SESSION max_execution_time = %s"}
"""By whether it is MariaDB, which counts seconds and ends every statement; MySQL counts milliseconds and ends those
that read."""
_FRESH_CATALOG = "SET SESSION information_schema_stats_expiry = 0"

_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL "


class Sessions(session.Sessions):
    """Connections of one system."""

    failures = FAILURES

    def __init__(self, system: str, dsn: str, *, connect_s: float, timeout_s: float, lock_s: float) -> None:
        super().__init__(system, f"{system}: {address(dsn)}", FRESH_S)
        self._dsn = dsn
        self._connect_s = connect_s
        self._timeout_s = timeout_s
        self._lock_s = max(1, round(lock_s))

    async def _opened(self) -> Connection:
        try:
            return await connect(arguments(self._dsn), self._connect_s, self._timeout_s + GRACE_S)
        except (*FAILURES, RuntimeError) as error:
            raise no_connection(error, self.place) from None

    async def _prepare(self, connection: Connection) -> None:
        connection.variables = dict(await connection.fetch(_ASKED))
        if connection.variables.get("read_only", "OFF") not in ("OFF", "0"):
            # What it shows is as old as its lag, and nobody can say which lag.
            raise Unreachable(f"{self.place}: the server is read only, a replica as it seems; expected the primary")
        await connection.execute(_SET, IDLE_S, self._lock_s, self._lock_s)
        if connection.is_mariadb:
            await connection.execute(_STATEMENT[True], self._timeout_s)
        else:
            await connection.execute(_STATEMENT[False], round(self._timeout_s * 1000))
            await connection.execute(_FRESH_CATALOG)
        # Rows that are looked for and not found are not locked then; a server that logs statements takes no writes so.
        by_statement = connection.variables.get("binlog_format") == "STATEMENT"
        await connection.execute(_ISOLATION + ("REPEATABLE READ" if by_statement else "READ COMMITTED"))

    def _trouble(self, error: Exception, place: str) -> AdapterError:
        # Where the connection is lost, it is the server that is to be looked at, and not what was asked for.
        return trouble(error, self.place if is_lost(error) else place)
