"""Timestamp: moments and lengths of time as people and scripts read them."""

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


def span(seconds: float) -> str:
    """A length of time as people say it: `45s`, `12min`, `3h 20min`, `2d 4h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if minutes < 60:
        return f"{minutes}min"
    if hours < 24:
        return f"{hours}h {minutes % 60}min" if minutes % 60 else f"{hours}h"
    return f"{days}d {hours % 24}h" if hours % 24 else f"{days}d"
