"""Merged: records that their system says live on in another one, since somebody merged the two there."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Moment, Moved
from datasyncd.reconcile.deletion import moved
from datasyncd.reconcile.effects import Effects
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.state.transaction import Tx

from .link import Link


def take(tx: Tx, link: Link, fp: Fingerprinter, began: Moment, answers: Sequence[Moved], effects: Effects) -> int:
    """End the bindings of these records; how many there were. What has changed in a survivor is read, too."""
    heads = tx.clusters.heads(link.system, link.object, [answer.key for answer in answers])
    clusters = tx.clusters.load({head.cluster_id for head in heads.values()})
    ended: list[str] = []
    again: list[str] = []
    for answer in answers:
        head = heads.get(answer.key)
        if head is None:
            continue
        cluster = clusters[head.cluster_id]
        if head.epoch > began.seq or cluster.open_attempt(link.system) is not None:
            # A write of ours is under way, or was after this was asked.
            again.append(answer.key)
            continue
        binding = next(b for b in cluster.bindings if b.id == head.id)
        moved(cluster, binding, answer.survivor, fp, effects, tx.stamp)
        finish(cluster, link.entity, fp, effects)
        ended.append(answer.survivor)
    tx.clusters.save(clusters.values(), tx.stamp)
    if ended or again:
        tx.readings.hint(link.system, link.object, [*ended, *again], tx.stamp, tx.at)
    return len(ended)
