"""Lookup: which record a value stands for, where a field points to others: the one that has it, and no guess."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datasyncd.adapters.contract import Native, Rejected

from .model import Bound
from .names import KEY
from .session import Session

ASKED = 200
"""Values that are looked up at once."""


class Lookup:
    """What the values of one push stand for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[tuple[str, str, Native], list[int]] = {}

    async def learn(self, wanted: Iterable[tuple[Bound, Native]]) -> None:
        """Look up all values that writes are about to name, those of one field in one question."""
        open_: dict[tuple[str, str], dict[Native, Any]] = {}
        for bound, value in wanted:
            assert bound.target is not None
            place = (bound.target, _field(bound))
            for each in value if isinstance(value, list) else [value]:
                if each is not None and each != "":
                    open_.setdefault(place, {})[each] = bound.form.to_wire(each)
        for (model, field), values in open_.items():
            for each in values:
                self._found[model, field, each] = []
            wires = list(values.values())
            for start in range(0, len(wires), ASKED):
                domain = [[field, "in", wires[start : start + ASKED]]]
                names = [KEY, field]
                for row in await self._session.ask(model, "search_read", domain, 0, None, None, names):
                    for each, wire in values.items():
                        if row[field] == wire:
                            self._found[model, field, each].append(row[KEY])

    def one(self, bound: Bound, value: Native) -> int | Rejected:
        """The only record that has a value."""
        assert bound.target is not None
        field = _field(bound)
        found = self._found[bound.target, field, value]
        if len(found) == 1:
            return found[0]
        many = "no record" if not found else f"{len(found)} records"
        native = bound.name.native
        return Rejected(f"{native}: {many} of {bound.target} with this {field}: make it one there", (native,))


def _field(bound: Bound) -> str:
    field = bound.name.target or bound.name.field
    assert field is not None
    return field
