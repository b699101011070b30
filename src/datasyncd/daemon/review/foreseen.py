"""Foreseen: which of the writes that decisions make due a guard holds, as the next delivery will judge them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.rules import EntityRule, WriteClass
from datasyncd.state.transaction import Tx

from ..gate import lost_somewhere, pending_of, too_many


class Foreseen:
    """The writes of some decisions. Limits are shares of all that waits, so they are judged together, at the end."""

    def __init__(self) -> None:
        self._held: list[tuple[list[str], EntityRule, Mapping[str, int]]] = []
        self._more: dict[tuple[str, str], Counter[WriteClass]] = {}

    def decided(self, held: list[str], entity: EntityRule, classes: Mapping[str, int]) -> None:
        """One decision. `classes`: by system, those of its writes; `held`: gets the systems in which a guard holds
        them."""
        self._held.append((held, entity, classes))

    def would_wait(self, cluster: Cluster, entity: EntityRule) -> None:
        """A cluster whose writes are not noted, since nothing is carried out."""
        for system, due in cluster.outbox.items():
            before = cluster.was_due.get(system)
            new = due.owed.classes & ~(before.owed.classes if before is not None else 0)
            more = self._more.setdefault((system, entity.name), Counter())
            more.update(kind for kind in WriteClass if kind & new)

    def tell(self, tx: Tx) -> None:
        """Judge all of them, after what is carried out is noted."""
        stopped: dict[tuple[str, str], int] = {}
        for held, entity, classes in self._held:
            for system, bits in sorted(classes.items()):
                link = system, entity.name
                if link not in stopped:
                    stopped[link] = sum(self._stopped(tx, system, entity))
                if bits & stopped[link]:
                    held.append(system)

    def _stopped(self, tx: Tx, system: str, entity: EntityRule) -> set[WriteClass]:
        rule = entity.links[system]
        pending = Counter(pending_of(tx.outbox.classes(system, entity.name)))
        pending.update(self._more.get((system, entity.name), Counter()))
        return too_many(tx, rule, pending)[0] | lost_somewhere(tx, entity.name)
