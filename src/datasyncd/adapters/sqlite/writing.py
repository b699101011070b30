"""Writing: the transaction around a batch of writes, and what is known of it when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from datasyncd.adapters.contract import ObjectSpec, Outcome, Unknown, Write

from .batch import Batch, Undone
from .connection import Outdated
from .refusal import missing_row
from .selection import Selection
from .table import table_of
from .trouble import is_full, is_lock


class Applied(msgspec.Struct):
    """What a push did."""

    outcomes: list[Outcome]
    alone: bool
    """Nothing changed but the rows of these writes, and each of them is known."""


def apply(
    connection: sqlite3.Connection,
    spec: ObjectSpec,
    selection: Selection,
    writes: Sequence[Write],
    still_there: Callable[[], bool],
) -> Applied:
    """`push`, and whether triggers or foreign keys changed more than it did itself."""
    before, tally = connection.total_changes, Tally()
    outcomes = push(connection, spec, selection, writes, still_there, tally)
    known = not any(isinstance(outcome, Unknown) for outcome in outcomes)
    return Applied(outcomes, known and connection.total_changes - before == tally.rows)


class Tally(msgspec.Struct):
    """Rows that the statements of a push changed themselves."""

    rows: int = 0


def push(
    connection: sqlite3.Connection,
    spec: ObjectSpec,
    selection: Selection,
    writes: Sequence[Write],
    still_there: Callable[[], bool],
    tally: Tally,
) -> list[Outcome]:
    """Apply a batch of writes; one outcome each.

    On crash: all of the batch or none of it; SQLite's journal decides at the next opening. If the file was replaced
    while the batch was committed, or the commit failed in a way that proves nothing, every write is `Unknown`.
    """
    refused: dict[int, Outcome] = {}
    singly = False
    while True:
        try:
            return _transaction(Batch(connection, spec, selection, writes, refused), singly, still_there, tally)
        except Undone as undone:
            singly = True
            if undone.index is not None:
                refused[undone.index] = undone.outcome
        except sqlite3.IntegrityError:  # of the commit: a foreign key that is checked only there
            if len(writes) == 1:
                return [missing_row(connection, table_of(connection, spec.object), writes[0])]
            return _each_alone(connection, spec, selection, writes, still_there, tally)


def _transaction(batch: Batch, singly: bool, still_there: Callable[[], bool], tally: Tally) -> list[Outcome]:
    connection = batch.connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = batch.apply(singly)
        tally.rows += batch.rows
        if not still_there():
            raise Outdated
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if is_lock(error) or is_full(error) or isinstance(error, sqlite3.IntegrityError):
                raise  # nothing of it was committed
            return [Unknown(f"the commit failed: {error.sqlite_errorname}")] * len(outcomes)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return outcomes if still_there() else [Unknown("the file was replaced meanwhile")] * len(outcomes)


def _each_alone(
    connection: sqlite3.Connection,
    spec: ObjectSpec,
    selection: Selection,
    writes: Sequence[Write],
    still_there: Callable[[], bool],
    tally: Tally,
) -> list[Outcome]:
    """A transaction a write. Once one was committed, the call no longer fails as a whole."""
    outcomes: list[Outcome] = []
    for write in writes:
        try:
            outcomes += push(connection, spec, selection, [write], still_there, tally)
        except (sqlite3.Error, Outdated):
            if not outcomes:
                raise
            outcomes.append(Unknown("the database failed in the middle of the batch"))
    return outcomes
