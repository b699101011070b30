"""Writing: the transaction around a batch of writes, and what is known of it when it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from datasyncd.adapters.contract import Outcome, Unknown, Write
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.sql.table import Connection

from .batch import Batch
from .capture import Capture, own_of
from .changes import Changes
from .selection import Selection
from .session import Sessions
from .table import verify
from .trouble import is_lost

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET CONSTRAINTS ALL IMMEDIATE"
"""Constraints that are checked at the commit elsewhere are checked here with each write, so that it is known whose
fault a refusal is, and the commit has nothing left to do."""


_XID = "SELECT pg_current_xact_id_if_assigned()::text"
_XID_BITS = (1 << 32) - 1


async def push(
    sessions: Sessions,
    selection: Selection,
    changes: Changes | None,
    capture: Capture | None,
    writes: Sequence[Write],
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
            async with _ours(connection, capture, writes, outcomes):
                done = await connection.execute("COMMIT")
        except Exception as error:
            if not is_lost(error):
                raise
            sessions.end(connection)
            return [Unknown(f"the connection was lost during the commit ({type(error).__name__})")] * len(outcomes)
        if done != "COMMIT":
            raise Transient(f"{selection.table.shown}: the server rolled the batch back")
        return outcomes


@asynccontextmanager
async def _ours(
    connection: Connection, capture: Capture | None, writes: Sequence[Write], outcomes: Sequence[Outcome]
) -> AsyncIterator[None]:
    """A commit of ours: what the slot tells of it is no news. If it fails, it is."""
    own = {} if capture is None else own_of(writes, outcomes)
    xid = await connection.fetchval(_XID) if own else None
    if capture is None or xid is None:
        yield
        return
    number = int(xid) & _XID_BITS
    capture.ours(number, own)
    try:
        yield
    except BaseException:
        capture.feed.not_ours(number)
        raise
