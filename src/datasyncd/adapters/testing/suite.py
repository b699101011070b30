"""The suite: the promises of an adapter, each with the cases that try it.

What runs them is not said here: `conformance` does it for pytest, `certify` for the command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from .lifetime import LifetimePromises
from .promise import number, sentence
from .readings import ReadingPromises
from .stage import Stage
from .values import ValuePromises
from .versions import VersionPromises
from .writes import WritePromises

PROMISES = {
    1: "a complete pull returns every record once, while others write",
    2: "a pull since a cursor returns every change after it, also after a restart",
    3: "reading by key gives the present truth, or says that it is gone",
    4: "what a creation is answered with is what the system holds",
    5: "an update changes the named fields alone",
    6: "a conditional write on a changed record changes nothing",
    7: "the same write twice has one effect",
    8: "a delete is a delete, and no error the second time",
    9: "one bad record in a batch stops nothing but itself",
    10: "throttling is obeyed, and what was sent without an answer is Unknown",
    11: "values survive the round trip",
    12: "closing frees everything, at any moment",
    13: "a watch hints at each change",
}
"""The promises by their numbers."""

NOT_TRIED = {10: "no system throttles or loses an answer because it is asked to; see the tests of the adapter"}
"""Promises without a case, and why."""


TRUSTED = ("late_s", "read_max_s")
"""Capabilities that no case tries: how long a lost write may stay under way, and what readings are good for."""


class Promises(LifetimePromises, ValuePromises, VersionPromises, WritePromises, ReadingPromises):
    """All cases; each is named `test_`, the number of its promise, and what it says."""


class Case(msgspec.Struct, frozen=True):
    """One case of a promise."""

    promise: int
    name: str
    """What it says, as a sentence."""
    run: Callable[[Stage], Awaitable[None]]
    """Raises `NotPromised`, unlike the test itself."""


def cases() -> list[Case]:
    """All cases in the order of the promises."""
    promises = Promises()
    names = sorted(name for name in dir(Promises) if name.startswith("test_"))
    return [Case(number(name), sentence(name), _bare(promises, name)) for name in names]


def _bare(promises: Promises, name: str) -> Callable[[Stage], Awaitable[None]]:
    case = getattr(promises, name).case
    return lambda stage: case(promises, stage)
