"""Marks: how far an incremental pull by a cursor column has come.

A mark is the highest value of the cursor column that was read, never one from the future: a record that is dated
ahead of now would else hide everything that is edited until then (F32). Pulls begin at the mark, not after it: rows
written at the same instant may have been committed later (F27).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from .contract import Cursor, Native

_AHEAD = timedelta(hours=14)
"""A time without a zone may be a local one: the earliest zone is this far ahead."""

_SLACK = timedelta(seconds=2)
"""How far two clocks of one machine or site may be apart."""

_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""Numbers below the first are times in seconds, below the second in milliseconds, and so on."""

_FIRST_TIME = 10**9
"""Numbers below this are counters, not times."""


def position(column: str | None, mark: Native) -> Cursor | None:
    """A mark as a cursor; it names the column, so that it means nothing once another column is configured."""
    return None if column is None or mark is None else json.dumps([column, mark])


def mark_of(cursor: Cursor | None, column: str | None) -> Native:
    """The mark that a cursor holds; None: there is none for this column, and everything must be read."""
    if cursor is None or column is None:
        return None
    try:
        name, mark = json.loads(cursor)
    except ValueError:
        return None
    return mark if name == column else None


def highest(values: Iterable[Native], now_us: int) -> Native:
    """The first of falling values that can be a mark, None if none can."""
    return next((value for value in values if isinstance(value, int | float | str) and not _ahead(value, now_us)), None)


def _ahead(value: int | float | str, now_us: int) -> bool:
    """Whether a value is a time later than now. Texts are ISO 8601, or no times."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            return False
        latest = datetime.fromtimestamp(now_us / 1e6, UTC) + _SLACK
        return time > latest if time.tzinfo else time.replace(tzinfo=UTC) > latest + _AHEAD
    if value < _FIRST_TIME:
        return False
    per_second = next((unit for limit, unit in _UNITS if value < limit), 1)
    return value / per_second > now_us / 1e6 + _SLACK.total_seconds()
