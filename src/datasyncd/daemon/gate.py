"""Gate: the guards of one link at work: which classes of writes wait for a person, and what plans lose by it."""

from __future__ import annotations

from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.guards import Item, exceeds, withhold
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state.transaction import Tx

from .link import Link


class Gate:
    """Judged once a delivery, by all that waits then; asked for each plan."""

    def __init__(self, link: Link, fp: Fingerprinter) -> None:
        self.link = link
        self.fp = fp
        self.creates = 0
        """Creates that wait."""
        self._held: frozenset[WriteClass] = frozenset()
        self._own: frozenset[WriteClass] = frozenset()
        """Of these, the classes that this link's own limits hold."""
        self._bound = 0

    def judge(self, tx: Tx) -> bool:
        """Which classes wait for a person, by all that is waiting now. False: nothing waits."""
        link, rule = self.link, self.link.rule
        waiting = tx.outbox.classes(link.system, rule.entity)
        if not waiting:
            for known in tx.guards.all():
                if (known.system, known.entity, known.source) == (link.system, rule.entity, False):
                    tx.guards.set_state(known.id, "over")
            return False
        pending = {c: sum(n for bits, n in waiting.items() if bits & c) for c in WriteClass}
        self.creates = pending[WriteClass.CREATE]
        sent = tx.guards.counted(link.system, rule.entity, False, tx.at)
        bound = -1
        held = set()
        for write_class in rule.guards:
            count = pending[write_class] + sent.get(write_class, 0)
            guard = tx.guards.held(link.system, rule.entity, write_class, False)
            if guard is None and count < rule.at_least:
                continue
            if bound < 0:
                bound = tx.clusters.bound(link.system, link.object)
            if exceeds(rule, write_class, count, bound):
                held.add(write_class)
            elif guard is not None:
                tx.guards.set_state(guard, "over")
                tx.outbox.wake(link.system, rule.entity, tx.at)
        source = {known.write_class for known in tx.guards.all() if known.entity == rule.entity and known.source}
        self._bound = bound
        self._own, self._held = frozenset(held), frozenset(held | source)
        return True

    def withhold(self, tx: Tx, planned: Plan) -> int:
        """Take out of a plan what a guard holds, and note it there; returns how many items."""
        items = withhold(planned, self._held, tx.guards.approved, self.fp, self._own)
        for item in items:
            self._note(tx, item)
        return len(items)

    def _note(self, tx: Tx, item: Item) -> None:
        """A held set begins with its first item: what was approved before makes none."""
        rule, kind = self.link.rule, item.write_class
        guard = tx.guards.held(rule.system, rule.entity, kind, False)
        if guard is None and kind in self._own:
            guard = tx.next()
            tx.guards.hold(guard, rule.system, rule.entity, kind, False, self._bound, tx.at)
        if guard is None:
            guard = tx.guards.held(rule.system, rule.entity, kind, True)
        if guard is not None:
            tx.guards.add(guard, [item])
