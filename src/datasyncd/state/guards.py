"""Guards as stored: what was counted in the last hour, what is held, what was approved."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from datasyncd.reconcile.guards import Item
from datasyncd.reconcile.rules import WriteClass

MINUTE = 60_000_000
HOUR = 60 * MINUTE


class Guard(msgspec.Struct):
    """A mass change that waits for a person, or did."""

    id: int
    system: str
    entity: str
    write_class: WriteClass
    source: bool
    """Whether the system seems to have lost or blanked the values; otherwise it would be written."""
    bound: int
    since: int
    state: str
    count: int


class Guards:
    """Tables guard, guard_item, guard_count."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def count(self, system: str, entity: str, write_class: WriteClass, source: bool, n: int, at: int) -> None:
        """Add to what is counted in this minute."""
        if n:
            self._db.execute(
                "INSERT INTO guard_count VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (system, entity, int(write_class), source, at // MINUTE, n),
            )
            self._db.execute("DELETE FROM guard_count WHERE minute < ?", ((at - HOUR) // MINUTE,))

    def counted(self, system: str, entity: str, source: bool, at: int) -> dict[WriteClass, int]:
        """What was counted in the last hour, by class."""
        rows = self._db.execute(
            "SELECT class, sum(n) FROM guard_count WHERE system = ? AND entity = ? AND source = ? AND minute >= ?"
            " GROUP BY class",
            (system, entity, source, (at - HOUR) // MINUTE),
        )
        return {WriteClass(row[0]): row[1] for row in rows}

    def all(self, state: str | None = "held") -> list[Guard]:
        """Guards in a state, oldest first."""
        rows = self._db.execute(
            "SELECT id, system, entity, class, source, bound, since, state,"
            " (SELECT count(*) FROM guard_item i WHERE i.guard_id = guard.id)"
            " FROM guard WHERE ?1 IS NULL OR state = ?1 ORDER BY id",
            (state,),
        )
        return [Guard(r[0], r[1], r[2], WriteClass(r[3]), bool(r[4]), r[5], r[6], r[7], r[8]) for r in rows]

    def held(self, system: str, entity: str, write_class: WriteClass, source: bool) -> int | None:
        """The guard that holds this class now."""
        row = self._db.execute(
            "SELECT id FROM guard WHERE system = ? AND entity = ? AND class = ? AND source = ? AND state = 'held'",
            (system, entity, int(write_class), source),
        ).fetchone()
        return None if row is None else int(row[0])

    def hold(
        self, id: int, system: str, entity: str, write_class: WriteClass, source: bool, bound: int, at: int
    ) -> None:
        self._db.execute(
            "INSERT INTO guard VALUES (?, ?, ?, ?, ?, ?, ?, 'held')",
            (id, system, entity, int(write_class), source, bound, at),
        )

    def add(self, guard_id: int, items: Iterable[Item]) -> None:
        """Add to what a guard holds."""
        self._db.executemany(
            "INSERT OR IGNORE INTO guard_item VALUES (?, ?, ?, ?, ?)",
            [
                (guard_id, i.cluster_id, int(i.write_class), -1 if i.field is None else i.field, i.contexts)
                for i in items
            ],
        )

    def items(self, guard_id: int) -> list[Item]:
        """What a guard holds, in order."""
        rows = self._db.execute(
            "SELECT cluster_id, class, field, contexts FROM guard_item WHERE guard_id = ?"
            " ORDER BY cluster_id, class, field, contexts",
            (guard_id,),
        )
        return [Item(r[0], WriteClass(r[1]), None if r[2] == -1 else r[2], r[3]) for r in rows]

    def approved(self, item: Item) -> bool:
        """Whether a person let exactly this write pass."""
        row = self._db.execute(
            "SELECT 1 FROM guard_item i JOIN guard g ON g.id = i.guard_id AND g.state = 'approved'"
            " WHERE i.cluster_id = ? AND i.class = ? AND i.field = ? AND i.contexts = ?",
            (item.cluster_id, int(item.write_class), -1 if item.field is None else item.field, item.contexts),
        ).fetchone()
        return row is not None

    def set_state(self, guard_id: int, state: str) -> None:
        """approved, or over."""
        self._db.execute("UPDATE guard SET state = ? WHERE id = ?", (state, guard_id))
