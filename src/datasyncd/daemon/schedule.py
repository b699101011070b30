"""Schedule: which links become due by time. It does no work: it marks links due.

Intervals are counted on the monotonic clock, whatever happens to the wall clock. Cron expressions are read in the
machine's local zone: a run that falls into the hour which a change to summer time skips is made up at once, one in the
hour that comes twice runs twice. Where the wall clock was set meanwhile, their next runs are looked for anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

DEFAULT_EVERY_S = 60.0
"""Of a link without `live`, `every` and `cron`."""
LIVE_EVERY_S = 300.0
"""A live link is pulled now and then all the same: a watch can miss a change (network folders do)."""
MISSED_S = 3600
"""A run that is late by less is made up, once."""
LOOK_S = 15.0
"""How often the wall clock is looked at."""
SET_S = 60.0
"""A wall clock that moved by more against the monotonic one was set, or the machine slept."""


class Interval:
    """Marks again and again, from `start` to `stop`."""

    def __init__(self, seconds: float, mark: Callable[[], None]) -> None:
        self._seconds = seconds
        self._mark = mark
        self._timer: asyncio.TimerHandle | None = None

    @property
    def left_s(self) -> float | None:
        """Seconds until it marks next; None: it is not started."""
        return None if self._timer is None else max(0.0, self._timer.when() - asyncio.get_running_loop().time())

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._run)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _run(self) -> None:
        self.start()
        self._mark()


class Schedule:
    """Timers of all links."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now`: microseconds since 1970."""
        self._now = now
        self._intervals: dict[str, Interval] = {}
        self._crons = AsyncIOScheduler(
            job_defaults={"coalesce": True, "misfire_grace_time": MISSED_S, "max_instances": 1}
        )
        self._triggers: dict[str, CronTrigger] = {}
        self._drift = _drift()
        self._look = Interval(LOOK_S, self._look_at_the_wall)

    def every(self, name: str, seconds: float, mark: Callable[[], None]) -> None:
        """Mark every so many seconds."""
        self._intervals[name] = Interval(seconds, mark)

    def cron(self, name: str, expression: str, mark: Callable[[], None]) -> None:
        """Mark at the times of a cron expression of five fields. Raises `ValueError`."""

        async def job() -> None:
            mark()

        self._triggers[name] = CronTrigger.from_crontab(expression)
        self._crons.add_job(job, self._triggers[name], id=name)

    def next_run(self, name: str) -> int | None:
        """When a link is marked next, microseconds since 1970; `name` is the link's."""
        times = []
        for kind in ("every", "sweep"):
            interval = self._intervals.get(f"{kind} {name}")
            if interval is not None and interval.left_s is not None:
                times.append(self._now() + round(interval.left_s * 1_000_000))
        job = self._crons.get_job(f"cron {name}")
        # Before the scheduler is started its jobs have no such time yet.
        if job is not None and (run := getattr(job, "next_run_time", None)) is not None:
            times.append(round(run.timestamp() * 1_000_000))
        return min(times, default=None)

    def start(self) -> None:
        for interval in (*self._intervals.values(), self._look):
            interval.start()
        self._crons.start()

    def stop(self) -> None:
        for interval in (*self._intervals.values(), self._look):
            interval.stop()
        if self._crons.running:
            self._crons.shutdown(wait=False)

    def _look_at_the_wall(self) -> None:
        drift = _drift()
        if abs(drift - self._drift) > SET_S:
            self._drift = drift
            for name, trigger in self._triggers.items():
                self._crons.reschedule_job(name, trigger=trigger)


def _drift() -> float:
    """By how many seconds the wall clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()
