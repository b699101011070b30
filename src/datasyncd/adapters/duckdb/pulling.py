"""Pulling: the pages of a pull, each read afresh: everything by key, or what changed since a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from datasyncd.adapters.contract import Context, Cursor, Moment, Page
from datasyncd.adapters.sql import pulling
from datasyncd.adapters.sql.reading import Row
from datasyncd.adapters.sql.selection import behind

from .connection import Connection
from .file import File
from .selection import Selection
from .session import Sessions
from .table import verify


class Pulling(pulling.Pulling[Selection, None]):
    """Pulls of one object."""

    page = 5_000
    """Opening the file costs more than a thousand rows."""

    def __init__(
        self,
        context: Context,
        sessions: Sessions,
        selection: Selection,
        overlap: int,
        file: File,
        standing: Callable[[], Awaitable[Cursor]],
    ) -> None:
        """`standing`: another text once anything in the object may have changed that we were not told."""
        super().__init__(context, sessions, selection, None, overlap)
        self._file = file
        self._standing = standing

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor."""
        if since is not None and self._spec.cursor is None:
            began = self._context.begin()
            if since == await self._standing():
                yield Page([], began, since, unchanged=True)
                return
        async for page in super().pages(since):
            yield page

    async def _verify(self, connection: Connection) -> None:
        await verify(connection, self._selection.table, self._selection.names)

    async def _start(self, asked: Moment) -> Cursor | None:
        """Of a view the keys may repeat, which is told by each complete pull."""
        if self._spec.cursor is not None:
            return await super()._start(asked)
        return await self._standing() if self._selection.table.is_table else None

    async def _everything(self) -> AsyncIterator[Page]:
        """Complete only if the file was not replaced meanwhile."""
        before: tuple[int, int] | None = None
        async for page in super()._everything():
            now = None if self._file.known is None else self._file.known.file
            before = before or now
            page.complete = page.complete and now == before
            if not page.complete and self._spec.cursor is None:
                page.cursor = None
            yield page

    def _behind(self, row: Row, names: Iterable[str]) -> tuple[Any, ...]:
        return tuple(behind(super()._behind(row, names)))
