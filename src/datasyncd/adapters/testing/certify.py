"""Certify: the promises of one system tried one after another, each on a scratch object of its own, without pytest."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from pathlib import Path

import anyio
import msgspec

from datasyncd.adapters.contract import Capabilities
from datasyncd.adapters.errors import AdapterError, Throttled, Transient, Unreachable

from .promise import Broken, LeftBehind, NotPromised, Unwritten, tried
from .scratch import Scratch
from .stage import MARKED, PEOPLE
from .steps import opened
from .suite import NOT_TRIED, PROMISES, Case, cases

CASE_S = 180.0
"""How long a case may take, beside what searches lag behind."""
LAGS = 6
"""So often in a case a change is waited for that may take `search_lag_s` to show."""
TRIES = 3
"""So often a case is begun that ends because the system is busy."""
PAUSE_S = 1.0


class Verdict(StrEnum):
    """What was seen of a promise."""

    HELD = "held"
    BROKEN = "broken"
    NOT_PROMISED = "not promised"
    NOT_TRIED = "not tried"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One case, and what was seen."""

    promise: int
    name: str
    """What it says, as a sentence."""
    verdict: Verdict
    why: str | None = None
    seconds: float = 0.0


class Sight(msgspec.Struct, frozen=True):
    """A system, looked at before anything is tried."""

    somebody: str
    """Who somebody else is."""
    made: str
    """What is made there for a moment, in words."""
    capabilities: Capabilities
    with_cursor: Capabilities
    """The same, of a link that has a `cursor`."""


async def look(new: Callable[[], Scratch]) -> Sight:
    """Make a scratch object, open it, remove it.

    Raises the errors of adapters, `LeftBehind`, `Unwritten`, and `Broken` for what fails in another way.
    """
    stage = new()
    seen: list[Capabilities] = []

    async def sight(_: object) -> None:
        async with opened(stage) as adapter, opened(stage, MARKED) as marked:
            await adapter.describe(PEOPLE.object)
            seen.extend((adapter.capabilities(PEOPLE.object), marked.capabilities(PEOPLE.object)))

    try:
        await tried(sight, stage, "all promises")
    except (AdapterError, LeftBehind, Unwritten):
        raise
    except Exception as error:
        raise Broken(_failure(error)) from error
    return Sight(stage.somebody, stage.made, *seen)


async def certify(new: Callable[[], Scratch], sight: Sight) -> AsyncIterator[Tried]:
    """What is seen of each case, in the order of the promises; `new` gives a scratch object that is not made yet.

    Raises `Unreachable` if the system is away, and `LeftBehind` if it keeps what was made.
    """
    tried_by = cases()
    for promise, text in PROMISES.items():
        if promise in NOT_TRIED:
            yield Tried(promise=promise, name=text, verdict=Verdict.NOT_TRIED, why=NOT_TRIED[promise])
        for case in tried_by:
            if case.promise == promise:
                yield await _judged(case, new, sight.capabilities.search_lag_s)


async def _judged(case: Case, new: Callable[[], Scratch], lag_s: float) -> Tried:
    begun = anyio.current_time()
    limit_s = CASE_S + LAGS * lag_s

    def seen(verdict: Verdict, why: str | None = None) -> Tried:
        seconds = round(anyio.current_time() - begun, 3)
        return Tried(promise=case.promise, name=case.name, verdict=verdict, why=why, seconds=seconds)

    for turn in range(1, TRIES + 1):
        try:
            with anyio.move_on_after(limit_s) as scope:
                await tried(case.run, new(), f"promise {case.promise}: {case.name}")
            if scope.cancelled_caught:
                return seen(Verdict.BROKEN, f"no end after {limit_s:g} s")
            return seen(Verdict.HELD)
        except NotPromised as not_promised:
            return seen(Verdict.NOT_PROMISED, str(not_promised))
        except (Broken, Unwritten) as error:
            return seen(Verdict.BROKEN, str(error))
        except Unreachable:
            raise
        except Transient as busy:
            if turn == TRIES:
                return seen(Verdict.BROKEN, f"{type(busy).__name__}: {busy}")
            await anyio.sleep(busy.after_s if isinstance(busy, Throttled) else PAUSE_S)
        except AdapterError as error:
            return seen(Verdict.BROKEN, f"{type(error).__name__}: {error}")
        except LeftBehind:
            raise
        except Exception as error:  # of an adapter that fails in a way of its own
            return seen(Verdict.BROKEN, _failure(error))
    raise AssertionError("the last turn returns")


def _failure(error: Exception) -> str:
    """Kind and place of an error; its text could hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"it fails with {type(error).__name__}{place}; an adapter raises the errors of `adapters.errors` alone"
