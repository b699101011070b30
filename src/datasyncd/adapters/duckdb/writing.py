"""Writing: the file opened for a batch of writes, and what is known of it when something fails."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Outcome, Unknown, Write

from .batch import Batch
from .selection import Selection
from .session import Sessions
from .table import verify
from .trouble import FAILURES


async def push(sessions: Sessions, selection: Selection, writes: Sequence[Write]) -> list[Outcome]:
    """Apply a batch of writes; one outcome each. Nobody else can write the file meanwhile.

    On crash: of each transaction all or nothing; DuckDB's log decides at the next opening. If the file was replaced
    meanwhile, or DuckDB fails once a commit was tried, every write is `Unknown`.
    """
    async with sessions.use(selection.table.shown) as connection:
        await verify(connection, selection.table, selection.names)
        batch = Batch(connection, selection, writes)
        try:
            outcomes = await batch.apply()
            if batch.is_begun:
                await connection.settle()
        except FAILURES as error:
            if not batch.is_begun:
                raise
            return [Unknown(f"DuckDB failed in the middle of the batch ({type(error).__name__})")] * len(writes)
        if not connection.is_still_there():
            return [Unknown("the file was replaced meanwhile")] * len(writes)
        return outcomes
