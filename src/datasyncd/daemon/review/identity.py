"""Identity: a person merges two records that are one, or takes a record out of one that it does not belong to."""

from __future__ import annotations

import msgspec

from datasyncd.reconcile import membership
from datasyncd.reconcile.choice import Refused
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.effects import Entry
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.rules import EntityRule
from datasyncd.state.transaction import Tx

from .keys import cluster_named
from .refusal import Misused, Unable, unknown
from .terms import Terms


class Merged(msgspec.Struct):
    """Two records that are one now."""

    entity: str
    id: int
    """Our id of the one that stays."""
    records: list[str]
    """All that belong to it, as SYSTEM:ID."""
    conflicts: int
    """Fields in which they differ and that wait for a person."""


class Split(msgspec.Struct):
    """A record that stands alone now."""

    entity: str
    record: str
    """SYSTEM:ID."""
    id: int
    """Our id of it."""
    left: list[str]
    """What stays together, as SYSTEM:ID."""


def merge(tx: Tx, terms: Terms, entity: str, key: str, other: str, *, by: str) -> Merged:
    """Make one of two. Raises `Misused`, `Unable`."""
    rule = _rule(terms, entity)
    one, two = cluster_named(tx, terms, rule, key), cluster_named(tx, terms, rule, other)
    clusters = tx.clusters.load([one.id, two.id])
    into, gone = clusters[one.id], clusters[two.id]
    pairs = [(a.id, b.id) for a in into.bindings for b in gone.bindings]
    effects = tx.effects(f"merge by {by}")
    undoes = tx.records.told_apart(pairs)
    tx.records.told_one(pairs)
    undoes = undoes and not tx.records.are_apart(binding.id for c in (into, gone) for binding in c.bindings)
    try:
        membership.merge(into, gone, rule, terms.fp, effects, undoes=undoes)
    except Refused as refusal:
        raise Unable(f"{entity}: {refusal}") from None
    finish(into, rule, terms.fp, effects)
    tx.clusters.save([into, gone], tx.stamp)
    tx.records.write(effects, tx.run)
    tx.records.file_under(gone.id, into.id)
    tx.records.log([Entry(gone.id, "merged", None, 0, effects.cause)], tx.at, tx.run)
    waits = sum(report.kind == "conflict" and report.state == "open" for report in effects.reports)
    return Merged(entity, into.id, _records(into), waits)


def split(tx: Tx, terms: Terms, entity: str, record: str, *, by: str) -> Split:
    """Take one record, SYSTEM:ID, out of what it was taken for. Raises `Misused`, `Unable`."""
    rule = _rule(terms, entity)
    system, _, ext_id = record.partition(":")
    cluster = cluster_named(tx, terms, rule, record)
    binding = cluster.binding_in(system)
    if binding is None or binding.ext_id != ext_id:
        raise Misused(f'"{record}" names no record; expected SYSTEM:ID, one of: {", ".join(_records(cluster))}')
    effects = tx.effects(f"split by {by}")
    try:
        alone = membership.unmerge(cluster, binding, tx.next(), terms.fp, effects)
    except Refused as refusal:
        raise Unable(f"{entity}: {refusal}") from None
    finish(cluster, rule, terms.fp, effects)
    binding.epoch = tx.stamp
    tx.clusters.save([cluster, alone], tx.stamp)
    tx.records.write(effects, tx.run)
    tx.records.tell_apart([(binding.id, other.id) for other in cluster.live()])
    tx.readings.hint(binding.system, binding.object, [binding.ext_id], tx.stamp, tx.at)
    return Split(entity, record, alone.id, _records(cluster))


def _rule(terms: Terms, entity: str) -> EntityRule:
    if entity not in terms.rules:
        raise unknown("entity", entity, terms.rules)
    return terms.rules[entity]


def _records(cluster: Cluster) -> list[str]:
    return [f"{binding.system}:{binding.ext_id}" for binding in cluster.live()]
