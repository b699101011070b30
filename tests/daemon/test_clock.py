"""The daemon's time and its timers, whatever the wall clock does."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from datasyncd.daemon import schedule
from datasyncd.daemon.clock import Clock
from datasyncd.daemon.schedule import Schedule

DAY_S = 86_400
MONTH_US = 30 * DAY_S * 1_000_000


class Hands:
    """A wall clock and a monotonic one, in nanoseconds."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000 * 10**9
        self.monotonic = 0

    def pass_us(self, us: int) -> None:
        self.wall += us * 1000
        self.monotonic += us * 1000

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


@pytest.mark.parametrize("jump_us", [MONTH_US, -MONTH_US])
def test_a_wall_clock_that_is_set_meanwhile_changes_nothing(jump_us: int) -> None:
    hands = Hands()
    clock = hands.clock()
    before = clock.now()

    hands.wall += jump_us * 1000
    hands.pass_us(500)

    assert clock.now() == before + 500


def test_time_goes_on_from_a_state_that_is_ahead_and_the_wall_clock_catches_up() -> None:
    hands = Hands()
    clock = hands.clock()
    ahead = clock.now() + MONTH_US

    clock.start_after(ahead)
    hands.pass_us(2_000_000)
    assert clock.now() == ahead + 1_000_000

    hands.pass_us(2 * MONTH_US)
    assert clock.now() == hands.wall // 1000
    hands.pass_us(10)
    assert clock.now() == hands.wall // 1000


def test_no_moment_is_given_twice() -> None:
    clock = Hands().clock()

    assert len({clock.now() for _ in range(100)}) == 100


@pytest.mark.parametrize("jump_s", [30 * DAY_S, -30 * DAY_S])
async def test_an_interval_goes_on_and_a_cron_run_is_looked_for_anew(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    marks: list[float] = []
    moved: list[str] = []
    monkeypatch.setattr(schedule, "LOOK_S", 0.02)
    timers = Schedule(Clock().now)
    timers.every("every crm.contact", 0.02, lambda: marks.append(time.monotonic()))
    timers.cron("cron mail.contact", "0 3 * * *", lambda: None)
    reschedule = timers._crons.reschedule_job

    def noted(name: str, trigger: object) -> None:
        moved.append(name)
        reschedule(name, trigger=trigger)

    monkeypatch.setattr(timers._crons, "reschedule_job", noted)
    timers.start()
    await asyncio.sleep(0.1)
    assert moved == []

    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + jump_s)
    seen = len(marks)
    await asyncio.sleep(0.15)
    timers.stop()

    assert len(marks) > seen + 2
    assert moved == ["cron mail.contact"]


async def test_the_next_run_is_told() -> None:
    clock = Clock()
    timers = Schedule(clock.now)
    timers.every("every crm.contact", 60, lambda: None)
    assert timers.next_run("crm.contact") is None
    timers.start()

    run = timers.next_run("crm.contact")

    timers.stop()
    assert run is not None
    assert 59 < (run - clock.now()) / 1_000_000 <= 60


@pytest.mark.parametrize(
    ("day", "runs"),
    [
        ((2025, 3, 30), ["01:30Z"]),  # 02:30 does not exist: it is made up in the hour after it
        ((2025, 10, 26), ["00:30Z", "01:30Z"]),  # 02:30 comes twice
    ],
)
def test_no_cron_run_is_lost_where_clocks_are_changed(day: tuple[int, int, int], runs: list[str]) -> None:
    """F83: in the local zone, as the schedule says."""
    berlin = ZoneInfo("Europe/Berlin")
    timers = Schedule(Clock().now)
    timers.cron("cron crm.contact", "30 2 * * *", lambda: None)
    trigger = timers._triggers["cron crm.contact"]
    trigger.timezone = berlin
    now = midnight = datetime(*day, tzinfo=berlin)

    seen: list[datetime] = []
    while (run := trigger.get_next_fire_time(seen[-1] if seen else None, now)) - midnight < timedelta(days=1):
        seen.append(run)
        now = datetime.fromtimestamp(run.timestamp() + 1, berlin)

    assert [f"{run.astimezone(UTC):%H:%MZ}" for run in seen] == runs
