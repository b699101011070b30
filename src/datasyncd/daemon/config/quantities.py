"""Quantities that the config writes as text: durations and shares."""

from __future__ import annotations

import math
import re
from typing import ClassVar

from datasyncd.reconcile.rules import MICROSECONDS

DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS = {
    "ms": MICROSECONDS // 1000,
    "s": MICROSECONDS,
    "m": 60 * MICROSECONDS,
    "h": 3600 * MICROSECONDS,
    "d": 86_400 * MICROSECONDS,
}
_LONGEST = 3650 * _UNITS["d"]
SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


class Duration(int):
    """A length of time in microseconds: "300ms", "30s", "5m", "1h", "2d". Between 1 ms and 3650 days."""

    expected: ClassVar[str] = 'a duration such as "300ms", "30s", "5m", "1h" or "2d"'

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Raises ValueError."""
        match = DURATION.fullmatch(text)
        duration = cls(int(match[1]) * _UNITS[match[2]]) if match else cls(0)
        if not 0 < duration <= _LONGEST:
            raise ValueError(f"expected {cls.expected}")
        return duration

    @property
    def text(self) -> str:
        """As the config says it, in the largest unit that leaves nothing over."""
        return next(f"{self // size}{unit}" for unit, size in reversed(_UNITS.items()) if self % size == 0)

    @property
    def seconds(self) -> float:
        return self / MICROSECONDS


class Share(float):
    """A part of a whole, 0.0 to 1.0: "5%", "2.5%"; "off" is no limit at all, and so infinite."""

    expected: ClassVar[str] = 'a share such as "5%", or "off"'

    @classmethod
    def parse(cls, text: str) -> Share:
        """Raises ValueError."""
        if text == "off":
            return OFF
        match = SHARE.fullmatch(text)
        share = cls(float(match[1]) / 100) if match else OFF
        if share > 1:
            raise ValueError(f"expected {cls.expected}")
        return share

    @property
    def text(self) -> str:
        """As the config says it."""
        return f"{float(self) * 100:g}%" if self.limits else "off"

    @property
    def limits(self) -> bool:
        return self != OFF


OFF = Share(math.inf)
