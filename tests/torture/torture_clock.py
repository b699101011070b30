"""The wall clock jumps by 30 days, forwards and backwards: nothing is lost, nobody is ended, and work goes on."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from tests.end_to_end.three_stores import CONFIG, GUARDS_OFF, Stores, until
from tests.torture import tally
from tests.torture.load import Load
from tests.torture.processes import launched, nothing_was_logged_of_a_bug

MONTH_S = 30 * 86_400
SOON_S = 15.0
BY_TIME = CONFIG.replace("live = true", 'every = "300ms"')


@pytest.fixture
def hands(stores: Stores) -> Path:
    """What sets the clock."""
    file = stores.folder / "ahead"
    file.write_text("0")
    return file


def set_clock(hands: Path, ahead_s: int, when: str) -> None:
    tally.count(tally.CLOCK, f"{when}: {ahead_s}")
    new = hands.with_suffix(".new")
    new.write_text(str(ahead_s))
    new.replace(hands)  # at once: the daemon reads it at any moment, and an empty file would be another jump


def clock_of(stores: Stores) -> int:
    """The last time that the state knows."""
    state = sqlite3.connect(f"file:{stores.folder / 'var' / 'state.db'}?mode=ro", uri=True)
    try:
        return int(state.execute("SELECT value FROM meta WHERE name = 'clock'").fetchone()[0])
    finally:
        state.close()


def works(stores: Stores, load: Load, *, after: int = 0) -> int:
    """Edits arrive soon, and the state's clock has gone on; what it shows then."""
    load.round()
    until(load.arrived, SOON_S)
    now = clock_of(stores)
    assert now > after
    return now


@pytest.mark.parametrize("how", ["live", "every"])
@pytest.mark.parametrize("first", [MONTH_S, -MONTH_S])
def test_a_clock_that_jumps_while_the_daemon_runs(stores: Stores, hands: Path, first: int, how: str) -> None:
    if how == "every":
        stores.config.write_text(BY_TIME.replace("GUARD", GUARDS_OFF))
    load = Load(stores)
    with launched(stores, "clock", str(hands), 0, "run") as process:
        at = works(stores, load)
        for jump in (first, 0, -first, 0):
            set_clock(hands, jump, f"while it runs, {how}")
            time.sleep(0.5)
            at = works(stores, load, after=at)
        assert stores.json("status")["problems"] == []
        assert process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("jumps", [(MONTH_S, 0), (-MONTH_S, 0), (0, -MONTH_S, MONTH_S, 0)])
def test_a_clock_that_is_set_while_the_daemon_is_down(stores: Stores, hands: Path, jumps: tuple[int, ...]) -> None:
    load = Load(stores)
    at = clock_of(stores)
    for jump in jumps:
        set_clock(hands, jump, "while it is down")
        load.round()
        with launched(stores, "clock", str(hands), 0, "run"):
            at = works(stores, load, after=at)
            at = works(stores, load, after=at)

    load.check()
    assert clock_of(stores) >= at
    nothing_was_logged_of_a_bug(stores)


def test_a_write_that_failed_is_tried_again_soon_after_a_run_whose_clock_was_ahead(stores: Stores, hands: Path) -> None:
    load = Load(stores)
    set_clock(hands, MONTH_S, "while it is down")
    with launched(stores, "clock", str(hands), 0, "run"):
        works(stores, load)
    set_clock(hands, 0, "while it is down")
    held = sqlite3.connect(stores.crm.file, isolation_level=None)
    with launched(stores, "clock", str(hands), 0, "run"):
        works(stores, load)
        held.execute("BEGIN IMMEDIATE")
        load.round(("mail", "prefs"))
        until(lambda: "locked by somebody else" in stores.log_file.read_text(), SOON_S)
        held.execute("ROLLBACK")
        held.close()
        until(load.arrived, SOON_S)

    load.check()
    nothing_was_logged_of_a_bug(stores)
