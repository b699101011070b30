"""Promises 12 and 13: closing, and hints of changes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest

from datasyncd.adapters.contract import Adapter, Outcome
from datasyncd.adapters.errors import AdapterError, Unsupported

from .stage import PEOPLE, Stage, person
from .steps import opened, present, update


class LifetimePromises:
    """What an adapter does while it is open, and that nothing is left of it."""

    many: ClassVar[int]

    async def test_12_closing_frees_everything_at_any_moment(self, stage: Stage) -> None:
        await stage.insert({f"k{n:05}": person(stage, f"k{n:05}") for n in range(self.many)})
        await stage.open(PEOPLE).aclose()  # what is opened once a process is open now
        async with opened(stage) as adapter:
            await present(adapter, "k00000")
        before = open_files(), threads()

        for closing in (self._close_in_a_pull, self._close_in_a_push, self._close_in_a_watch):
            adapter = stage.open(PEOPLE)
            with anyio.fail_after(10):
                await closing(adapter)
                await adapter.aclose()

        with anyio.move_on_after(2):  # what ends in threads of the system's own takes a moment
            while open_files() != before[0] or not threads() <= before[1]:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert open_files() == before[0]
        assert threads() <= before[1]

    async def test_13_a_watch_hints_when_it_begins_and_at_each_change(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").watches:
                with pytest.raises(Unsupported):
                    await anext(aiter(adapter.watch("people")))
                return
            hints = aiter(adapter.watch("people"))
            with anyio.fail_after(5):
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
                with anyio.fail_after(5):
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
                assert len(outcomes) == 1
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


def open_files() -> int:
    """How many files and sockets this process has open; 0 where that cannot be told."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def threads() -> set[str]:
    """Names of the threads that belong to no pool of the event loop."""
    pools = ("asyncio_", "AnyIO worker")
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith(pools)}
