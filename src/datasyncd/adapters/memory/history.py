"""The history of one record in memory: its states, and which of them a question is answered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Native, ObjectSpec, Version, VersionOrder
from datasyncd.adapters.digest import ABSENT, row_digest


class State(msgspec.Struct, frozen=True):
    """What a record held from some moment on."""

    fields: Mapping[str, Native] | None
    """None: it is gone."""
    count: int
    """How often it was written until then."""
    at: int
    """Since when, in microseconds."""
    shown_at: int
    """Since when searches and pulls show it."""


Versioned: TypeAlias = Callable[[State], Version]
"""Makes the version that a system tells of a state."""

NEVER = State(None, 0, 0, 0)


class History:
    """The states of one record, oldest first."""

    def __init__(self) -> None:
        self._states: list[State] = []

    @property
    def now(self) -> State:
        """The truth."""
        return self._states[-1] if self._states else NEVER

    @property
    def first(self) -> State:
        """How it began."""
        return self._states[0] if self._states else NEVER

    def shown(self, at: int) -> State:
        """What a search or pull at this moment shows."""
        return next((state for state in reversed(self._states) if state.shown_at <= at), NEVER)

    def before(self, at: int) -> State:
        """The truth of an earlier moment."""
        return next((state for state in reversed(self._states) if state.at <= at), NEVER)

    def write(self, fields: Mapping[str, Native] | None, at: int, shown_at: int) -> State:
        """A new state; searches never show it before an earlier one."""
        state = State(fields, self.now.count + 1, at, max(shown_at, self.now.shown_at))
        self._states.append(state)
        return state


def versioned(spec: ObjectSpec, order: VersionOrder) -> Versioned:
    """How a system with this order of versions makes them."""

    def version(state: State) -> Version:
        if order is VersionOrder.COUNTER:
            return state.count
        if order is VersionOrder.UNIQUE:
            return b"tag %d" % state.count
        fields = state.fields or {}
        return row_digest([fields.get(name, ABSENT) for name in spec.columns])

    return version
