"""Pulling: the pages of a pull, each read afresh: everything by key, or what changed since a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from datasyncd.adapters.contract import Cursor, Key, Moment, Page
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.sql import pulling
from datasyncd.adapters.sql.keys import Parts, key_of
from datasyncd.adapters.sql.table import Connection

from . import reading
from .changes import BEGIN, RENEWED_US, Changes, Mark, mark_of, position
from .selection import Selection
from .table import verify


class Pulling(pulling.Pulling[Selection, Changes]):
    """Pulls of one object."""

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor."""
        pages = super().pages(since) if self._changes is None else self._by_notes(self._changes, mark_of(since))
        async for page in pages:
            yield page

    async def _verify(self, connection: Connection) -> None:
        await verify(connection, self._selection.table, self._selection.names)

    async def _start(self, asked: Moment) -> Cursor | None:
        if self._changes is None:
            return await super()._start(asked)
        async with self._use() as connection:
            return position(Mark(self._changes.id, await self._changes.now(connection), asked.at))

    # By what triggers have noted

    async def _by_notes(self, changes: Changes, mark: Mark | None) -> AsyncIterator[Page]:
        asked, place, over = self._context.begin(), BEGIN, ""
        while True:
            async with self._use() as connection:
                if place == BEGIN and (missing := await changes.missing(connection)):
                    raise NotFound(missing)
                if mark is None or not await changes.is_known(connection, mark, asked.at):
                    break
                noted = await changes.since(connection, mark.xid, place)
                if noted.anything:
                    break
                # What is noted while these are read is read again the next time.
                over = over or noted.xid
                page = await self.told(connection, noted.keys)
                if not noted.more:
                    page.cursor = await self._after(connection, changes, mark, over, asked.at)
            yield page
            if not noted.more:
                return
            place = noted.place
        async for page in self._everything():
            yield page

    async def told(self, connection: Connection, parts: Sequence[Parts]) -> Page:
        """What there is now for keys that were told as changed."""
        began = self._context.begin()
        if not parts:
            return Page([], began)
        keys = [key for key in await self.keys(connection, parts) if key is not None]
        found = await reading.by_key(connection, self._selection, self._selection.by_key, parts)
        await self._verify(connection)
        return self._told(keys, found, began)

    async def _after(self, connection: Connection, changes: Changes, mark: Mark, over: str, now: int) -> Cursor | None:
        """The cursor after a pull. Nothing new leaves it as it is, so that a quiet pull costs nothing."""
        if not over and now - mark.at <= RENEWED_US:
            return None
        xid = over or await changes.now(connection)
        await changes.clear(connection, mark.xid)
        return position(Mark(changes.id, xid, now))

    async def keys(self, connection: Connection, parts: Sequence[Parts]) -> list[Key | None]:
        """Keys as records have them, of the texts that the server made of them elsewhere; None: of no row."""
        if self._selection.keys_are_told:
            return list(map(key_of, parts))
        lists = [list(part) for part in zip(*parts, strict=True)]
        return [key_of(tuple(row)) for row in await connection.fetch(self._selection.canonical, *lists)]
