"""Shrink: the least of a history in which the same property still breaks, as a story that a person can read."""

from __future__ import annotations

import msgspec

from .history import CUTS, Cut, History, run
from .story import Line


class Smallest(msgspec.Struct):
    """A history from which nothing more can be left out."""

    cut: Cut
    broken: str
    """What does not hold in it."""
    story: list[Line]


def shrunk(seed: int) -> Smallest | None:
    """None: nothing breaks in this history."""
    broken = _breaks(seed, Cut())
    if broken is None:
        return None
    cut, left = Cut(), _parts(seed)
    while True:
        smaller = next((tried for part in left if _breaks(seed, tried := _more(cut, part)) == broken), None)
        if smaller is None:
            break
        cut = smaller
        left = [part for part in left if _more(cut, part) != cut]
    story: list[Line] = []
    text = ""
    try:
        run(seed, story.append, cut)
    except Exception as error:
        text = str(error) or type(error).__name__
    return Smallest(cut, text, story)


def _parts(seed: int) -> list[str | int]:
    """All that can be left out: whole kinds of trouble first, then what people do, the last first."""
    history = History(seed)
    history.close()
    return [*CUTS, *reversed(range(history.shape.habits.edits))]


def _more(cut: Cut, part: str | int) -> Cut:
    if isinstance(part, str):
        return Cut(cut.acts, cut.kinds | {part})
    return Cut(cut.acts | {part}, cut.kinds)


def _breaks(seed: int, cut: Cut) -> str | None:
    """The property that breaks, by its name; None: all hold."""
    try:
        run(seed, None, cut)
    except Exception as error:
        text = str(error).removeprefix(f"seed {seed}: ")
        return text.split(":")[0] if text.startswith("P") else type(error).__name__
    return None
