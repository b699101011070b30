"""Clock: a wall clock that is set while the process runs."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import apscheduler.executors.base
import apscheduler.schedulers.base
import apscheduler.triggers.interval

from tests.torture.patching import put


def shift(file: Path) -> None:
    """Everybody in this process reads a wall clock that is ahead by so many seconds as a file says at that moment."""
    wall_ns = time.time_ns

    def ahead_s() -> int:
        return int(file.read_text())

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Shifted:
            return cls.fromtimestamp(time.time(), tz)

    put(time, time_ns=lambda: wall_ns() + ahead_s() * 10**9, time=lambda: time.time_ns() / 10**9)
    for module in (apscheduler.schedulers.base, apscheduler.triggers.interval, apscheduler.executors.base):
        put(module, datetime=Shifted)
