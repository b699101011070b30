"""Pulling: the pages of a pull, each read afresh: everything by key, or what changed since a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg

from datasyncd.adapters.contract import Context, Cursor, Key, Malformed, Native, Page, Record
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.mark import highest

from . import overlap, reading
from .changes import BEGIN, RENEWED_US, Changes, Mark, Noted, mark_of, position
from .keys import Parts, key_of
from .selection import Selection
from .session import Sessions
from .table import Connection, verify


class Pulling:
    """Pulls of one object."""

    def __init__(
        self, context: Context, sessions: Sessions, selection: Selection, changes: Changes | None, overlap: int
    ) -> None:
        """`overlap`: of an incremental pull by a cursor column, in microseconds."""
        self._context = context
        self._sessions = sessions
        self._selection = selection
        self._spec = selection.spec
        self._changes = changes
        self._overlap = overlap

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor."""
        seen = overlap.seen_in(since, self._spec.cursor)
        if self._changes is not None:
            pages = self._by_notes(self._changes, mark_of(since))
        elif seen:
            pages = self._by_cursor_column(seen)
        else:
            pages = self._everything()
        async for page in pages:
            yield page

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Rows, from a table that is what it was when it was described."""
        async with self._use() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            await verify(connection, self._selection.table, self._selection.names)
            return rows

    # Everything

    async def _everything(self) -> AsyncIterator[Page]:
        selection, column = self._selection, self._spec.cursor
        asked = self._context.begin()
        cursor: Cursor | None = None
        if self._changes is not None:
            async with self._use() as connection:
                cursor = position(Mark(self._changes.id, await self._changes.now(connection), asked.at))
        elif column is not None:
            newest = await self.fetch(selection.newest, reading.PAGE)
            mark = highest((value for (value,) in newest), asked.at)
            cursor = overlap.position(column, [], mark, asked.at, self._overlap)
        malformed: list[Malformed] = []
        if selection.has_keyless:
            ((count,),) = await self.fetch(selection.keyless)
            malformed = reading.keyless(selection, count)
        known: set[Key] = set()
        whole, sql = True, selection.first
        values: tuple[Native, ...] = ()
        while True:
            began = self._context.begin()
            batch = reading.batch_of(selection, await self.fetch(sql, *values, reading.PAGE + 1))
            if not selection.table.is_table:
                batch = reading.without_known(batch, known, selection)
            malformed += batch.malformed
            whole = whole and all(row.key is not None for row in malformed)
            if batch.last is None:
                yield Page(batch.records, began, cursor, whole, malformed)
                return
            yield Page(batch.records, began, malformed=malformed)
            sql, malformed = selection.after, []
            values = reading.begins_after(batch.last, self._spec.keys, selection)

    # By a cursor column

    async def _by_cursor_column(self, seen: overlap.Seen) -> AsyncIterator[Page]:
        selection, column = self._selection, self._spec.cursor
        assert column is not None
        asked = self._context.begin()
        mark = seen[-1][1]
        sql = selection.since
        values: tuple[Native, ...] = (reading.text_of(overlap.begin(seen, asked.at, self._overlap)),)
        while True:
            began = self._context.begin()
            batch = reading.batch_of(selection, await self.fetch(sql, *values, reading.PAGE + 1))
            newest = highest((record.fields[column] for record in reversed(batch.records)), began.at)
            mark = mark if newest is None else newest
            if batch.last is None:
                cursor = overlap.position(column, seen, mark, asked.at, self._overlap)
                yield Page(batch.records, began, cursor, malformed=batch.malformed)
                return
            yield Page(batch.records, began, malformed=batch.malformed)
            sql = selection.since_after
            values = reading.begins_after(batch.last, (column, *self._spec.keys), selection)

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
                page = await self._noted(connection, noted)
                if not noted.more:
                    page.cursor = await self._after(connection, changes, mark, over, asked.at)
            yield page
            if not noted.more:
                return
            place = noted.place
        async for page in self._everything():
            yield page

    async def _noted(self, connection: Connection, noted: Noted) -> Page:
        """What there is now for keys that were noted; those for which there is nothing are gone."""
        began = self._context.begin()
        if not noted.keys:
            return Page([], began)
        keys = await self._keys(connection, noted.keys)
        found = await reading.by_key(connection, self._selection, self._selection.by_key, noted.keys)
        await verify(connection, self._selection.table, self._selection.names)
        return Page(
            [row for row in found.values() if isinstance(row, Record)],
            began,
            malformed=[row for row in found.values() if isinstance(row, Malformed)],
            gone=[key for key in keys if key not in found],
        )

    async def _after(self, connection: Connection, changes: Changes, mark: Mark, over: str, now: int) -> Cursor | None:
        """The cursor after a pull. Nothing new leaves it as it is, so that a quiet pull costs nothing."""
        if not over and now - mark.at <= RENEWED_US:
            return None
        xid = over or await changes.now(connection)
        await changes.clear(connection, mark.xid)
        return position(Mark(changes.id, xid, now))

    async def _keys(self, connection: Connection, parts: Sequence[Parts]) -> list[Key]:
        """Keys as records have them, of the texts that a trigger made of them."""
        if self._selection.keys_are_told:
            rows = parts
        else:
            lists = [list(part) for part in zip(*parts, strict=True)]
            rows = [tuple(row) for row in await connection.fetch(self._selection.canonical, *lists)]
        return [key for row in rows if (key := key_of(row)) is not None]

    def _use(self) -> AbstractAsyncContextManager[Connection]:
        return self._sessions.use(self._selection.table.shown)
