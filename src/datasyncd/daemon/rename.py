"""Rename: a record's own key is also a mapped field, and somebody changed it there.

Seen from outside, one record went and another came. With all other fields equal, one to one, in one
complete pull, it is the same record under a new key. Anything else might be a delete and a new person, so
that nothing is deleted before somebody has looked.
"""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Moment, Record
from datasyncd.reconcile.cluster import Binding, Cluster, ClusterState
from datasyncd.reconcile.deletion import unseen
from datasyncd.reconcile.effects import Effects, Entry, Report, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.state.transaction import Tx

from .link import Link

Missing = tuple[int, int, str]


def settle(
    tx: Tx, link: Link, fp: Fingerprinter, began: Moment, came: Sequence[Record], missing: Sequence[Missing]
) -> list[Missing]:
    """Rename what can be told to be the same; hold the rest. Returns what may be treated as deleted: nothing
    that might be the other half of a new record."""
    kept_out = tx.records.quarantined_records(link.system, link.object)
    came = [record for record in came if record.key not in kept_out]
    if not came:
        return list(missing)
    clusters = tx.clusters.load({cluster for _binding, cluster, _ext_id in missing})
    effects = tx.effects("pull")
    gone: dict[tuple[tuple[int, bytes], ...], list[tuple[Cluster, Binding]]] = {}
    for binding_id, cluster_id, _ext_id in missing:
        cluster = clusters[cluster_id]
        binding = next(b for b in cluster.bindings if b.id == binding_id)
        gone.setdefault(_shape(cluster, binding, link, fp), []).append((cluster, binding))
    new: dict[tuple[tuple[int, bytes], ...], list[Record]] = {}
    for record in came:
        reading = link.reading(record, b"", began, tx.at, fp, by_id=False)
        shape = tuple(sorted((n, fp(v)) for n, v in reading.values.items() if n != link.rule.key_field))
        new.setdefault(shape, []).append(record)
    for shape, records in new.items():
        pairs = gone.get(shape, [])
        if len(records) == 1 and len(pairs) == 1:
            cluster, binding = pairs[0]
            binding.ext_id = records[0].key
            binding.digest = b""
            binding.changed = True
            effects.journal.append(Entry(cluster.id, "rename", link.system, binding.id, "pull"))
            del gone[shape]
    for pairs in gone.values():
        for cluster, binding in pairs:
            _hold(cluster, binding, link, fp, effects)
    tx.clusters.save(clusters.values(), tx.stamp)
    tx.records.write(effects, tx.run)
    return []


def _shape(cluster: Cluster, binding: Binding, link: Link, fp: Fingerprinter) -> tuple[tuple[int, bytes], ...]:
    """All that is known of a record but its key."""
    numbers = {*binding.body.shadow, *binding.body.shows} - {link.rule.key_field}
    shadows = {number: cluster.shadow(binding, number, fp) for number in sorted(numbers)}
    return tuple((number, shadow.fp) for number, shadow in shadows.items() if shadow is not None)


def _hold(cluster: Cluster, binding: Binding, link: Link, fp: Fingerprinter, effects: Effects) -> None:
    if cluster.state != ClusterState.LIVE:
        return
    cluster.state = ClusterState.HELD
    cluster.changed = True
    cluster.rescan = True
    effects.reports.append(
        Report(
            fp.of_dots(ReportKind.RENAME_OR_DELETE, cluster.id, None, [(binding.id, binding.incarnation, 0)]),
            ReportKind.RENAME_OR_DELETE, cluster.id, None, ReportState.OPEN,
            unseen(cluster, binding, link.entity), None, False, link.system,
            f"gone from {link.system} while new records came there: renamed or deleted cannot be told apart",
        )
    )  # fmt: skip
    finish(cluster, link.entity, fp, effects)
