"""Retention: what is over is forgotten after a while, a bounded part in each transaction.

    reports        settled or resolved, and not seen again since
    tombstones     clusters without a live record, with all that is known of them but the evidence of consents
    guards         mass changes that are over or were approved
    hints          of records that no link reads any more
    runs           starts of which the journal holds nothing any more

What people are owed (open reports, held sets, quarantine) and the evidence of consents stay for as long as they are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

_OF_CLUSTER = ("match_key", "binding", "outbox", "report", "journal", "guard_item")
"""Tables whose rows belong to one cluster, beside its own. A record that is kept out stays kept out without it."""


class Retention:
    """Deletes from all tables; returns how many rows of the first one went."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def reports(self, before: int, keep: Collection[bytes], limit: int) -> int:
        """Up to `limit` reports that ended before a time, those in `keep` left out."""
        return self._db.execute(
            "DELETE FROM report WHERE digest IN (SELECT digest FROM report WHERE state IN ('settled', 'resolved')"
            " AND last_at < ? AND hex(digest) NOT IN (SELECT value FROM json_each(?)) LIMIT ?)",
            (before, json.dumps([digest.hex().upper() for digest in keep]), limit),
        ).rowcount

    def tombstones(self, entity: str, before: int, after: int, limit: int) -> tuple[int, int]:
        """Look at the next `limit` clusters of an entity behind the id `after`; forget those that died before a time.

        One stays for as long as something happens to it: a write whose outcome is unknown, an open report. Returns
        the last id that was looked at, 0 at the end, and how many went.
        """
        rows = self._db.execute(
            "SELECT id, state FROM cluster WHERE entity = ? AND id > ? ORDER BY id LIMIT ?", (entity, after, limit)
        ).fetchall()
        dead = json.dumps([id for id, state in rows if state == "dead"])
        over = self._db.execute(
            "SELECT value FROM json_each(?1) WHERE (SELECT max(at) FROM journal WHERE cluster_id = value) < ?2"
            " AND NOT EXISTS (SELECT 1 FROM binding WHERE cluster_id = value AND life = 0)"
            " AND NOT EXISTS (SELECT 1 FROM attempt WHERE cluster_id = value)"
            " AND NOT EXISTS (SELECT 1 FROM report WHERE cluster_id = value AND state = 'open')",
            (dead, before),
        ).fetchall()
        if over:
            self._forget([id for (id,) in over])
        return (rows[-1][0] if len(rows) == limit else 0), len(over)

    def _forget(self, clusters: list[int]) -> None:
        ids = json.dumps(clusters)
        for binding in ("binding_a", "binding_b"):
            self._db.execute(
                f"DELETE FROM nomatch WHERE {binding} IN (SELECT id FROM binding WHERE cluster_id IN"
                " (SELECT value FROM json_each(?)))",
                (ids,),
            )
        for table in _OF_CLUSTER:
            self._db.execute(f"DELETE FROM {table} WHERE cluster_id IN (SELECT value FROM json_each(?))", (ids,))
        self._db.execute("DELETE FROM cluster WHERE id IN (SELECT value FROM json_each(?))", (ids,))

    def guards(self, before: int, limit: int) -> int:
        """Up to `limit` items of mass changes that no longer hold and began before a time; without items they go."""
        over = "SELECT id FROM guard WHERE state <> 'held' AND since < ?"
        key = "guard_id, cluster_id, class, field, contexts"
        gone = self._db.execute(
            f"DELETE FROM guard_item WHERE ({key}) IN"
            f" (SELECT {key} FROM guard_item WHERE guard_id IN ({over}) LIMIT ?)",
            (before, limit),
        ).rowcount
        if not gone:
            self._db.execute(f"DELETE FROM guard WHERE id IN ({over})", (before,))
        return gone

    def hints(self, read: Collection[tuple[str, str]], limit: int) -> int:
        """Up to `limit` hints in objects that are not among those `read`, by system and name."""
        known = json.dumps([list(each) for each in read])
        return self._db.execute(
            "DELETE FROM dirty WHERE (system, object, ext_id) IN (SELECT system, object, ext_id FROM dirty"
            " WHERE (system, object) NOT IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')"
            " FROM json_each(?)) LIMIT ?)",
            (known, limit),
        ).rowcount

    def runs(self, before: int) -> int:
        """Starts before a time, of which the journal has no line: its lines are in the order of the runs."""
        return self._db.execute(
            "DELETE FROM run WHERE started_at < ? AND id < coalesce((SELECT run FROM journal ORDER BY id LIMIT 1),"
            " (SELECT max(id) FROM run))",
            (before,),
        ).rowcount
