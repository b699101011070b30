"""Transaction: everything that one step reads and writes, all of it or nothing."""

from __future__ import annotations

import sqlite3

from datasyncd.reconcile.effects import Effects

from .clusters import Clusters
from .guards import Guards
from .outbox import Outbox
from .readings import Readings
from .records import Records
from .retention import Retention
from .shelf import Shelf


class Tables:
    """What each group of tables can do, over one connection: the same for all of its transactions."""

    def __init__(self, connection: sqlite3.Connection, shelf: Shelf) -> None:
        self.connection = connection
        self.clusters = Clusters(connection, shelf)
        self.outbox = Outbox(connection, shelf)
        self.readings = Readings(connection)
        self.records = Records(connection, shelf)
        self.guards = Guards(connection)
        self.retention = Retention(connection)


class Tx:
    """One transaction over the state, as a step sees it. Not used after the step returns."""

    def __init__(self, tables: Tables, sequence: int, at: int, run: int) -> None:
        self._db = tables.connection
        self.sequence = sequence
        self.at = at
        """Microseconds: the time of this transaction."""
        self.run = run
        self._stamp = 0
        self.clusters = tables.clusters
        self.outbox = tables.outbox
        self.readings = tables.readings
        self.records = tables.records
        self.guards = tables.guards
        self.retention = tables.retention

    def next(self) -> int:
        """The next number of the global sequence: an id, never used before."""
        self.sequence += 1
        return self.sequence

    @property
    def stamp(self) -> int:
        """This transaction's place in the sequence: revision, epoch and generation of all that it changes."""
        if not self._stamp:
            self._stamp = self.next()
        return self._stamp

    def effects(self, cause: str) -> Effects:
        return Effects(self.at, cause)

    # Names and settings

    def field_number(self, entity: str, name: str) -> int:
        """The number of a field; a new name gets one that no field ever had."""
        row = self._db.execute("SELECT number FROM field WHERE entity = ? AND name = ?", (entity, name)).fetchone()
        if row is None:
            row = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM field").fetchone()
            self._db.execute("INSERT INTO field VALUES (?, ?, ?)", (entity, name, row[0]))
        return int(row[0])

    def entities(self) -> list[str]:
        """Every entity that this state has ever known."""
        rows = self._db.execute("SELECT entity FROM field UNION SELECT entity FROM cluster ORDER BY 1")
        return [row[0] for row in rows]

    def meta(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def set_meta(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def drop_meta(self, name: str) -> None:
        self._db.execute("DELETE FROM meta WHERE name = ?", (name,))

    def metas(self, prefix: str) -> list[str]:
        """What stands behind this prefix in the names of all settings that begin with it."""
        rows = self._db.execute(
            "SELECT substr(name, length(?1) + 1) FROM meta WHERE substr(name, 1, length(?1)) = ?1 ORDER BY 1", (prefix,)
        )
        return [row[0] for row in rows]

    def cluster_of(self, system: str, object: str, ext_id: str) -> int | None:
        """The cluster that a record belongs to, or last belonged to."""
        row = self._db.execute(
            "SELECT cluster_id FROM binding WHERE system = ? AND object = ? AND ext_id = ?"
            " ORDER BY life = 0 DESC, id DESC",
            (system, object, ext_id),
        ).fetchone()
        return None if row is None else int(row[0])
