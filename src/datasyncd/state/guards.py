"""Guards as stored: what was counted in the last hour, what is held, what was approved."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import TypeAlias

import msgspec

from datasyncd.reconcile.guards import Item
from datasyncd.reconcile.rules import FieldNumber, WriteClass

MINUTE = 60_000_000
HOUR = 60 * MINUTE


Seen: TypeAlias = tuple[int, FieldNumber | None]
"""What is counted: a cluster, and the field that was blanked, where it is one."""


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
    """Writes that it holds: of each field one, of a record that is made or deleted one."""
    records: int
    """To which they are."""


class Guards:
    """Tables guard, guard_item, guard_seen."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def count(
        self, system: str, entity: str, write_class: WriteClass, source: bool, seen: Collection[Seen], at: int
    ) -> None:
        """Note what is counted now; what is known of already counts from now on."""
        if seen:
            key = (system, entity, int(write_class), source)
            minute = at // MINUTE
            self._db.executemany(
                "INSERT INTO guard_seen VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET minute = excluded.minute",
                [(*key, cluster, -1 if field is None else field, minute) for cluster, field in seen],
            )
            self._db.execute(
                "DELETE FROM guard_seen WHERE system = ? AND entity = ? AND class = ? AND source = ? AND minute < ?",
                (*key, (at - HOUR) // MINUTE),
            )

    def put_right(self, system: str, entity: str, write_class: WriteClass, seen: Collection[Seen]) -> None:
        """Count these no longer: their source has put them right."""
        if not seen:
            return
        self._db.executemany(
            "DELETE FROM guard_seen WHERE system = ? AND entity = ? AND class = ? AND source = 1"
            " AND cluster_id = ? AND field = ?",
            [(system, entity, int(write_class), cluster, -1 if field is None else field) for cluster, field in seen],
        )

    def counted(self, system: str, entity: str, write_class: WriteClass, source: bool, at: int) -> int:
        """How many records were counted in the last hour."""
        row = self._db.execute(
            "SELECT count(DISTINCT cluster_id) FROM guard_seen"
            " WHERE system = ? AND entity = ? AND class = ? AND source = ? AND minute >= ?",
            (system, entity, int(write_class), source, (at - HOUR) // MINUTE),
        ).fetchone()
        return int(row[0])

    def sent(self, system: str, entity: str, write_class: WriteClass, at: int) -> int:
        """How many records were written in the last hour to which no write of the class waits now."""
        row = self._db.execute(
            "SELECT count(*) FROM guard_seen s WHERE system = ?1 AND entity = ?2 AND class = ?3 AND source = 0"
            " AND minute >= ?4 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.cluster_id = s.cluster_id"
            " AND o.system = ?1 AND o.classes & ?3)",
            (system, entity, int(write_class), (at - HOUR) // MINUTE),
        ).fetchone()
        return int(row[0])

    def all(self, state: str | None = "held") -> list[Guard]:
        """Guards in a state, oldest first."""
        rows = self._db.execute(
            "SELECT id, system, entity, class, source, bound, since, state,"
            " (SELECT count(*) FROM guard_item i WHERE i.guard_id = guard.id),"
            " (SELECT count(DISTINCT cluster_id) FROM guard_item i WHERE i.guard_id = guard.id)"
            " FROM guard WHERE ?1 IS NULL OR state = ?1 ORDER BY id",
            (state,),
        )
        return [Guard(r[0], r[1], r[2], WriteClass(r[3]), bool(r[4]), *r[5:]) for r in rows]

    def held(self, system: str, entity: str, write_class: WriteClass, source: bool) -> int | None:
        """The guard that holds this class now."""
        row = self._db.execute(
            "SELECT id FROM guard WHERE system = ? AND entity = ? AND class = ? AND source = ? AND state = 'held'",
            (system, entity, int(write_class), source),
        ).fetchone()
        return None if row is None else int(row[0])

    def keeps(self, system: str, entity: str) -> bool:
        """Whether a system seems to have lost records of which nothing is concluded yet: a guard holds that, or a
        person let it pass and no pull has seen it since."""
        row = self._db.execute(
            "SELECT 1 FROM guard g WHERE g.system = ?1 AND g.entity = ?2 AND g.class = ?3 AND g.source = 1"
            " AND (g.state = 'held' OR (g.state = 'approved' AND EXISTS (SELECT 1 FROM guard_item i"
            " JOIN binding b ON b.cluster_id = i.cluster_id AND b.system = ?1 AND b.life = 0 WHERE i.guard_id = g.id)))"
            " LIMIT 1",
            (system, entity, int(WriteClass.DELETE)),
        ).fetchone()
        return row is not None

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
