"""Random histories of people, faults and crashes over simulated systems: what must hold, holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from datasyncd.daemon.simulation import runner
from datasyncd.daemon.simulation.history import ON_DISK, Outcome, run
from datasyncd.daemon.simulation.runner import TWICE, Ran, run_all, run_part
from datasyncd.daemon.simulation.situations import ENOUGH, PROBES, SEEN_AT_REST, SITUATIONS, missing, watched

SEEDS = 1000
IN_A_TEST = 250
RARE = frozenset(
    {
        "assumed opt-out", "batch refused as a whole", "create clashed", "frozen", "incarnation bump",
        "lost save in a window", "merge", "moved", "opt-in held", "recreate live", "schema drift", "undeclared form",
        "update clash",
    }
)  # fmt: skip
"""Expected less than thirty times in so many histories: `make simulate` runs enough to require them."""

ran = Ran()


@pytest.mark.parametrize("first", range(0, SEEDS, IN_A_TEST))
def test_every_history_comes_to_rest_with_nothing_lost(first: int) -> None:
    """F01, F95."""
    part = run_part(range(first, first + IN_A_TEST))
    ran.add(part)
    assert [failure.text for failure in part.broken] == []


def test_the_histories_were_worth_running() -> None:
    if ran.histories < SEEDS:
        ran.add(run_all(range(SEEDS)))
    assert [situation for situation in SITUATIONS if not ran.seen[situation] and situation not in RARE] == []


def test_enough_histories_without_a_situation_prove_nothing() -> None:
    seen = run_part([1]).seen
    assert missing(seen, ENOUGH) != []
    assert missing(seen, ENOUGH - 1) == []
    assert len(SITUATIONS) == len(set(SITUATIONS))


def test_watching_leaves_no_trace() -> None:
    before = [getattr(probe.owner, probe.name) for probe in PROBES]
    alone = run(7).digest
    with watched():
        assert [getattr(probe.owner, probe.name) for probe in PROBES] != before
        assert run(7).digest == alone
    assert [getattr(probe.owner, probe.name) for probe in PROBES] == before
    assert set(SEEN_AT_REST) <= set(SITUATIONS)


DIGESTS = "from datasyncd.daemon.simulation.history import run; print([run(seed).digest for seed in {seeds}])"


def test_the_same_seed_gives_the_same_rows_reports_and_moments_in_any_process() -> None:
    """Also on a real file, and whatever order Python gives the elements of its sets."""
    seeds = [1, 4, 7, 100, ON_DISK - 1]
    told = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS.format(seeds=seeds)],
            env={**os.environ, "PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    ]  # fmt: skip

    assert told == [str([run(seed).digest for seed in seeds])] * 2


def test_a_run_fails_if_a_history_is_another_one_when_it_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """P12."""
    digests = iter(["one", "another", "same", "same"])

    def never_the_same(seed: int, *_tell: object) -> Outcome:
        return Outcome(seed, next(digests), Counter())

    monkeypatch.setattr(runner, "run", never_the_same)

    assert [(failure.seed, failure.text) for failure in run_part([TWICE, 2 * TWICE]).broken] == [
        (TWICE, f"seed {TWICE}: P12: run again it has other rows, reports or moments")
    ]


def test_several_processes_find_what_one_finds() -> None:
    one, two = run_all(range(200)), run_all(range(200), processes=2)

    assert (two.histories, two.broken, two.seen) == (200, [], one.seen)
