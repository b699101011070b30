"""What tests of slots share: a database whose changes a slot tells, and words for what a pull shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from datasyncd.adapters.contract import Adapter, Hint, ObjectSpec
from datasyncd.adapters.testing.desk import opened, pages
from tests.servers.postgres import Database, streams_changes

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("name",))
OTHERS = ObjectSpec("others", "id", ())
TABLES = (
    "CREATE TABLE contacts (id integer PRIMARY KEY, name text, note text)",
    "CREATE TABLE others (id integer PRIMARY KEY)",
    "INSERT INTO contacts SELECT n, 'name ' || n FROM generate_series(1, 9) n",
)


async def made(database: Database) -> Database:
    """A database with two tables that a slot of its name tells of."""
    await database.run(*TABLES)
    await streams_changes(database, "contacts", "others")
    return database


def desk(
    shop: Database, *specs: ObjectSpec, user: str = "postgres", **more: Any
) -> AbstractAsyncContextManager[Adapter]:
    return opened("postgres", HERE, *(specs or (CONTACTS,)), dsn=shop.dsn(user), slot=shop.name, **more)


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


def place(cursor: str) -> int:
    """Where a cursor is in the server's log."""
    return int(json.loads(cursor)["slot"][3])


async def confirmed(shop: Database) -> int:
    """What the server was told to be needed no more."""
    sql = "SELECT (confirmed_flush_lsn - '0/0')::int8 FROM pg_replication_slots WHERE slot_name = $1"
    return int((await shop.rows(sql, shop.name))[0][0])


async def becomes(shop: Database, at_least: int) -> None:
    """Wait until the server has taken what it was told."""
    with anyio.fail_after(5):
        while await confirmed(shop) < at_least:  # noqa: ASYNC110
            await anyio.sleep(0.01)


@asynccontextmanager
async def hearing(adapter: Adapter) -> AsyncIterator[list[Hint]]:
    """The hints that a watch gives."""
    heard: list[Hint] = []

    async def listen() -> None:
        async for hint in adapter.watch("contacts"):
            heard.append(hint)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        with anyio.fail_after(5):
            while not heard:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        yield heard
        tasks.cancel_scope.cancel()
