"""Capture: one object, by what a slot tells of it: pulls since a place in the server's log, and hints at each commit.

The stream tells which rows were changed; what they hold is read by key, so that a page is as new as any reading. While
the slot cannot be used, all rows are read instead, and hints stop: nothing is missed, it only comes later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio

from datasyncd.adapters.contract import Cursor, Hint, Key, Outcome, Page, Record, Write, Written
from datasyncd.adapters.errors import NotFound, Transient
from datasyncd.adapters.sql.keys import Parts
from datasyncd.adapters.sql.table import Connection

from .feed import Feed
from .pulling import Pulling
from .session import Sessions
from .slot import unpublished
from .table import Table
from .told import Own, Transaction
from .walsender import SlotUnusable

PING_S = 30.0
"""How often a stream that is silent is asked whether it is still there, and how it stands with the slot."""
BATCH = 1_000
"""Rows that are read by one statement."""


class Capture:
    """One object."""

    def __init__(self, feed: Feed, sessions: Sessions, object: str, table: Table, keys: tuple[str, ...]) -> None:
        self.feed = feed
        self._sessions = sessions
        self._object = object
        self._table = table
        self._keys = keys
        self._looked_at = float("-inf")
        """When the publication was looked at."""

    async def missing(self, connection: Connection) -> str:
        """What keeps the slot from telling all changes of the table, with the statement that would; "": nothing."""
        missing = await unpublished(connection, self.feed.publication, self._table, self._keys)
        self._looked_at = anyio.current_time()
        return missing

    # Pulls

    async def pages(self, pulling: Pulling, since: Cursor | None) -> AsyncIterator[Page]:
        """What was changed since a cursor, or everything. Raises `NotFound` if not all changes are told."""
        cursor: Cursor | None = None
        try:
            await self._look()
            front = await self.feed.front(self._object)
            place = self.feed.place_of(since, front)
            if place is None:
                await self._look(at_once=True)
        except SlotUnusable as error:
            self.feed.concern = str(error)
        else:
            cursor = self.feed.cursor(front)
            if place is not None:
                self.feed.commit(self._object, place)
                news = [transaction for transaction in front.transactions if transaction.end > place]
                if not any(self._table.id in transaction.anything for transaction in news):
                    if not news and not self.feed.is_far(place):
                        cursor = None
                    async for page in self._changed(pulling, news, cursor):
                        yield page
                    return
        async for page in pulling.everything(cursor):
            yield page

    async def _look(self, *, at_once: bool = False) -> None:
        """Look how it stands with the slot and the publication, now and then. Raises `SlotUnusable`, `NotFound`."""
        if not at_once and anyio.current_time() - self._looked_at < PING_S:
            return
        await self.feed.look()
        async with self._sessions.use(self._table.shown) as connection:
            if missing := await self.missing(connection):
                raise NotFound(missing)

    async def _changed(
        self, pulling: Pulling, news: Sequence[Transaction], cursor: Cursor | None
    ) -> AsyncIterator[Page]:
        """What there is now for the keys that were told."""
        async with self._sessions.use(self._table.shown) as connection:
            told = await self._foreign(connection, pulling, news)
            starts = range(0, max(len(told), 1), BATCH)
            pages = [await pulling.told(connection, told[:BATCH])]
        pages[0].cursor = cursor if len(starts) == 1 else None
        yield pages[0]
        for start in starts[1:]:
            async with self._sessions.use(self._table.shown) as connection:
                page = await pulling.told(connection, told[start : start + BATCH])
            page.cursor = cursor if start == starts[-1] else None
            yield page

    async def _foreign(self, connection: Connection, pulling: Pulling, news: Sequence[Transaction]) -> list[Parts]:
        """The keys that were told, but for those of which only we changed the rows, and to what we know."""
        table = self._table.id
        by_parts: dict[Parts, list[Transaction]] = {}
        for transaction in news:
            for parts in transaction.keys.get(table, ()):
                by_parts.setdefault(parts, []).append(transaction)
        if not any(map(self.feed.told.has_own, news)):
            return list(by_parts)
        keys: list[Key | None] = []
        told = list(by_parts)
        for start in range(0, len(told), BATCH):
            keys += await pulling.keys(connection, told[start : start + BATCH])
        return [
            parts
            for parts, key in zip(told, keys, strict=True)
            if any(self.feed.told.is_news(transaction, table, key, parts) for transaction in by_parts[parts])
        ]

    def ours(self, xid: int, own: Own) -> None:
        """A transaction of ours is about to be committed; what it made of these rows we know."""
        self.feed.ours(xid, self._object, own)

    # Hints

    async def hints(self) -> AsyncIterator[Hint]:
        """A hint at once, and one after each transaction of somebody else that changed the object; ends when the
        sessions are closed. Raises `Transient` when the stream is lost: what is changed then is in the slot.
        """
        feed, is_late = self.feed, False
        feed.listen(self._object)
        yield Hint()
        while not self._sessions.closed:
            try:
                await feed.open()
            except SlotUnusable as error:
                feed.concern, is_late = str(error), True
                await feed.news(self._object, PING_S)
                continue
            except Transient:
                if self._sessions.closed:
                    return
                raise
            if is_late:
                is_late = False
                yield Hint()
                continue
            is_quiet = not await feed.news(self._object, PING_S)
            if self._sessions.closed:
                return
            if is_quiet and feed.is_open:
                await self._ask()
            elif feed.is_open:
                yield Hint()
            elif isinstance(feed.error, SlotUnusable):
                feed.concern, is_late = str(feed.error), True
                await feed.news(self._object, PING_S)
            else:
                raise Transient(f"{self._sessions.place}: the stream of changes was lost")

    async def _ask(self) -> None:
        """After a silence: whether the server is still there, and how it stands with the slot."""
        if not await self.feed.is_alive():
            self.feed.close()
            return
        try:
            await self.feed.look()
        except SlotUnusable as error:
            self.feed.concern = str(error)
        except Transient:
            if not self._sessions.closed:
                raise


def own_of(writes: Sequence[Write], outcomes: Sequence[Outcome]) -> Own:
    """The keys of rows that a batch changed, and whose state after it is known: the image, or that there is none."""
    own: Own = {}
    for write, outcome in zip(writes, outcomes, strict=True):
        if not isinstance(outcome, Written):
            continue
        if write.op == "delete":
            own[outcome.key] = True
        elif isinstance(outcome.image, Record):
            own[outcome.key] = False
            if write.key is not None and write.key != outcome.key:
                own[write.key] = True
        else:
            own.pop(outcome.key, None)
    return own
