"""Patience with work that a thread has begun: a cancel waits for its end.

A thread cannot be stopped. If a cancelled caller left before the thread had finished, a write could land after the
caller had given up, and a delay of zero (`late_s`) would be a lie.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anyio

T = TypeVar("T")
P = ParamSpec("P")


async def to_its_end(work: Coroutine[Any, Any, T], hurry: Callable[[], object] | None = None) -> T:
    """Await `work`. On cancel: call `hurry`, wait until the work has ended either way, then be cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if hurry is not None and not task.done():
            hurry()
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # it is nobody's any more; asyncio would complain that nobody looked at it
        raise


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a worker thread, to its end."""
    return await to_its_end(asyncio.to_thread(function, *args, **kwargs))
