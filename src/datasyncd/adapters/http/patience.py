"""Patience: how long a server asks to be left alone."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .client import Answer

PATIENCE_S = 60.0
"""How long is waited if a server asks for patience and does not say for how long."""
LONGEST_S = 86_400.0


def wait_s(answer: Answer, now_us: int) -> float:
    """What `Retry-After` says: seconds, or a date (RFC 9110, 10.2.3). `now_us`: the daemon's clock."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), LONGEST_S)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return PATIENCE_S
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    wait = (until - datetime.fromtimestamp(now_us / 1e6, UTC)).total_seconds()
    return min(max(math.ceil(wait), 1.0), LONGEST_S)
