"""Trouble: what an answer of the server means for whoever called."""

from __future__ import annotations

from datasyncd.adapters.errors import AdapterError, NotFound, Throttled, Transient, Unauthorised, Unsupported
from datasyncd.adapters.http.client import Answer
from datasyncd.adapters.http.patience import wait_s

from .multistatus import precondition

OK, CREATED, NO_CONTENT, MULTISTATUS = 200, 201, 204, 207
BAD_REQUEST, NO_LOGIN, FORBIDDEN, MISSING, NOT_ALLOWED, CONFLICT = 400, 401, 403, 404, 405, 409
GONE, STALE, TOO_LARGE, WRONG_KIND, UNPROCESSABLE, LOCKED = 410, 412, 413, 415, 422, 423
TOO_MANY, FAILED, NOT_BUILT, UNAVAILABLE, FULL = 429, 500, 501, 503, 507

_NOT_KNOWN_IF_DONE = frozenset({500, 502, 504, 408, 520, 522, 524})
"""Answers to a write that do not say whether it was made."""


def is_unsure(answer: Answer) -> bool:
    """Whether nobody knows if a write that was answered so had an effect."""
    return answer.status in _NOT_KNOWN_IF_DONE


def trouble(answer: Answer, place: str, now_us: int) -> AdapterError:
    """The error of the whole call that an answer is; `place` names the system, and the address book if there is one.
    `now_us`: the daemon's clock."""
    match answer.status:
        case 401:
            return Unauthorised(f"{place}: the server does not let this user in; see `user` and `password`")
        case 403:
            why = precondition(answer.body)
            return Unauthorised(f"{place}: the server does not allow this user to do that{why and f' ({why})'}")
        case 404 | 410:
            return NotFound(f"{place}: there is no such address book; see `url` and `object`")
        case 301 | 302 | 303 | 307 | 308:
            where = answer.headers.get("location", "")
            return NotFound(f"{place}: the server says that it is elsewhere{where and f', at {where}'}; see `url`")
        case 405 | 501:
            return Unsupported(f"{place}: the server does not do this (status {answer.status})")
        case 429 | 503:
            return Throttled(f"{place}: the server asks to wait (status {answer.status})", wait_s(answer, now_us))
        case 507:
            return Transient(f"{place}: the server has no room left; it is tried again")
        case 423:
            return Transient(f"{place}: it is locked by somebody else; it is tried again")
        case status if status >= FAILED:
            return Transient(f"{place}: the server failed (status {status}); its log may tell why")
    return Transient(f"{place}: the server answered with status {answer.status}; it is tried again")
