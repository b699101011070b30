"""News: what a pull since a cursor shows, and the hints of a watch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from datasyncd.adapters.contract import Adapter, Hint
from datasyncd.adapters.testing.desk import pages


async def start(adapter: Adapter, object: str = "contacts") -> str:
    """The cursor of a complete pull."""
    last = (await pages(adapter, object))[-1]
    assert last.complete
    assert last.cursor is not None
    return last.cursor


async def news(adapter: Adapter, cursor: str, object: str = "contacts") -> tuple[set[str], set[str], str]:
    """What a pull since a cursor shows: keys of records, of those that are gone, and the next cursor."""
    found = await pages(adapter, object, cursor)
    assert not any(page.complete for page in found)
    there = {record.key for page in found for record in page.records}
    return there, {key for page in found for key in page.gone}, found[-1].cursor or cursor


@asynccontextmanager
async def hearing(adapter: Adapter) -> AsyncIterator[list[Hint]]:
    """The hints that a watch gives; it listens by now."""
    heard: list[Hint] = []

    async def listen() -> None:
        async for hint in adapter.watch("contacts"):
            heard.append(hint)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await hears(heard, 1)
        yield heard
        tasks.cancel_scope.cancel()


async def hears(heard: list[Hint], count: int) -> None:
    """Wait until there were so many hints."""
    with anyio.fail_after(8):
        while len(heard) < count:  # noqa: ASYNC110
            await anyio.sleep(0.01)
