"""Listening: a connection of its own that hears of changes as soon as they are committed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from datasyncd.adapters.contract import Hint
from datasyncd.adapters.errors import Transient

from .changes import Changes
from .session import Sessions

PING_S = 30.0
"""How often a connection that is silent is asked whether it is still there."""


async def listen(sessions: Sessions, changes: Changes) -> AsyncIterator[Hint]:
    """A hint at once, and one after each transaction that changed the object.

    Raises `Transient` when the connection is lost: what is changed until somebody listens again is in the notes.
    """
    news = anyio.Event()

    def hear(_connection: object, _process: int, _channel: str, payload: object) -> None:
        if payload == changes.payload:
            news.set()

    def end(_connection: object) -> None:
        news.set()

    async with sessions.listening() as connection:
        connection.add_termination_listener(end)
        await connection.add_listener(changes.channel, hear)
        while not connection.is_closed():
            yield Hint()
            while not news.is_set() and not connection.is_closed():
                with anyio.move_on_after(PING_S):
                    await news.wait()
                if not news.is_set():
                    await connection.fetchval("SELECT 1")
            news = anyio.Event()
    raise Transient(f"{sessions.place}: the connection that listens was lost")
