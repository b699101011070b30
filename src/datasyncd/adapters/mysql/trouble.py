"""Trouble: what an error of the server means for whoever called.

Texts of the server may quote values, so that they are never passed on but where only names can be in them.
"""

from __future__ import annotations

import ssl

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable

from .connection import Lost, ServerError

_PASSING = {
    1021: "the disk of the server is full; nothing was written, and it is tried again",
    1037: "the server has no memory left",
    1038: "the server has no memory left for sorting",
    1040: "the server takes no more connections; see `max_connections` there",
    1114: "the table or the disk of the server is full; nothing was written, and it is tried again",
    1203: "the server takes no more connections of this user",
    1205: "rows or the table are locked by somebody else for longer than `lock_s`",
    1213: "others held locks in another order; it is tried again",
    1226: "this user has used up what the server allows",
    1290: "the server takes no writes now; see whether it is a replica",
    1317: "the server cancelled the statement: somebody asked for it",
    1412: "the table was changed meanwhile; it is tried again",
    1614: "others changed the same rows; it is tried again",
    1792: "the server takes no writes now; see whether it is a replica",
    1836: "the server takes no writes now; see whether it is a replica",
    1969: "the server cancelled the statement: it took longer than `timeout_s`",
    3024: "the server cancelled the statement: it took longer than `timeout_s`",
    3572: "rows are locked by somebody else",
    4031: "the server ended the connection, which stood still for too long",
}
_GONE = {1053, 1152, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 3169}
"""Codes of a connection that is ended by the server, or by somebody who may do that."""
_RIGHTS = {1044, 1142, 1143, 1227, 1370, 1410}
_NAMES = {1046, 1049, 1051, 1054, 1146, 1356}
"""Codes of errors whose message holds nothing but names."""
_UNSURE = {1180}
"""Codes of a commit that failed, and of which nobody knows whether it was made."""

_SIGNALS = {1644, 1643}
"""Codes of what a trigger says by itself."""

_ONE_WRITE = {
    1048, 1062, 1171, 1216, 1217, 1261, 1262, 1263, 1264, 1265, 1292, 1294, 1300, 1364, 1365, 1366, 1367, 1403, 1406,
    1411, 1441, 1451, 1452, 1525, 1526, 1557, 1561, 1569, 1582, 1586, 1690, 1748, 1751, 1761, 1762, 1859, 1861, 1906,
    1918, 3140, 3141, 3144, 3156, 3157, 3158, 3819, 4025, 4078, *_SIGNALS,
}  # fmt: skip
"""Codes of errors that are about the values of one write; any other is of the whole call."""

LOST = (OSError, TimeoutError, Lost)
"""What is raised when a connection fails."""

FAILURES = (ServerError, *LOST)
"""What a call to a server may raise; anything else is a defect of ours."""


def is_lost(error: BaseException) -> bool:
    """The connection or the server went away: whether what was sent last had an effect is not known by this."""
    return isinstance(error, LOST) or (isinstance(error, ServerError) and error.code in _GONE)


def is_unsure(error: BaseException) -> bool:
    """Whether nobody knows if a commit that met this error was made."""
    return is_lost(error) or (isinstance(error, ServerError) and error.code in _UNSURE)


def is_refusal(error: BaseException) -> bool:
    """Whether an error is about the values of one write; else the whole call failed."""
    if not isinstance(error, ServerError):
        return False
    return error.code in _ONE_WRITE or error.code >= OWN_CODES


OWN_CODES = 10_000
"""Codes from here on are no server's, but of a trigger that gives its own."""


def trouble(error: Exception, place: str) -> AdapterError:
    """The error of the whole call that this error is; `place` names the system, and the object if there is one."""
    if isinstance(error, ServerError):
        return _told_by_the_server(error, place)
    if isinstance(error, TimeoutError):
        return Transient(f"{place}: the server did not answer in time")
    return Transient(f"{place}: the connection was lost ({type(error).__name__})")


def _told_by_the_server(error: ServerError, place: str) -> AdapterError:
    if error.code in _GONE:
        return Transient(f"{place}: the server ended the connection (error {error.code})")
    if error.code in _PASSING:
        return Transient(f"{place}: {_PASSING[error.code]}")
    if error.code in _RIGHTS:
        return Unauthorised(f"{place}: {error.text}")
    if error.code in _NAMES:
        return NotFound(f"{place}: {error.text}; run `datasyncd check`")
    return Transient(f"{place}: the server says error {error.code}; its manual tells what that is")


def no_connection(error: Exception, place: str) -> AdapterError:
    """Why there is no connection."""
    if isinstance(error, ServerError):
        return _refused(error, place)
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"{place}: no encrypted connection is made; see `ssl-mode` and `ssl-ca` in `dsn`")
    if isinstance(error, RuntimeError) and "pynacl" in str(error):
        return Unauthorised(f"{place}: this user signs in by ed25519, which needs one more package: pip install pynacl")
    if isinstance(error, RuntimeError):
        return Unauthorised(f"{place}: this user's password is only sent encrypted; set `ssl-mode=required` in `dsn`")
    if isinstance(error, FileNotFoundError):
        return Unreachable(
            f"{place}: there is no such file: the socket of the server, or a certificate that `dsn` names"
        )
    if isinstance(error, TimeoutError):
        return Unreachable(f"{place}: the server does not answer; see that it runs, and that `dsn` is right")
    return Unreachable(f"{place}: it cannot be reached; see that the server runs, and that `dsn` is right")


def _refused(error: ServerError, place: str) -> AdapterError:
    if error.code in (1045, 1698):
        return Unauthorised(f"{place}: the server does not let this user in from here; see the password")
    if error.code in (1130, 1129):
        return Unauthorised(f"{place}: the server lets nobody in from this host")
    if error.code == 1044:
        return Unauthorised(f"{place}: {error.text}")
    if error.code == 1049:
        return NotFound(f"{place}: there is no such database; see the end of `dsn`")
    if error.code in (3159, 1043, 3118):
        return Unauthorised(f"{place}: the server refuses such a connection; see `ssl-mode` in `dsn`, and its log")
    if error.code in _PASSING:
        return Unreachable(f"{place}: {_PASSING[error.code]}")
    return Unreachable(f"{place}: the server does not take connections now (error {error.code})")
