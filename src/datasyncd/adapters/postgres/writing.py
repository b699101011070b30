"""Writing: the transaction around a batch of writes, and what is known of it when it fails."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Outcome, Unknown, Write
from datasyncd.adapters.errors import Transient

from .batch import Batch
from .changes import Changes
from .selection import Selection
from .session import Sessions
from .table import verify
from .trouble import is_lost

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET CONSTRAINTS ALL IMMEDIATE"
"""Constraints that are checked at the commit elsewhere are checked here with each write, so that it is known whose
fault a refusal is, and the commit has nothing left to do."""


async def push(
    sessions: Sessions, selection: Selection, changes: Changes | None, writes: Sequence[Write]
) -> list[Outcome]:
    """Apply a batch of writes in one transaction; one outcome each.

    On crash: all of the batch or none of it. If the connection is lost while the commit is under way, every write is
    `Unknown`; before that, nothing was applied.
    """
    async with sessions.use(selection.table.shown) as connection:
        await connection.execute(_BEGIN if changes is None else f"{_BEGIN}; {changes.writes}")
        batch = Batch(connection, selection, writes)
        outcomes = await batch.apply()
        await verify(connection, selection.table, selection.names)
        try:
            done = await connection.execute("COMMIT")
        except Exception as error:
            if not is_lost(error):
                raise
            sessions.end(connection)
            return [Unknown(f"the connection was lost during the commit ({type(error).__name__})")] * len(outcomes)
        if done != "COMMIT":
            raise Transient(f"{selection.table.shown}: the server rolled the batch back")
        return outcomes
