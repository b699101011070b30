"""Calls that are under way, and can be cut short all at once: when a connection breaks, or is closed."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import anyio

Answer = TypeVar("Answer")


class CutShort(Exception):
    """It was under way: whether it had an effect is not known."""


class Calls:
    """Calls of one connection, or of one system."""

    def __init__(self) -> None:
        self._running: set[anyio.CancelScope] = set()

    async def run(self, work: Awaitable[Answer]) -> Answer:
        """Wait for an answer. Raises `CutShort`, and whatever the work raises."""
        scope = anyio.CancelScope()
        self._running.add(scope)
        try:
            with scope:
                return await work
        finally:
            self._running.discard(scope)
        raise CutShort

    def cut(self) -> None:
        for scope in self._running:
            scope.cancel()
