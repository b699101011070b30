"""Release: what a system refused is planned afresh, although nothing changed here."""

from __future__ import annotations

from datasyncd.reconcile.cluster import UNREADABLE, Cluster
from datasyncd.reconcile.effects import Effects, Entry
from datasyncd.reconcile.rules import FieldNumber

from .refusal import OutOfDate


def unblock(cluster: Cluster, system: str, number: FieldNumber | None, effects: Effects) -> None:
    """Let a refused field (None: the creation of the record) be sent again.

    A field that cannot be read stays blocked until a reading understands it: a write could cover what is there.
    Raises `OutOfDate` where nothing is blocked.
    """
    if number is None:
        if system not in cluster.body.stopped:
            raise OutOfDate(f"no create in {system} is stopped any more")
        cluster.body.stopped = {name: at for name, at in cluster.body.stopped.items() if name != system}
        cluster.changed = True
    else:
        binding = cluster.binding_in(system)
        blocked = binding.body.blocked if binding is not None else {}
        if binding is None or number not in blocked or blocked[number] == UNREADABLE:
            raise OutOfDate(f"the field is not refused in {system} any more")
        binding.body.blocked = {field: at for field, at in blocked.items() if field != number}
        binding.changed = True
        effects.released.append((system, binding.object, binding.ext_id, number))
    cluster.rescan = True
    effects.journal.append(
        Entry(cluster.id, "released", system, 0, effects.cause, [] if number is None else [(number,)])
    )
