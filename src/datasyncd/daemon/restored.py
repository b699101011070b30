"""Restored: an old state took the place of a newer one, and the systems have moved on since.

They hold later edits, and writes and records of ours that this state knows nothing of. So for each entity,
until every system that it is read from has been read whole, nothing but opt-outs is written. What a complete
reading cannot tell is whether a record that is nowhere was never made or was deleted by somebody: the creates
that are owed at that moment wait for a person, in quarantine.
"""

from __future__ import annotations

from functools import partial

from datasyncd.reconcile import answer
from datasyncd.reconcile.delivery import creatable
from datasyncd.reconcile.effects import ReportKind
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.rules import EntityRule
from datasyncd.state.store import Store
from datasyncd.state.transaction import Tx

from .recount import recount
from .review.timestamp import timestamp

PREFIX = "restored:"
"""Of the settings that say so: behind it stands the entity; the value is the times of the backup and the restore."""
BATCH = 1_000


def mark(tx: Tx, entity: str, backup_at: int) -> None:
    """Note that an entity is to be read whole; `backup_at`: microseconds, the last commit in the backup."""
    tx.set_meta(PREFIX + entity, f"{backup_at} {tx.at}".encode())


def marked(tx: Tx) -> set[str]:
    """Entities that were not read whole since the state was restored."""
    return set(tx.metas(PREFIX))


def is_marked(tx: Tx, entity: str) -> bool:
    return tx.meta(PREFIX + entity) is not None


def unread(tx: Tx, entity: EntityRule) -> list[str]:
    """Systems that count for an entity and were not read whole yet, or of which records are still to be read."""
    return [
        link.system
        for link in entity.links.values()
        if link.pulls
        and (
            not tx.readings.cursor(link.system, link.object).last_complete_pull_at
            or tx.readings.fresh(link.system, link.object)
        )
    ]


async def settle(store: Store, entity: EntityRule) -> bool:
    """After a pull: if the entity has been read whole, let writes pass again. True: they do from now on.

    On crash: creates that were stopped stay so, and the rest follows with the next pull.
    """
    while True:
        done = await store.transact(partial(_settle, entity=entity, fp=store.fingerprints))
        if done is not None:
            return done


def _settle(tx: Tx, entity: EntityRule, fp: Fingerprinter) -> bool | None:
    """One transaction; None: there is more to do."""
    times = tx.meta(PREFIX + entity.name)
    if times is None or unread(tx, entity):
        return False
    backup_at, restored_at = map(int, times.split())
    if _stop_creates(tx, entity, backup_at, fp):
        return None
    recount(tx, entity, restored_at, fp)
    tx.drop_meta(PREFIX + entity.name)
    for link in entity.links.values():
        tx.outbox.wake(link.system, entity.name, tx.at)
    return True


def _stop_creates(tx: Tx, entity: EntityRule, backup_at: int, fp: Fingerprinter) -> bool:
    """Keep records from being made until a person says so, a batch at a time. False: none is left."""
    effects = tx.effects("restore")
    for link in entity.links.values():
        clusters = tx.clusters.load(tx.outbox.creates(link.system, entity.name, BATCH))
        for cluster in clusters.values():
            if creatable(cluster, entity, link, fp):
                reason = (
                    f"restored from a backup of {timestamp(backup_at)}: "
                    f"{link.system} may have had this record since then, and somebody may have deleted it"
                )
                answer.block(cluster, None, frozenset(), reason, ReportKind.REFUSED, link, fp, effects)
            cluster.rescan = True
            finish(cluster, entity, fp, effects)
        if clusters:
            tx.clusters.save(clusters.values(), tx.stamp)
            tx.records.write(effects, tx.run)
            return True
    return False
