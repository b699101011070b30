"""Applier: of all that is due lets pass what a plan names, as long as what it was planned on still stands."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence

import msgspec

from datasyncd.adapters.contract import Answer, Outcome, Record, Unknown, Written
from datasyncd.adapters.translate.mapping import Reading
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.rules import FieldNumber, Value
from datasyncd.state.transaction import Tx

from ..composing import creation
from ..link import Link
from ..oversight import Sending
from ..review.terms import Terms
from .document import Index
from .item import Digests, Item, Unit, item_of

CHANGED, NEW, OVER = "changed since", "new since", "no longer due"
HELD, REFUSED, UNKNOWN, UNREACHABLE = "held by a guard", "refused", "of unknown outcome", "out of reach"


class Left(msgspec.Struct, frozen=True):
    """A write that was left out."""

    system: str
    entity: str
    key: str
    op: str
    field: str | None
    """null: the whole record."""
    why: str
    """changed since, new since, no longer due, held by a guard, refused, of unknown outcome, out of reach."""


class Applier:
    """The oversight of a run that carries out a plan."""

    looks_first = True

    def __init__(self, index: Index, digests: Digests, terms: Terms) -> None:
        self.sent = 0
        """Writes of the plan that were accepted."""
        self._index = index
        self._digests = digests
        self._terms = terms
        self._there: dict[str, Reading] = {}
        """What the records hold that were looked at last."""
        self._passed: dict[int, list[Unit]] = {}
        """What of a cluster passed to be sent to the system whose turn it is."""
        self._left: dict[bytes, Left] = {}
        self._notes: dict[bytes, str] = {}
        """Why planned writes that were due are not done."""

    def looked(self, link: Link, answers: Sequence[Answer]) -> None:
        self._there = {a.key: link.translation.reading(a) for a in answers if isinstance(a, Record)}

    def leaves_out(self, link: Link, planned: Plan, *, fresh: bool) -> bool:
        self._note_held(link, planned)
        if planned.op != "update" and planned.held:
            return False
        if planned.op != "create" and (not fresh or (planned.is_empty and planned.op == "update")):
            return False  # it is judged when its record was looked at
        # What the system cannot hold is not sent, and is reported as in every run.
        values = planned.values()
        if planned.op == "create":
            made = creation(link, values, {})
            if made.barred:
                return False
            refused: Container[FieldNumber] = made.left_out
        else:
            _native, refused = link.native(values)
        values = {number: value for number, value in values.items() if number not in refused}
        there = self._there.get(planned.binding.ext_id) if planned.binding is not None else None
        item = item_of(link, planned, values, there, self._digests)
        passed = [unit for unit in self._digests.units(item) if self._passes(unit, item, planned, link)]
        self._passed[planned.cluster.id] = passed
        if planned.op == "update":
            names = {field for field, _name, _content in passed}
            planned.leave_out([n for n in values if link.entity.fields[n].name not in names])
            return planned.is_empty
        return not passed

    def answered(self, tx: Tx, link: Link, sends: Sequence[Sending], outcomes: Sequence[Outcome]) -> None:
        for sending, outcome in zip(sends, outcomes, strict=True):
            for _field, name, content in self._passed.pop(sending.plan.cluster.id, []):
                if isinstance(outcome, Written):
                    self.sent += 1
                    self._index.met(name, content)
                    self._left.pop(name, None)
                else:
                    self._notes[name] = UNKNOWN if isinstance(outcome, Unknown) else REFUSED

    def left(self, failed: Collection[str]) -> list[Left]:
        """All that was left out; `failed`: links that could not be reached."""
        return [*self._left.values(), *unmet(self._index, self._left, self._notes, failed)]

    def _passes(self, unit: Unit, item: Item, planned: Plan, link: Link) -> bool:
        """Whether a write is planned; otherwise it is listed."""
        field, name, content = unit
        found = self._index.find(name, content)
        if found != "same":
            key = self._terms.key_of(planned.cluster)
            why = REFUSED if item.op == "create" and link.translation.ungiven else why_left(found)
            self._left[name] = Left(item.target, item.entity, key, item.op, field, why)
        return found == "same"

    def _note_held(self, link: Link, planned: Plan) -> None:
        if not planned.held:
            return
        blanks: Mapping[FieldNumber, Value] = {number: None for _class, number in planned.held if number is not None}
        item = item_of(link, planned, blanks, None, self._digests)
        for _field, name, _content in self._digests.units(item):
            self._notes[name] = HELD


def why_left(found: str) -> str:
    """For what is due and not planned so."""
    return NEW if found == "none" else CHANGED


def unmet(
    index: Index, known: Collection[bytes], notes: Mapping[bytes, str], failed: Collection[str]
) -> Iterator[Left]:
    """Planned writes that did not come, without those whose name is known already."""
    for item, field, name in index.left():
        if name not in known:
            over = UNREACHABLE if f"{item.target}.{item.entity}" in failed else OVER
            yield Left(item.target, item.entity, item.key, item.op, field, notes.get(name, over))
