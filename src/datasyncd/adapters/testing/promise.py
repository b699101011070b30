"""A promise is tried: what was seen is what was promised, or it says what was seen instead.

Nothing here is a bare `assert`: the suite also runs where Python leaves those out, and tells a person what it saw.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Set
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from datasyncd.adapters.errors import AdapterError

if TYPE_CHECKING:
    from .stage import Stage

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Awaitable[None]])

LONGEST = 300
"""Characters of a value in a text."""
REMOVAL_S = 30.0
"""How long the removal of what a stage has made may take, however the case ended."""


class Broken(AssertionError):
    """What was seen is not what was promised. The text says both."""


class NotPromised(Exception):
    """The adapter does not promise it; it was held to the opposite, as far as that can be seen."""


class LeftBehind(Exception):
    """What a stage has made could not be removed."""


class Unwritten(NotImplementedError):
    """A method is yet to be written: where, and for which promise."""


def promise(case: C) -> C:
    """A test of one promise: on a stage that is made for it and removed whatever happens.

    What is not promised is no failure here; `tried` tells it.
    """

    @functools.wraps(case)
    async def held(self: Any, stage: Stage) -> None:
        try:
            await tried(
                functools.partial(case, self), stage, f"promise {number(case.__name__)}: {sentence(case.__name__)}"
            )
        except NotPromised:
            return

    held.case = case  # type: ignore[attr-defined]  # for runners that want to know what is not promised
    return held  # type: ignore[return-value]


async def tried(case: Callable[[Stage], Awaitable[None]], stage: Stage, name: str) -> None:
    """One case on a stage of its own.

    Raises `Broken`, `NotPromised`, `Unwritten`, `LeftBehind`, and errors of adapters.

    On cancel: what the stage has made is removed first.
    """
    try:
        await stage.make()
        await case(stage)
    except NotImplementedError as error:
        raise Unwritten(f"{error} (for {name})") from None
    except ExceptionGroup as group:
        cause = _cause(group)
        raise (Unwritten(f"{cause} (for {name})") if isinstance(cause, NotImplementedError) else cause) from group
    finally:
        await _removed(stage, sys.exception())


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """What ended a group of tasks: what was seen to be broken first of all."""
    leaves: list[Exception] = []
    for error in group.exceptions:
        leaves.append(_cause(error) if isinstance(error, ExceptionGroup) else error)
    return next((error for error in leaves if isinstance(error, Broken)), leaves[0])


async def _removed(stage: Stage, before: BaseException | None) -> None:
    """Remove what the stage has made. Raises `LeftBehind`, or adds a note to `before` if the system refused us then."""
    with anyio.CancelScope(shield=True):
        try:
            with anyio.fail_after(REMOVAL_S):
                await stage.remove()
        except NotImplementedError as error:
            if before is None:
                raise Unwritten(str(error)) from None
        except (AdapterError, OSError) as error:  # a time-out is an OSError
            if isinstance(before, AdapterError):
                before.add_note(f"{stage.made} may be left there, for you to remove")
                return
            why = str(error) or f"no answer for {REMOVAL_S:g} s"
            raise LeftBehind(f"{stage.made} may be left there, for you to remove: {why}") from error


def number(name: str) -> int:
    """The number of the promise that a test is about."""
    return int(name.removeprefix("test_")[:2])


def sentence(name: str) -> str:
    """The promise that a test is named by: `test_03_records_are_found_by_a_value`."""
    return name.removeprefix("test_")[2:].strip("_").replace("_", " ")


def expect(holds: object, otherwise: str) -> None:
    """Raises `Broken` with what was seen."""
    if not holds:
        raise Broken(otherwise)


def same(found: object, expected: object, what: str) -> None:
    """Raises `Broken` with both; of sets, with what is too much and too little."""
    if found == expected:
        return
    if isinstance(found, Set) and isinstance(expected, Set):
        missing, more = sorted(map(str, expected - found)), sorted(map(str, found - expected))
        raise Broken(f"{what}: missing {short(missing)}, too many {short(more)}")
    raise Broken(f"{what}: {short(found)}, expected {short(expected)}")


def none(found: Iterable[object], what: str) -> None:
    """Raises `Broken` with what there is."""
    if there := sorted(map(str, found)):
        raise Broken(f"{what}: {len(there)}, such as {short(there[:3])}")


def a(kind: type[T], found: object, what: str) -> T:
    """The value itself. Raises `Broken` if it is of another kind."""
    if not isinstance(found, kind):
        raise Broken(f"{what}: {short(found)}, expected {kind.__name__}")
    return found


def short(value: object) -> str:
    """A value for a text; its middle is left out where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 3 :]}"
