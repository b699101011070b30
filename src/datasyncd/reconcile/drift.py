"""Drift: fields that most records of a system had and no longer have, or in a form that nobody can read.

One record tells nothing of a schema: all readings of a pull are counted, and judged once it has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from .rules import FieldNumber

ENOUGH = 10
"""Readings that say something of a field; of a smaller store all are needed."""
LEAST = 2
"""Records that had a field below which it does not drift, however small the store."""


class Tally(msgspec.Struct):
    """What the readings of one pull show."""

    read: int = 0
    absent: dict[FieldNumber, int] = {}
    """How many do not mention a mapped field."""
    unreadable: dict[FieldNumber, int] = {}
    """How many hold a value of it that cannot be translated."""

    def lost(self, number: FieldNumber) -> int:
        """In how many readings nobody can tell what a field holds."""
        return self.absent.get(number, 0) + self.unreadable.get(number, 0)


class Lost(msgspec.Struct):
    """Of a pull's records, what became of one field."""

    had: int = 0
    """Records that are known to have had it."""
    absent: int = 0
    """Of these, the ones that no longer do."""
    unreadable: int = 0
    """Of these, the ones that now hold what cannot be translated."""


class Known(msgspec.Struct, array_like=True):
    """What earlier pulls say of a link's fields."""

    shown: list[FieldNumber] = []
    """Fields that most readings of some pull showed, in order: only these can drift."""
    drifting: dict[FieldNumber, int] = {}
    """Fields that most records which had them lost, and since when in microseconds."""


def suspects(known: Known, tally: Tally, fields: Collection[FieldNumber], bound: int) -> set[FieldNumber]:
    """Fields that most readings of a pull do not show, and once did: what each record had must be looked at.

    `fields`: the mapped ones; `bound`: records bound there.
    """
    if tally.read < _enough(bound):
        return set()
    return {number for number in known.shown if number in fields and 2 * tally.lost(number) >= tally.read}


def judge(
    known: Known, tally: Tally, lost: Mapping[FieldNumber, Lost], fields: Collection[FieldNumber], bound: int, at: int
) -> Known:
    """What is known after one more pull. `lost`: of each suspect.

    A field drifts once more than half of the records that had it have lost it, until more than half have it again;
    half and half changes nothing, and neither do too few readings. New records without it say nothing.
    """
    shown = {number for number in known.shown if number in fields}
    drifting = {number: since for number, since in known.drifting.items() if number in fields}
    for number in fields if tally.read >= _enough(bound) else ():
        found = lost.get(number)
        if 2 * tally.lost(number) < tally.read:
            shown.add(number)
            drifting.pop(number, None)
        elif found is not None:
            gone = 2 * (found.absent + found.unreadable)
            if gone > found.had >= LEAST:
                drifting.setdefault(number, at)
            elif gone < found.had:
                drifting.pop(number, None)
    return Known(sorted(shown), drifting)


def _enough(bound: int) -> int:
    return max(1, min(ENOUGH, bound))
