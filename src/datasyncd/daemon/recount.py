"""Recount: counters after a restore.

What a system shows more than the backup knows may be its own steps, or those of another system that we had written
there since: added up, they would count twice. So the sum is not trusted where several systems have moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datasyncd.reconcile.candidates import candidates_of
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.deletion import write
from datasyncd.reconcile.effects import Candidate, Effects, Report, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.register import Hold
from datasyncd.reconcile.rules import EntityRule, FieldNumber, FieldRule, Policy, Value
from datasyncd.state.transaction import Tx

from .review.seen import WRITES

BATCH = 1_000


def recount(tx: Tx, entity: EntityRule, since: int, fp: Fingerprinter) -> None:
    """Settle the counters that moved in several systems since the restore, or leave them to a person.

    `since`: microseconds, the restore. Nothing was written to any system since then.
    """
    written = {number for link in entity.links.values() for number in link.pushes}
    counters = [rule for rule in entity.fields.values() if rule.policy is Policy.COUNTER and rule.number in written]
    if not counters:
        return
    effects = tx.effects("restore")
    ids = tx.records.edited_since(entity.name, since)
    for start in range(0, len(ids), BATCH):
        clusters = tx.clusters.load(ids[start : start + BATCH])
        for cluster in clusters.values():
            moved = _moved(tx, cluster, since)
            for rule in counters:
                systems = moved.get(rule.number, set())
                if len(systems) > 1:
                    _settle(cluster, rule, systems, entity, fp, effects)
            finish(cluster, entity, fp, effects)
        tx.clusters.save(clusters.values(), tx.stamp)
    tx.records.write(effects, tx.run)


def _moved(tx: Tx, cluster: Cluster, since: int) -> dict[FieldNumber, set[str]]:
    """In which systems each field was edited since then.

    A system that was owed an earlier step may have got it since, and then shows no step of its own: the system that
    made it counts as well.
    """
    out: dict[FieldNumber, set[str]] = {}
    owed: dict[FieldNumber, dict[str, str]] = {}
    names = {binding.system for binding in cluster.bindings}
    for line in tx.records.journal(cluster.id):
        system = line.system
        if system is None:
            continue
        for number in {row[0] for row in line.fields}:
            if line.kind in WRITES:
                owed.get(number, {}).pop(system, None)
            elif line.kind in ("found", "edit") and line.at <= since:
                owed.setdefault(number, {}).update((other, system) for other in names - {system})
            elif line.kind == "edit":
                before = owed.get(number, {}).get(system)
                out.setdefault(number, set()).update({system} if before is None else {system, before})
    return out


def _settle(
    cluster: Cluster, rule: FieldRule, systems: set[str], entity: EntityRule, fp: Fingerprinter, effects: Effects
) -> None:
    """Where all systems that we write show one number, that is it. Otherwise a person says what it is."""
    number = rule.number
    reg = cluster.regs[number]
    shown: dict[str, Value] = {}
    for binding in cluster.live():
        shadow = cluster.shadow(binding, number, fp)
        if shadow is not None:
            shown[binding.system] = shadow.val
    candidates = [_with_number(candidate, shown) for candidate in candidates_of(cluster, reg)]
    written = {system for system in shown if number in entity.links[system].pushes}
    values = list(dict.fromkeys(shown[system] for system in written))
    if systems <= written and len(values) == 1:
        text = "restored from a backup: what was counted in several systems since then is taken to be the same"
        _report(cluster, number, ReportKind.UNCERTAIN, ReportState.SETTLED, text, candidates, values[0], fp, effects)
        write(cluster, number, values[0], fp, effects)
    else:
        reg.hold = Hold.FROZEN
        cluster.changed = True
        cluster.touched.add(number)
        text = "restored from a backup: of what was counted since then, some may stand in several systems"
        _report(cluster, number, ReportKind.FROZEN, ReportState.OPEN, text, candidates, None, fp, effects)


def _with_number(candidate: Candidate, shown: dict[str, Value]) -> Candidate:
    """A step, shown as the whole number that stands in its system."""
    if candidate.system is None or candidate.system not in shown:
        return candidate
    return msgspec.structs.replace(candidate, value=shown[candidate.system])


def _report(
    cluster: Cluster, number: FieldNumber, kind: ReportKind, state: ReportState, text: str,
    candidates: Sequence[Candidate], chosen: Value, fp: Fingerprinter, effects: Effects,
) -> None:  # fmt: skip
    dots = [candidate.dot for candidate in candidates if candidate.dot is not None]
    effects.reports.append(
        Report(
            fp.of_dots(kind, cluster.id, number, dots), kind, cluster.id, number, state, list(candidates), chosen,
            state == ReportState.SETTLED, None, text,
        )
    )  # fmt: skip
