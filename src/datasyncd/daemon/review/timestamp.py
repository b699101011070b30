"""Timestamp: moments as people and scripts read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(at: int) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC: `2026-01-31T18:00:00.000000Z`."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def timestamp_or_none(at: int | None) -> str | None:
    """The same; None and 0, which stand for "never", have none."""
    return timestamp(at) if at else None
