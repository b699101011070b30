"""Unfinished: writes that were noted and whose answers were never taken, since the process died or the state could not
be written. Nobody knows what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.reconcile.cluster import AttemptStatus
from datasyncd.state.transaction import Tx


def doubt(tx: Tx, ids: Sequence[int], system: str | None = None) -> int:
    """What is `open` in these clusters is of unknown outcome: its records are read before anything else happens.

    `system`: only what was sent there. Returns how many writes are of unknown outcome because of it.
    """
    count = 0
    clusters = tx.clusters.load(ids)
    for cluster in clusters.values():
        for attempt in cluster.attempts:
            if attempt.status != AttemptStatus.OPEN or system not in (None, attempt.system):
                continue
            attempt.status = AttemptStatus.UNKNOWN
            attempt.gave_up_at = tx.at
            count += 1
            cluster.marked = [*cluster.marked, attempt.id]
            for binding in cluster.bindings:
                if binding.id == attempt.binding_id:
                    binding.epoch = tx.stamp
                    binding.changed = True
                    tx.readings.hint(binding.system, binding.object, [binding.ext_id], tx.stamp, tx.at)
    if clusters:
        tx.clusters.save(clusters.values(), tx.stamp)
    return count
