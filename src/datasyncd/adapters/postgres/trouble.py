"""Trouble: what an error of the database means for whoever called.

Texts of PostgreSQL may quote values, so that they are never passed on but where only names can be in them.
"""

from __future__ import annotations

import ssl

import asyncpg
from asyncpg.exceptions import (
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    InvalidCachedStatementError,
)

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable, Unsupported

_PASSING = {
    "53100": "the disk of the server is full; nothing was written, and it is tried again",
    "53200": "the server has no memory left",
    "53300": "the server takes no more connections; see `max_connections` there",
    "55P03": "rows or the table are locked by somebody else for longer than `lock_s`",
    "57014": "the server cancelled the statement: it took longer than `timeout_s`, or somebody cancelled it",
    "40001": "the server asks for another try, since others changed the same rows",
    "40P01": "others held locks in another order; it is tried again",
    "25P03": "the server ended a transaction that stood still for too long",
    "25006": "the server takes no writes now; see whether it is a standby, or its disk is being kept from filling up",
}
_NAMES = {"42P01", "42703", "3F000", "42704"}
"""Codes of errors whose message holds nothing but a name."""

_NO_SETTING = {
    "42704": "the server does not know",
    "22023": "cannot have this value there",
    "55P02": "cannot be changed by a connection",
}
"""Codes with which a server refuses what a connection asks for as it begins."""

_GONE = {"57P01", "57P02", "57P03", "57P05"}
"""Codes of a server that shuts down, crashed, or is not up yet."""

_CALL = {"08", "0A", "0B", "25", "28", "2D", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "HV", "XX"}
"""Classes of codes that are about the call and not about one row."""

LOST = (OSError, TimeoutError, InterfaceError, InternalClientError)
"""What Python and asyncpg raise when a connection fails."""

FAILURES = (asyncpg.PostgresError, UnicodeDecodeError, *LOST)
"""What a call to a server may raise; anything else is a defect of ours."""


def is_lost(error: BaseException) -> bool:
    """The connection or the server went away: whether what was sent last had an effect is not known by this."""
    if isinstance(error, asyncpg.PostgresError):
        code = code_of(error)
        return code in _GONE or code.startswith("08")
    return isinstance(error, LOST)


def is_refusal(error: BaseException) -> bool:
    """Whether an error is about the values of single writes; else the whole call failed."""
    if isinstance(error, InterfaceError) and isinstance(error, ValueError):
        return True  # asyncpg itself has no form for a value
    if not isinstance(error, asyncpg.PostgresError):
        return False
    if code_of(error) == "42501":  # a policy that does not let a row in has the code of a missing right
        return getattr(error, "server_source_function", None) == "ExecWithCheckOptions"
    return code_of(error)[:2] not in _CALL


def code_of(error: BaseException) -> str:
    """The SQLSTATE of an error, "" where it is not the server's."""
    return str(getattr(error, "sqlstate", None) or "")


def trouble(error: Exception, place: str) -> AdapterError:
    """The error of the whole call that this error is; `place` names the system, and the object if there is one."""
    code = code_of(error)
    if isinstance(error, asyncpg.PostgresError):
        return _told_by_the_server(error, code, place)
    if isinstance(error, UnicodeDecodeError):
        return Unsupported(f"{place}: there is text that is not UTF-8; the database needs another encoding")
    if isinstance(error, TimeoutError):
        return Transient(f"{place}: the server did not answer in time")
    return Transient(f"{place}: the connection was lost ({type(error).__name__})")


def _told_by_the_server(error: asyncpg.PostgresError, code: str, place: str) -> AdapterError:
    if code in _GONE or code.startswith("08"):
        return Transient(f"{place}: the server ended the connection (SQLSTATE {code})")
    if code in _PASSING:
        return Transient(f"{place}: {_PASSING[code]}")
    if code == "42501":
        return Unauthorised(f"{place}: {error.args[0]}")
    if isinstance(error, InvalidCachedStatementError):
        return NotFound(f"{place}: the table was changed; it is looked at anew")
    if code in _NAMES:
        return NotFound(f"{place}: {error.args[0]}; run `datasyncd check`")
    if code[:2] == "42":
        return NotFound(f"{place}: the table no longer fits the map (SQLSTATE {code}); run `datasyncd check`")
    return Transient(f"{place}: PostgreSQL says {type(error).__name__} (SQLSTATE {code})")


def no_connection(error: Exception, place: str) -> AdapterError:
    """Why there is no connection."""
    code = code_of(error)
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"{place}: no encrypted connection is made; see `sslmode` and `sslrootcert` in `dsn`")
    if isinstance(error, ClientConfigurationError | ValueError) and not code:
        return Unauthorised(f"{place}: `dsn` asks for what cannot be had; see what stands behind the ? in it")
    if code.startswith("28"):
        return Unauthorised(f"{place}: the server does not let this user in; see the password, and pg_hba.conf there")
    if code == "3D000":
        return NotFound(f"{place}: there is no such database; see the end of `dsn`")
    if code == "42501":
        return Unauthorised(f"{place}: {error.args[0]}")
    if code in _NO_SETTING:
        return Unsupported(
            f"{place}: `dsn` asks for a setting that {_NO_SETTING[code]}; see what stands behind the ? in it"
        )
    if code in _PASSING:
        return Unreachable(f"{place}: {_PASSING[code]}")
    if code:
        return Unreachable(f"{place}: the server does not take connections now (SQLSTATE {code})")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{place}: the server does not answer; see that it runs, and that `dsn` is right")
    if isinstance(error, ConnectionError) and error.errno is None:
        return Unreachable(f"{place}: the server breaks the connection off; see `sslmode` in `dsn`, and its log")
    if isinstance(error, FileNotFoundError):
        return Unreachable(
            f"{place}: there is no such file: the socket of the server, or a certificate that `sslmode` in `dsn` needs"
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return Unreachable(f"{place}: {_plain(reason)}; see that the server runs, and that `dsn` is right")


def _plain(reason: str) -> str:
    """A reason without the addresses and tries that Python lists in it."""
    return reason.split(":")[0].split(" (")[0].removeprefix("Connect call failed").strip() or "it cannot be reached"
