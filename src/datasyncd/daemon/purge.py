"""Purge: once a day, what has been over for long is forgotten, so that the state does not grow for ever.

Reports are kept for 400 days after they ended, and people whose records are all deleted for 90 (longer where a system
may still tell of them). The history of people who are there, and the evidence of consents, are kept.

On crash: each transaction is whole in itself, and the next day goes on.
"""

from __future__ import annotations

from functools import partial

import msgspec

from datasyncd.reconcile.rules import MICROSECONDS, EntityRule
from datasyncd.state.store import Store
from datasyncd.state.transaction import Tx

from .review import quarantine
from .review.terms import Terms

EVERY_S = 86_400.0
REPORTS_US = 400 * 86_400 * MICROSECONDS
"""How long a report is kept after it ended, and a start of the daemon, or a mass change that is over or approved."""
BATCH = 500
"""Rows of one transaction: others wait no longer than for a page."""


class Purged(msgspec.Struct):
    """What a purge forgot."""

    reports: int = 0
    clusters: int = 0


async def purge(store: Store, terms: Terms) -> Purged:
    """Forget what is over, batch by batch."""
    purged = Purged()
    while deleted := await store.transact(partial(_reports, terms=terms)):
        purged.reports += deleted
    for rule in terms.rules.values():
        after, more = 0, True
        while more:
            after, forgotten = await store.transact(partial(_tombstones, rule=rule, after=after))
            purged.clusters += forgotten
            more = after > 0
    while await store.transact(lambda tx: tx.retention.guards(tx.at - REPORTS_US, BATCH)):
        pass
    read = {(system, link.object) for rule in terms.rules.values() for system, link in rule.links.items()}
    # A link that comes back reads its object whole, since the rules are others then.
    while await store.transact(lambda tx: tx.retention.hints(read, BATCH)):
        pass
    await store.transact(lambda tx: tx.retention.runs(tx.at - REPORTS_US))
    return purged


def _reports(tx: Tx, terms: Terms) -> int:
    return tx.retention.reports(tx.at - REPORTS_US, quarantine.dropped_notes(tx, terms), BATCH)


def _tombstones(tx: Tx, rule: EntityRule, after: int) -> tuple[int, int]:
    return tx.retention.tombstones(rule.name, tx.at - tombstone_us(rule), after, BATCH)


def tombstone_us(rule: EntityRule) -> int:
    """How long a person is remembered whose records are all deleted."""
    return max(rule.tombstone_us, *(link.late_us + link.search_lag_us for link in rule.links.values()), 0)
