"""Outbox: which clusters owe which system a delivery. Level-triggered: a row says that, never what."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from datasyncd.reconcile.rules import WriteClass

from .shelf import Shelf

HELD = (1 << 62) - 1
"""`due_at` of a row that waits for an approval."""
LEFT_OUT = HELD + 1
"""`due_at` of a row that the run which is under way does not send; the next one does."""


class Outbox:
    """Table outbox, by system and entity."""

    def __init__(self, connection: sqlite3.Connection, shelf: Shelf) -> None:
        self._db = connection
        self._shelf = shelf

    def claim(self, system: str, entity: str, now: int, limit: int) -> list[int]:
        """Clusters that are due, opt-outs first. `limit` 0: all."""
        rows = self._db.execute(
            "SELECT cluster_id FROM outbox WHERE system = ? AND entity = ? AND lane = 0 AND due_at <= ?"
            " ORDER BY due_at, cluster_id LIMIT ?",
            (system, entity, now, limit or -1),
        ).fetchall()
        if limit == 0 or len(rows) < limit:
            rows += self._db.execute(
                "SELECT cluster_id FROM outbox WHERE system = ? AND entity = ? AND lane = 1 AND due_at <= ?"
                " ORDER BY due_at, cluster_id LIMIT ?",
                (system, entity, now, (limit - len(rows)) if limit else -1),
            ).fetchall()
        return [row[0] for row in rows]

    def postpone(
        self, system: str, clusters: Iterable[int], due_at: int, error: str = "", *, tried: bool = False
    ) -> None:
        """Try again at `due_at`. An error counts as a try, and keeps an edit from making the row due before."""
        numbers = list(clusters)
        if not numbers:
            return
        self._shelf.drop(numbers)
        self._db.executemany(
            "UPDATE outbox SET due_at = ?, tries = tries + ?, last_error = ? WHERE cluster_id = ? AND system = ?",
            [(due_at, 1 if error or tried else 0, error, cluster, system) for cluster in numbers],
        )

    def tries(self, system: str, clusters: Sequence[int]) -> int:
        """The highest number of tries among these rows."""
        row = self._db.execute(
            "SELECT coalesce(max(tries), 0) FROM outbox WHERE system = ?"
            " AND cluster_id IN (SELECT value FROM json_each(?))",
            (system, json.dumps(list(clusters))),
        ).fetchone()
        return int(row[0])

    def wake(self, system: str, entity: str, now: int) -> int:
        """Make rows that wait for an approval due; returns how many."""
        return self._set("due_at = ? WHERE system = ? AND entity = ? AND due_at = ?", now, system, entity, HELD)

    def retry(self, system: str, entity: str, now: int) -> None:
        """Make rows due that wait because their last try failed as a whole."""
        failed = "due_at = ? WHERE system = ? AND entity = ? AND last_error <> '' AND due_at < ? AND due_at > ?"
        self._set(failed, now, system, entity, HELD, now)

    def take_back(self, now: int) -> int:
        """Make rows that a run left out due; returns how many."""
        return self._set("due_at = ? WHERE due_at = ?", now, LEFT_OUT)

    def hurry(self, now: int) -> None:
        """Make due now whatever waits for its next try: what was tried before counts no longer."""
        self._set("due_at = ?, tries = 0, last_error = '' WHERE due_at < ?", now, HELD)

    def _set(self, what: str, *values: object) -> int:
        """Change rows of whatever clusters; returns how many."""
        count = self._db.execute(f"UPDATE outbox SET {what}", values).rowcount
        if count:
            self._shelf.clear()
        return count

    def creates(self, system: str, entity: str, limit: int) -> list[int]:
        """Clusters of which a record is to be made in a system, in order."""
        rows = self._db.execute(
            "SELECT cluster_id FROM outbox WHERE system = ? AND entity = ? AND classes & ? ORDER BY cluster_id LIMIT ?",
            (system, entity, int(WriteClass.CREATE), limit),
        )
        return [row[0] for row in rows]

    def next_due(self, system: str, entity: str) -> int | None:
        """When the next row is due; None: nothing but what is held."""
        row = self._db.execute(
            "SELECT min(due_at) FROM outbox WHERE system = ? AND entity = ? AND due_at < ?", (system, entity, HELD)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def classes(self, system: str, entity: str) -> dict[int, int]:
        """How many rows wait, by the classes of their writes (a bit set)."""
        rows = self._db.execute(
            "SELECT classes, count(*) FROM outbox WHERE system = ? AND entity = ? GROUP BY classes", (system, entity)
        )
        return {row[0]: row[1] for row in rows}

    def pending(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Rows by system and entity: how many are due some time, how many wait for an approval."""
        rows = self._db.execute(
            "SELECT system, entity, count(*), sum(due_at = ?) FROM outbox GROUP BY system, entity", (HELD,)
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def oldest(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
        """By system and entity: since when the oldest row that is not held has been due, and the most tries."""
        rows = self._db.execute(
            "SELECT system, entity, min(due_at), max(tries) FROM outbox WHERE due_at < ? GROUP BY system, entity",
            (HELD,),
        ).fetchall()
        return {(r[0], r[1]): r[2] for r in rows}, {(r[0], r[1]): r[3] for r in rows}
