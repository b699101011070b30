"""Random histories of people, faults and crashes over simulated systems: what must hold, holds."""

from __future__ import annotations

from collections import Counter

import pytest

from datasyncd.daemon.simulation.history import run

SEEDS = 1000
IN_A_TEST = 250

SITUATIONS = (
    "crash",
    "unknown outcome",
    "echo",
    "outage",
    "create",
    "update",
    "incarnation bump",
    "report conflict",
    "report overruled",
)
"""A run in which one of these never comes up proves nothing."""

seen: Counter[str] = Counter()


@pytest.mark.parametrize("first", range(0, SEEDS, IN_A_TEST))
def test_every_history_comes_to_rest_with_nothing_lost(first: int) -> None:
    for seed in range(first, first + IN_A_TEST):
        seen.update(run(seed).seen)


def test_the_histories_were_worth_running() -> None:
    if not seen:
        for seed in range(250):
            seen.update(run(seed).seen)
    assert [situation for situation in SITUATIONS if not seen[situation]] == []


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_the_same_seed_gives_the_same_rows_and_reports(seed: int) -> None:
    assert run(seed).digest == run(seed).digest
