"""Faults: what goes wrong with a call to a system in memory, drawn from one generator."""

from __future__ import annotations

from enum import Enum
from random import Random

from datasyncd.adapters.errors import Throttled, Transient


class Fate(Enum):
    """What becomes of a write."""

    ANSWERED = "it lands, and the answer arrives"
    LOST_AFTER = "it lands, and the answer is lost"
    LATE = "the answer is lost, and it lands later"
    NEVER = "it is lost on the way"


class Faults:
    """Decides for each call. All chances are between 0 and 1; the same generator decides the same."""

    def __init__(
        self,
        random: Random,
        *,
        refused: float = 0.0,
        throttled: float = 0.0,
        unknown: float = 0.0,
        slow: float = 0.0,
        absent: float = 0.0,
        longest_s: float = 5.0,
    ) -> None:
        self._random = random
        self._refused = refused
        self._throttled = throttled
        self._unknown = unknown
        self._slow = slow
        self._absent = absent
        self._longest_s = longest_s
        """Of a slow step, and of what a throttled caller is asked to wait."""

    def strike(self) -> None:
        """Before a call has any effect. Raises `Transient` or `Throttled`."""
        if self._happens(self._refused):
            raise Transient("memory: the connection was refused")
        if self._happens(self._throttled):
            after_s = self._random.uniform(0, self._longest_s)
            raise Throttled(f"memory: too many calls, wait {after_s:.1f} s", after_s)

    def pause_s(self) -> float:
        """How long a step of a call takes."""
        return self._random.uniform(0, self._longest_s) if self._happens(self._slow) else 0.0

    def fate(self, late_s: float) -> Fate:
        """Of one write; late only in a system that may be."""
        if not self._happens(self._unknown):
            return Fate.ANSWERED
        fates = [Fate.LOST_AFTER, Fate.NEVER] + ([Fate.LATE] if late_s > 0 else [])
        return self._random.choice(fates)

    def delay_s(self, late_s: float) -> float:
        """After how long a late write lands."""
        return self._random.uniform(0, late_s)

    def age_s(self, stale_s: float) -> float:
        """How old the state is that a reading by key answers."""
        return self._random.uniform(0, stale_s) if stale_s > 0 else 0.0

    def is_absent(self) -> bool:
        """Whether a reading leaves a field out."""
        return self._happens(self._absent)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance
