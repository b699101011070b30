"""Pulling: the pages of a pull, each read afresh: everything by key, or what changed since a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from datasyncd.adapters.contract import Cursor, Moment, Page
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.sql import pulling
from datasyncd.adapters.sql.keys import key_of, native
from datasyncd.adapters.sql.reading import Row
from datasyncd.adapters.sql.selection import behind

from .batch import by_key
from .changes import RENEWED_US, Changes, Mark, mark_of, position
from .connection import Connection
from .selection import Selection
from .table import created, verify


class Pulling(pulling.Pulling[Selection, Changes]):
    """Pulls of one object."""

    def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor."""
        return super().pages(since) if self._changes is None else self._by_notes(self._changes, mark_of(since))

    async def _verify(self, connection: Connection) -> None:
        await verify(connection, self._selection.table, self._selection.names)

    async def _start(self, asked: Moment) -> Cursor | None:
        if self._changes is None:
            return await super()._start(asked)
        async with self._use() as connection:
            return position(await self._changes.begin(connection, asked.at))

    async def _everything(self) -> AsyncIterator[Page]:
        """Complete only if the table was not made anew meanwhile."""
        before = await self._created()
        async for page in super()._everything():
            page.complete = page.complete and before == await self._created()
            yield page

    async def _created(self) -> str:
        async with self._use() as connection:
            return await created(connection, self._selection.table)

    def _behind(self, row: Row, names: Iterable[str]) -> tuple[Any, ...]:
        return tuple(behind(super()._behind(row, names)))

    # By what triggers have noted

    async def _by_notes(self, changes: Changes, mark: Mark | None) -> AsyncIterator[Page]:
        asked, place = self._context.begin(), 0
        ahead: Mark | None = None
        while mark is not None:
            async with self._use() as connection:
                if ahead is None:
                    if missing := await changes.missing(connection):
                        raise NotFound(missing)
                    if not await changes.is_known(connection, mark, asked.at) or await changes.is_empty(connection):
                        break
                    ahead = await changes.ahead(connection, mark, asked.at)
                page, more, place = await self._noted(connection, changes, mark, ahead, place)
                if not more and _is_news(mark, ahead):
                    page.cursor = position(ahead)
                    await changes.clear(connection, mark)
            yield page
            if not more:
                return
        async for page in self._everything():
            yield page

    async def _noted(
        self, connection: Connection, changes: Changes, mark: Mark, ahead: Mark, place: int
    ) -> tuple[Page, bool, int]:
        """What there is now for some keys that were noted, whether more were, and where those begin."""
        noted = await changes.between(connection, mark, ahead, place)
        began = self._context.begin()
        found = await by_key(connection, self._selection, noted.keys)
        await self._verify(connection)
        columns = self._selection.keys
        keys = [key_of([native(part, c) for part, c in zip(parts, columns, strict=True)]) for parts in noted.keys]
        return self._told([key for key in keys if key is not None], found, began), noted.more, noted.place


def _is_news(mark: Mark, ahead: Mark) -> bool:
    """Whether a mark differs from the one before it, or is much newer: a quiet pull leaves the cursor as it is."""
    return (mark.n, mark.gaps) != (ahead.n, ahead.gaps) or ahead.at - mark.at > RENEWED_US
