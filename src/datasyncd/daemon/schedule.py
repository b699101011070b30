"""Schedule: which links become due by time. It does no work: it marks links due.

Cron expressions are read in the machine's local zone: a run that falls into the hour which a change to
summer time skips is made up at once, one in the hour that comes twice runs twice.
"""

from __future__ import annotations

from collections.abc import Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

DEFAULT_EVERY_S = 60.0
"""Of a link without `live`, `every` and `cron`."""
LIVE_EVERY_S = 300.0
"""A live link is pulled now and then all the same: a watch can miss a change (network folders do)."""
MISSED_S = 3600
"""A run that is late by less is made up, once."""


class Schedule:
    """Timers of all links."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            job_defaults={"coalesce": True, "misfire_grace_time": MISSED_S, "max_instances": 1}
        )

    def every(self, name: str, seconds: float, mark: Callable[[], None]) -> None:
        """Mark every so many seconds."""

        async def job() -> None:
            mark()

        self._scheduler.add_job(job, IntervalTrigger(seconds=seconds), id=name)

    def cron(self, name: str, expression: str, mark: Callable[[], None]) -> None:
        """Mark at the times of a cron expression of five fields. Raises `ValueError`."""

        async def job() -> None:
            mark()

        self._scheduler.add_job(job, CronTrigger.from_crontab(expression), id=name)

    def next_run(self, name: str) -> int | None:
        """When a link is marked next, microseconds since 1970; `name` is the link's."""
        jobs = (self._scheduler.get_job(f"{kind} {name}") for kind in ("every", "cron", "sweep"))
        # Before the scheduler is started its jobs have no such time yet.
        runs = [getattr(job, "next_run_time", None) for job in jobs if job is not None]
        times = [run.timestamp() for run in runs if run is not None]
        return round(min(times) * 1_000_000) if times else None

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
