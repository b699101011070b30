"""Listening: the notes are looked at every moment, since neither server tells of them by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from datasyncd.adapters.contract import Hint

from .changes import Changes
from .session import Sessions

POLL_S = 0.25
"""How often the highest number of the notes is asked for."""
GAP_LOOKS = 4
"""After so many looks, those numbers are asked for again that were missing."""
LOOKS = 20
"""After so many, also whether the table was emptied, or another one took its place."""


async def listen(sessions: Sessions, changes: Changes) -> AsyncIterator[Hint]:
    """A hint at once, and one after each change of the object.

    Raises `Transient` when the connection is lost: what is changed until somebody listens again is in the notes.
    """
    async with sessions.listening() as connection:
        mark, looks = await changes.begin(connection, _now()), 0
        empty = await changes.is_empty(connection)
        yield Hint()
        while True:
            await anyio.sleep(POLL_S)
            looks += 1
            if await changes.top(connection) == mark.n and not (mark.gaps and looks % GAP_LOOKS == 0) and looks < LOOKS:
                continue
            looks = 0
            was_empty, empty = empty, await changes.is_empty(connection)
            if not await changes.is_known(connection, mark, _now()):
                mark = await changes.begin(connection, _now())
                yield Hint()
                continue
            ahead = await changes.ahead(connection, mark, _now())
            noted = await changes.between(connection, mark, ahead, 0)
            mark = ahead
            if noted.keys or (empty and not was_empty):
                yield Hint()


def _now() -> int:
    """Microseconds of a clock that only goes on."""
    return round(anyio.current_time() * 1e6)
