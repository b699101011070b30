"""Gate: the guards of one link at work: which classes of writes wait for a person, and what plans lose by it."""

from __future__ import annotations

from collections.abc import Mapping

from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.guards import Item, exceeds, withhold
from datasyncd.reconcile.rules import FieldNumber, LinkRule, WriteClass
from datasyncd.state.transaction import Tx

from . import drift, restored
from .link import Link

_EVERYTHING = frozenset(WriteClass)


def pending_of(waiting: Mapping[int, int]) -> dict[WriteClass, int]:
    """How many records wait for a write of each class. `waiting`: by the classes that they are owed together."""
    return {c: sum(n for bits, n in waiting.items() if bits & c) for c in WriteClass}


def too_many(tx: Tx, rule: LinkRule, pending: Mapping[WriteClass, int]) -> tuple[set[WriteClass], int]:
    """Classes of which too much would be written by a link, and how many records it is a share of; -1: none was near
    its limit, and nobody counted."""
    bound = -1
    held = set()
    for write_class in rule.guards:
        count = pending[write_class] + tx.guards.sent(rule.system, rule.entity, write_class, tx.at)
        if count < rule.at_least:
            continue
        if bound < 0:
            bound = tx.clusters.bound(rule.system, rule.object)
        if exceeds(rule, write_class, count, bound):
            held.add(write_class)
    return held, bound


def lost_somewhere(tx: Tx, entity: str) -> frozenset[WriteClass]:
    """What is held in all systems because one seems to have lost or blanked it."""
    return frozenset(known.write_class for known in tx.guards.all() if known.entity == entity and known.source)


class Gate:
    """Judged once a delivery, by all that waits then; asked for each plan."""

    def __init__(self, link: Link, fp: Fingerprinter) -> None:
        self.link = link
        self.fp = fp
        self.creates = 0
        """Creates that wait."""
        self._own: frozenset[WriteClass] = frozenset()
        """Classes that this link's own limits hold."""
        self._sources: frozenset[WriteClass] = frozenset()
        """Classes that are held because of what a system lost or blanked."""
        self._drifting: frozenset[FieldNumber] = frozenset()
        """Fields that most records of the system no longer have."""
        self._unread = False
        """The state was restored, and its sources are not read whole yet: nothing but opt-outs passes."""
        self._bound = 0
        self._blanked: tuple[str, int] | None = None
        """The system that blanked so many records that no clear goes anywhere, and how many are bound there."""

    def judge(self, tx: Tx) -> bool:
        """Which classes wait for a person, by all that is waiting now. False: nothing waits."""
        link, rule = self.link, self.link.rule
        waiting = tx.outbox.classes(link.system, rule.entity)
        if not any(bits & WriteClass.CLEAR for bits in waiting):
            self._end_blanked(tx)
        if not waiting:
            for known in tx.guards.all():
                if (known.system, known.entity, known.source) == (link.system, rule.entity, False):
                    tx.guards.set_state(known.id, "over")
            return False
        pending = pending_of(waiting)
        self.creates = pending[WriteClass.CREATE]
        own = self._judge_own(tx, pending)
        self._blanked = self._judge_sources(tx) if pending[WriteClass.CLEAR] else None
        self._own, self._sources = frozenset(own), self._of_sources(tx)
        self._unread = restored.is_marked(tx, rule.entity)
        self._drifting = frozenset(drift.known(tx, link.system, rule.entity).drifting)
        return True

    def _judge_own(self, tx: Tx, pending: dict[WriteClass, int]) -> set[WriteClass]:
        """Classes of which too much would be written here."""
        link, rule = self.link, self.link.rule
        held, self._bound = too_many(tx, rule, pending)
        for write_class in rule.guards.keys() - held:
            guard = tx.guards.held(link.system, rule.entity, write_class, False)
            if guard is not None:
                tx.guards.set_state(guard, "over")
                tx.outbox.wake(link.system, rule.entity, tx.at)
        return held

    def _of_sources(self, tx: Tx) -> frozenset[WriteClass]:
        """What guards of sources hold now."""
        held = lost_somewhere(tx, self.link.rule.entity)
        return held if self._blanked is None else held | {WriteClass.CLEAR}

    def _judge_sources(self, tx: Tx) -> tuple[str, int] | None:
        """A system in which more records were blanked within the hour than its limit allows."""
        entity = self.link.rule.entity
        found: tuple[str, int] | None = None
        for system, rule in self.link.entity.links.items():
            cleared = tx.guards.counted(system, entity, WriteClass.CLEAR, True, tx.at)
            bound = tx.clusters.bound(system, rule.object) if cleared >= rule.at_least else 0
            if exceeds(rule, WriteClass.CLEAR, cleared, bound):
                found = found or (system, bound)
            elif (guard := tx.guards.held(system, entity, WriteClass.CLEAR, True)) is not None:
                tx.guards.set_state(guard, "over")
                for other in self.link.entity.links:
                    tx.outbox.wake(other, entity, tx.at)
        return found

    def _end_blanked(self, tx: Tx) -> None:
        """A source that was put right holds nothing any more: no system of the entity is to clear a field."""
        entity, links = self.link.rule.entity, self.link.entity.links
        held = [known for known in tx.guards.all() if (known.entity, known.source) == (entity, True)]
        blanked = [known for known in held if known.write_class is WriteClass.CLEAR]
        if blanked and not any(bits & WriteClass.CLEAR for name in links for bits in tx.outbox.classes(name, entity)):
            for known in blanked:
                tx.guards.set_state(known.id, "over")

    def stops(self, tx: Tx, planned: Plan) -> bool:
        """Take out of a plan what drifts; True: nothing of it can be sent meanwhile."""
        if self._drifting:
            # A pull may have ended it meanwhile, and woken the rows that waited: none may wait from now on.
            self._drifting = frozenset(drift.known(tx, self.link.system, self.link.rule.entity).drifting)
        return drift.withhold(planned, self._drifting, self.link.entity)

    def withhold(self, tx: Tx, planned: Plan) -> int:
        """Take out of a plan what a guard holds, and note it there; returns how many items."""
        # A pull may have ended it meanwhile, and woken the rows that waited: none may wait from now on.
        self._unread = self._unread and restored.is_marked(tx, self.link.rule.entity)
        if self._sources:
            self._sources &= self._of_sources(tx)
        held = _EVERYTHING if self._unread else self._own | self._sources
        items = withhold(planned, held, tx.guards.approved, self.fp)
        for item in items:
            self._note(tx, item)
        return len(items)

    def _note(self, tx: Tx, item: Item) -> None:
        """A held set begins with its first item: what was approved before makes none."""
        rule, kind = self.link.rule, item.write_class
        system, bound, source = rule.system, self._bound, False
        if kind is WriteClass.CLEAR and self._blanked is not None:
            (system, bound), source = self._blanked, True
        guard = tx.guards.held(system, rule.entity, kind, source)
        if guard is None and (source or kind in self._own - self._sources):
            guard = tx.next()
            tx.guards.hold(guard, system, rule.entity, kind, source, bound, tx.at)
        if guard is None:
            guard = tx.guards.held(rule.system, rule.entity, kind, True)
        if guard is not None:
            tx.guards.add(guard, [item])
