"""What is to be read, and up to where: hints (dirty records) and cursors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

PATIENCE = 8
"""Readings in vain after which a hint no longer keeps a `sync` from ending."""


class Dirty(msgspec.Struct, frozen=True):
    """A hint: this record may have changed."""

    ext_id: str
    generation: int
    tries: int
    hinted_at: int
    """Microseconds: the last time."""


class Cursor(msgspec.Struct, frozen=True):
    position: str | None
    last_complete_pull_at: int
    last_success_at: int


class Readings:
    """Tables dirty and cursor."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def hint(self, system: str, object: str, ext_ids: Iterable[str], generation: int, at: int) -> None:
        """Note that records may have changed; a repeated hint gets the newer generation."""
        self._db.executemany(
            "INSERT INTO dirty (system, object, ext_id, generation, lane, hinted_at, tries)"
            " VALUES (?, ?, ?, ?, 1, ?, 0)"
            " ON CONFLICT DO UPDATE SET generation = excluded.generation, hinted_at = excluded.hinted_at,"
            " tries = tries + 1",
            [(system, object, ext_id, generation, at) for ext_id in ext_ids],
        )

    def dirty(self, system: str, object: str, limit: int) -> list[Dirty]:
        """Records to be read, oldest hint first."""
        rows = self._db.execute(
            "SELECT ext_id, generation, tries, hinted_at FROM dirty WHERE system = ? AND object = ?"
            " ORDER BY lane, generation, ext_id LIMIT ?",
            (system, object, limit),
        )
        return [Dirty(*row) for row in rows]

    def generations(self, system: str, object: str) -> dict[str, int]:
        """All dirty records of an object with their generations."""
        rows = self._db.execute(
            "SELECT ext_id, generation FROM dirty WHERE system = ? AND object = ?", (system, object)
        )
        return {row[0]: row[1] for row in rows}

    def among(self, system: str, object: str, ext_ids: Sequence[str]) -> set[str]:
        """Those of some records that wait to be read."""
        rows = self._db.execute(
            "SELECT d.ext_id FROM json_each(?) k CROSS JOIN dirty d"
            " ON d.system = ? AND d.object = ? AND d.ext_id = k.value",
            (json.dumps(ext_ids), system, object),
        )
        return {row[0] for row in rows}

    def hinted(self, system: str, object: str) -> dict[str, int]:
        """When each dirty record of an object was hinted last, in microseconds."""
        rows = self._db.execute("SELECT ext_id, hinted_at FROM dirty WHERE system = ? AND object = ?", (system, object))
        return {row[0]: row[1] for row in rows}

    def done(self, system: str, object: str, read: Iterable[tuple[str, int]]) -> None:
        """These records were read at these generations; a newer hint stays."""
        rows = [(system, object, ext_id, generation) for ext_id, generation in read]
        if rows:
            self._db.executemany(
                "DELETE FROM dirty WHERE system = ? AND object = ? AND ext_id = ? AND generation = ?", rows
            )

    def cursor(self, system: str, object: str) -> Cursor:
        row = self._db.execute(
            "SELECT position, last_complete_pull_at, last_success_at FROM cursor WHERE system = ? AND object = ?",
            (system, object),
        ).fetchone()
        return Cursor(None, 0, 0) if row is None else Cursor(*row)

    def move(self, system: str, object: str, position: str | None, complete_at: int, success_at: int) -> None:
        """Set the cursor of a pull whose pages are all committed."""
        self._db.execute(
            "INSERT INTO cursor VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position,"
            " last_complete_pull_at = max(last_complete_pull_at, excluded.last_complete_pull_at),"
            " last_success_at = max(last_success_at, excluded.last_success_at)",
            (system, object, position, complete_at, success_at),
        )

    def forget(self, system: str | None = None, object: str | None = None) -> None:
        """The next pull is a complete one: of one object, or of all."""
        self._db.execute(
            "UPDATE cursor SET position = NULL WHERE ?1 IS NULL OR (system = ?1 AND object = ?2)", (system, object)
        )

    def begin_anew(self) -> None:
        """Forget how far each system was read: the next pull of each is a complete one."""
        self._db.execute("DELETE FROM cursor")

    def fresh(self, system: str, object: str) -> bool:
        """Whether a record waits to be read that was not read in vain before."""
        row = self._db.execute(
            "SELECT 1 FROM dirty WHERE system = ? AND object = ? AND tries < ? LIMIT 1", (system, object, PATIENCE)
        ).fetchone()
        return row is not None

    def counts(self) -> dict[tuple[str, str], int]:
        """Dirty records by system and object."""
        rows = self._db.execute("SELECT system, object, count(*) FROM dirty GROUP BY system, object")
        return {(row[0], row[1]): row[2] for row in rows}
