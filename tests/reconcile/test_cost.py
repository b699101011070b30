"""Cost: what is asked at each start does not grow with the number of records."""

from __future__ import annotations

import sqlite3

from datasyncd.daemon.simulation.states import InMemory
from datasyncd.state.clusters import Clusters
from datasyncd.state.shelf import Shelf


def _steps(db: sqlite3.Connection, records: int) -> int:
    """Steps of SQLite's machine that it takes to see that no record is missed."""
    db.execute("DELETE FROM binding")
    db.executemany(
        "INSERT INTO binding VALUES (?1, ?1, 'crm', 'people', ?1, 0, 'live', 0, x'', x'', NULL, 0, 0, x'')",
        [(number,) for number in range(records)],
    )
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1

    db.set_progress_handler(step, 1)
    try:
        assert not Clusters(db, Shelf()).suspects("crm", "people")
    finally:
        db.set_progress_handler(None, 1)
    return taken


def test_that_no_record_is_missed_is_seen_without_looking_at_the_others() -> None:
    db = InMemory().db

    assert 0 < _steps(db, 10) == _steps(db, 2_000)
