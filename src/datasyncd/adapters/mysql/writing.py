"""Writing: the transaction around a batch of writes, and what is known of it when it fails."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Outcome, Unknown, Write

from .batch import Batch
from .changes import Changes
from .selection import Selection
from .session import Sessions
from .table import verify
from .trouble import is_unsure


async def push(
    sessions: Sessions, selection: Selection, changes: Changes | None, writes: Sequence[Write]
) -> list[Outcome]:
    """Apply a batch of writes in one transaction; one outcome each.

    On crash: all of the batch or none of it. If the connection is lost while the commit is under way, every write is
    `Unknown`; before that, nothing was applied.
    """
    async with sessions.use(selection.table.shown) as connection:
        await connection.execute("SET @datasyncd_writes = %s", None if changes is None else changes.writes)
        await connection.execute("START TRANSACTION")
        outcomes = await Batch(connection, selection, writes).apply()
        await verify(connection, selection.table, selection.names)
        try:
            await connection.execute("COMMIT")
        except Exception as error:
            if not is_unsure(error):
                raise
            sessions.end(connection)
            return [Unknown(f"the connection was lost during the commit ({type(error).__name__})")] * len(outcomes)
        return outcomes
