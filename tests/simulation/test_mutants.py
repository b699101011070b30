"""Each rule that is taken out of the code is missed: by a property of a history, or by a directed test."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from datasyncd.daemon.simulation.history import run

from .mutants import MUTANTS, Mutant, living

MOST = 6000
"""Histories that a mutant may live through."""
QUICK = 250
"""In `make test`: mutants that live longer are left to `make simulate`."""
RANDOM = [mutant for mutant in MUTANTS if not mutant.directed]
DIRECTED = [mutant for mutant in MUTANTS if mutant.directed]
SLOW = frozenset({3, 9, 10, 19, 24, 31})
"""Numbers of the mutants that live longer than `QUICK` histories."""


def killed_by(mutant: Mutant, most: int = MOST) -> str | None:
    """What noticed; None: nothing did."""
    with living(mutant):
        for test in mutant.directed:
            try:
                test()
            except (AssertionError, Exception) as error:
                return f"a directed test ({type(error).__name__})"
        for seed in range(0 if mutant.directed else most):
            try:
                run(seed)
            except Exception as error:
                return str(error) if str(error).startswith("seed") else f"seed {seed}: {type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("mutant", DIRECTED, ids=lambda mutant: f"M{mutant.number}")
def test_a_directed_test_misses_the_rule(mutant: Mutant) -> None:
    assert killed_by(mutant) is not None


@pytest.mark.parametrize("mutant", [m for m in RANDOM if m.number not in SLOW], ids=lambda mutant: f"M{mutant.number}")
def test_histories_miss_the_rule(mutant: Mutant) -> None:
    assert killed_by(mutant, QUICK) is not None


def test_directed_tests_hold_without_a_mutant() -> None:
    for mutant in DIRECTED:
        for test in mutant.directed:
            test()


def test_every_mutant_of_the_design_is_there() -> None:
    numbers = [mutant.number for mutant in MUTANTS]
    assert sorted(numbers) == list(range(1, 48))


def told(number: int) -> tuple[bool, str]:
    """Whether it was killed, and by what, for people."""
    mutant = next(mutant for mutant in MUTANTS if mutant.number == number)
    gc.disable()  # a history makes few cycles, and looking for them takes a quarter of its time
    began = time.process_time()
    by = killed_by(mutant)
    took = f"{time.process_time() - began:.1f} s"
    return by is not None, f"M{number:<3}{mutant.property:<4}{mutant.rule}: {(by or 'LIVES ON')[:110]} ({took})"


def main(numbers: list[int]) -> int:
    """All mutants, or those named, on all cores; 1 if one lives."""
    chosen = numbers or [mutant.number for mutant in MUTANTS]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        results = []
        for killed, text in pool.map(told, chosen):
            print(text, flush=True)
            results.append(killed)
    print(f"{len(results)} mutants, {results.count(False)} alive")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))
