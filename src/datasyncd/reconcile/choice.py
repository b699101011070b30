"""Choice: a person settles a conflict, or decides about a record that was both deleted and edited."""

from __future__ import annotations

from .cluster import Cluster, ClusterState
from .deletion import write
from .effects import Effects, Entry
from .fingerprint import Fingerprinter
from .rules import CONSENT_OUT, EntityRule, FieldNumber, Value


class Refused(ValueError):
    """The choice cannot be made; the text says why and what to do."""


def choose(
    cluster: Cluster, number: FieldNumber, value: Value, entity: EntityRule, fp: Fingerprinter, effects: Effects
) -> None:
    """Settle a field: a new edit that has seen everything. Raises `Refused` where it would raise a consent."""
    rule = entity.fields[number]
    reg = cluster.regs.get(number)
    if cluster.state == ClusterState.DEAD:
        raise Refused("the record is deleted everywhere")
    known = [sib.val for sib in reg.sibs] if reg is not None else []
    if rule.consent and value != CONSENT_OUT and (CONSENT_OUT in known or value not in [*known, None]):
        raise Refused(
            f"{rule.name}: a choice never raises a consent; the person must opt in again at "
            + (" or ".join(rule.authorised) or "a system that the config names as authorised")
        )
    write(cluster, number, value, fp, effects)


def decide_delete(cluster: Cluster, delete: bool, effects: Effects) -> None:
    """End a hold: delete the record everywhere, or keep it where it still is."""
    if cluster.state != ClusterState.HELD:
        raise Refused("the record is no longer held")
    if not delete and not any(cluster.live()) and not any(attempt.op == "create" for attempt in cluster.attempts):
        raise Refused("no record is left to be kept; enter anew what the report lists, then let it be deleted")
    cluster.state = ClusterState.DELETING if delete else ClusterState.LIVE
    cluster.changed = True
    cluster.rescan = True
    effects.journal.append(Entry(cluster.id, "delete_chosen" if delete else "keep_chosen", None, 0, effects.cause))
