"""Runner: many histories, on one core or on several."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import msgspec

from .history import run
from .oracle import Broken
from .situations import missing, watched
from .story import Line

PART = 100
"""Histories that a process runs before it tells how they were."""
TWICE = 50
"""One history in so many is run again, and must be the same."""


class Failure(msgspec.Struct):
    """A history in which something did not hold."""

    seed: int
    text: str


class Ran(msgspec.Struct):
    """Histories that were run."""

    histories: int = 0
    broken: list[Failure] = []
    seen: Counter[str] = msgspec.field(default_factory=Counter)
    """How often each situation came up."""
    cpu_s: float = 0.0

    @property
    def missing(self) -> list[str]:
        """Situations that enough histories would have met."""
        return missing(self.seen, self.histories)

    def add(self, other: Ran) -> None:
        self.histories += other.histories
        self.broken = sorted([*self.broken, *other.broken], key=lambda failure: failure.seed)
        self.seen.update(other.seen)
        self.cpu_s += other.cpu_s


def run_part(seeds: Sequence[int], tell: Callable[[Line], None] | None = None) -> Ran:
    """In this process; `tell` gets all that happens. Whatever goes wrong in a history is what we look for."""
    ran, began = Ran(), time.process_time()
    collecting = gc.isenabled()
    gc.disable()  # a history makes few cycles, and looking for them takes a quarter of its time
    gc.freeze()  # nor is what was there before looked at
    try:
        with watched():
            for seed in seeds:
                ran.histories += 1
                try:
                    outcome = run(seed, tell)
                    ran.seen.update(outcome.seen)
                    if seed % TWICE == 0 and tell is None and run(seed).digest != outcome.digest:
                        raise Broken(f"seed {seed}: P12: run again it has other rows, reports or moments")
                except Broken as error:
                    ran.broken.append(Failure(seed, str(error)))
                except Exception as error:
                    ran.broken.append(Failure(seed, f"seed {seed}: {type(error).__name__}: {error}"))
    finally:
        gc.collect()
        gc.unfreeze()
        if collecting:
            gc.enable()
    ran.cpu_s = time.process_time() - began
    return ran


def run_all(seeds: Sequence[int], processes: int = 1, progress: Callable[[int], None] = lambda _: None) -> Ran:
    """All of them; `progress` is told how many more are done."""
    ran = Ran()
    for part in _parts(seeds, processes):
        ran.add(part)
        progress(part.histories)
    return ran


def _parts(seeds: Sequence[int], processes: int) -> Iterator[Ran]:
    parts = [seeds[at : at + PART] for at in range(0, len(seeds), PART)]
    if processes < 2 or len(parts) < 2:
        yield from map(run_part, parts)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        done: Iterable[object] = as_completed([pool.submit(run_part, part) for part in parts])
        yield from (future.result() for future in done)  # type: ignore[attr-defined]
