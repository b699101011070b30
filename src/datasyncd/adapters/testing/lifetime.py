"""Promises 12 and 13: closing, and hints of changes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
import anyio.lowlevel

from datasyncd.adapters.contract import Adapter, Outcome
from datasyncd.adapters.errors import AdapterError, Unsupported

from .promise import Broken, NotPromised, expect, none, promise
from .stage import PEOPLE, Stage, person
from .steps import opened, present, update

SOON_S = 10.0
"""How long what should happen at once may take."""


class LifetimePromises:
    """What an adapter does while it is open, and that nothing is left of it."""

    soon_s: float = SOON_S
    """How long what should happen at once may take: longer where each call runs a program."""

    @promise
    async def test_12_closing_frees_everything_at_any_moment(self, stage: Stage) -> None:
        await stage.insert({f"k{n:05}": person(stage, f"k{n:05}") for n in range(stage.many)})
        await stage.open(PEOPLE).aclose()  # what is opened once a process is open now
        async with opened(stage) as adapter:
            await present(adapter, "k00000")
        before = open_files(), threads()

        for closing in (self._close_in_a_pull, self._close_in_a_push, self._close_in_a_watch):
            adapter = stage.open(PEOPLE)
            with _soon("a close in the middle of a call does not end", self.soon_s):
                await closing(adapter)
                await adapter.aclose()

        with anyio.move_on_after(2):  # what ends in threads of the system's own takes a moment
            while open_files() > before[0] or not threads() <= before[1]:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        left = open_files() - before[0]
        expect(left <= 0, f"{left} files and sockets are open when all was closed")
        none(threads() - before[1], "threads that run when all was closed")

    @promise
    async def test_13_a_watch_hints_when_it_begins_and_at_each_change(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").watches:
                try:
                    await anext(aiter(adapter.watch("people")))
                except Unsupported:
                    raise NotPromised("it tells of no changes as they happen") from None
                raise Broken("it says that it does not watch, and gives a hint")
            hints = aiter(adapter.watch("people"))
            with _soon("a watch gives no hint when it begins"):
                await anext(hints)
            told = anyio.Event()

            async def listen() -> None:
                async for _ in hints:  # `told` as it is by then
                    told.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                await anyio.sleep(0.2)
                told = anyio.Event()
                await stage.update("a", {"name": "new"})
                with _soon("a watch gives no hint of a change of somebody else's"):
                    await told.wait()
                tasks.cancel_scope.cancel()

    async def _close_in_a_pull(self, adapter: Adapter) -> None:
        async for _ in adapter.pull("people", None):
            await adapter.aclose()
            break

    async def _close_in_a_push(self, adapter: Adapter) -> None:
        async def push() -> None:
            try:
                write = await update(adapter, "k00000", {"name": "x"})
                outcomes: Sequence[Outcome] = await adapter.push("people", [write])
                expect(len(outcomes) == 1, f"{len(outcomes)} outcomes to one write")
            except AdapterError:
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(push)
            await anyio.lowlevel.checkpoint()
            await adapter.aclose()

    async def _close_in_a_watch(self, adapter: Adapter) -> None:
        if not adapter.capabilities("people").watches:
            return

        async def listen() -> None:
            try:
                async for _ in adapter.watch("people"):
                    pass
            except AdapterError:
                pass  # it may not have begun to listen

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await anyio.sleep(0.1)
            await adapter.aclose()


@contextmanager
def _soon(otherwise: str, soon_s: float = SOON_S) -> Iterator[None]:
    """Raises `Broken` after some seconds."""
    with anyio.move_on_after(soon_s) as scope:
        yield
    expect(not scope.cancelled_caught, f"{otherwise} within {soon_s:g} s")


def open_files() -> int:
    """How many files and sockets this process has open; 0 where that cannot be told."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def threads() -> set[str]:
    """Names of the threads that belong to no pool of the event loop."""
    pools = ("asyncio_", "AnyIO worker")
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith(pools)}
