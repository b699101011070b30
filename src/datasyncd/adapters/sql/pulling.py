"""Pulling: the pages of a pull, each read afresh: everything by key, or what changed since a cursor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, TypeVar

from datasyncd.adapters.contract import Context, Cursor, Key, Malformed, Moment, Native, Page, Record
from datasyncd.adapters.mark import highest

from . import overlap, reading
from .selection import Selection
from .session import Sessions
from .table import Connection

S = TypeVar("S", bound=Selection)
C = TypeVar("C")


class Pulling(ABC, Generic[S, C]):
    """Pulls of one object."""

    page: ClassVar[int] = reading.PAGE
    """Rows of a page."""

    def __init__(self, context: Context, sessions: Sessions, selection: S, changes: C | None, overlap: int) -> None:
        """`changes`: what notes the changes of the object; `overlap`: of an incremental pull by a cursor column, in
        microseconds."""
        self._context = context
        self._sessions = sessions
        self._changes = changes
        self._selection = selection
        self._spec = selection.spec
        self._overlap = overlap

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor."""
        seen = overlap.seen_in(since, self._spec.cursor)
        async for page in self._by_cursor_column(seen) if seen else self._everything():
            yield page

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """Rows, from a table that is what it was when it was described."""
        async with self._use() as connection:
            rows: list[Any] = await connection.fetch(sql, *values)
            await self._verify(connection)
            return rows

    @abstractmethod
    async def _verify(self, connection: Connection) -> None:
        """Raise `NotFound` if the table is no longer what it was when it was described."""

    def _use(self) -> AbstractAsyncContextManager[Connection]:
        return self._sessions.use(self._selection.table.shown)

    async def _start(self, asked: Moment) -> Cursor | None:
        """The cursor after a pull of everything that begins now."""
        column = self._spec.cursor
        if column is None:
            return None
        newest = await self.fetch(self._selection.newest, reading.PAGE)
        mark = highest((self._selection.native(column, value) for (value,) in newest), asked.at)
        return overlap.position(column, [], mark, asked.at, self._overlap)

    async def _everything(self) -> AsyncIterator[Page]:
        async for page in self.everything(await self._start(self._context.begin())):
            yield page

    async def everything(self, cursor: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys. `cursor`: the one after it, since which all is told that these pages may not show."""
        selection = self._selection
        malformed: list[Malformed] = []
        if selection.has_keyless:
            ((count,),) = await self.fetch(selection.keyless)
            malformed = reading.keyless(selection, count)
        known: set[Key] = set()
        whole, sql = True, selection.first
        values: tuple[Any, ...] = ()
        while True:
            began = self._context.begin()
            batch = reading.batch_of(selection, await self.fetch(sql, *values, self.page + 1), self.page)
            if not selection.table.is_table:
                batch = reading.without_known(batch, known, selection)
            malformed += batch.malformed
            whole = whole and all(row.key is not None for row in malformed)
            if batch.last is None:
                yield Page(batch.records, began, cursor, whole, malformed)
                return
            yield Page(batch.records, began, malformed=malformed)
            sql, malformed = selection.after, []
            values = self._behind(batch.last, self._spec.keys)

    async def _by_cursor_column(self, seen: overlap.Seen) -> AsyncIterator[Page]:
        selection, column = self._selection, self._spec.cursor
        assert column is not None
        asked = self._context.begin()
        mark = seen[-1][1]
        sql = selection.since
        values: tuple[Any, ...] = (selection.given(column, overlap.begin(seen, asked.at, self._overlap)),)
        while True:
            began = self._context.begin()
            batch = reading.batch_of(selection, await self.fetch(sql, *values, self.page + 1), self.page)
            newest = highest((record.fields[column] for record in reversed(batch.records)), began.at)
            mark = mark if newest is None else newest
            if batch.last is None:
                cursor = overlap.position(column, seen, mark, asked.at, self._overlap)
                yield Page(batch.records, began, cursor, malformed=batch.malformed)
                return
            yield Page(batch.records, began, malformed=batch.malformed)
            sql = selection.since_after
            values = self._behind(batch.last, (column, *self._spec.keys))

    def _told(self, keys: Sequence[Key], found: Mapping[Key, Record | Malformed], began: Moment) -> Page:
        """What there is now for keys that were told as changed; those for which there is nothing are gone."""
        return Page(
            [row for row in found.values() if isinstance(row, Record)],
            began,
            malformed=[row for row in found.values() if isinstance(row, Malformed)],
            gone=[key for key in keys if key not in found],
        )

    def _behind(self, row: reading.Row, names: Iterable[str]) -> tuple[Any, ...]:
        """The values of these columns in a row as those by which a statement goes on after it."""
        # A stamp may stand behind them.
        fields: dict[str, Native] = dict(zip(self._selection.names, row, strict=False))
        return tuple(self._selection.given(name, fields[name]) for name in names)
