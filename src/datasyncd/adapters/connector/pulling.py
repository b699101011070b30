"""Pulling: runs of a connector as pages.

A complete pull is a run that reads the stream whole and ends well: its end is the proof that nothing is missing. With a
`cursor`, an incremental run comes before it, whose state is where the next pull begins: its own records may be too few,
since connectors leave out what has no value in that field, or an old one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any, cast

from datasyncd.adapters.contract import Cursor, Key, Malformed, Moment, ObjectSpec, Page, Record
from datasyncd.adapters.digest import ABSENT, row_digest

from .source import Event, Position, Replaced, Row, Source, State, Stream

PAGE = 500
"""Records of a page."""


class Rows:
    """Rows as records."""

    def __init__(self, spec: ObjectSpec) -> None:
        self._spec = spec

    def record(self, row: Row) -> Record | Malformed:
        """What a row is; its mapped fields alone."""
        key = self.key(row)
        if key is None:
            reason = f"the key {self._spec.key!r} is missing, or no text and no whole number"
            return Malformed(
                None, f"stream {self._spec.object}", reason, row_digest([json.dumps(row.fields, default=str)])
            )
        fields = {name: row.fields[name] for name in self._spec.columns if name in row.fields}
        return Record(key, fields, row_digest([fields.get(name, ABSENT) for name in self._spec.columns]))

    def key(self, row: Row) -> Key | None:
        value = row.fields.get(self._spec.key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return str(value) or None

    def page(self, rows: Iterable[Row], began: Moment) -> Page:
        there = [self.record(row) for row in rows if not row.deleted]
        return Page(
            [record for record in there if isinstance(record, Record)],
            began,
            malformed=[record for record in there if isinstance(record, Malformed)],
            gone=[key for row in rows if row.deleted and (key := self.key(row)) is not None],
        )


class Pulling:
    """Pulls of one stream."""

    def __init__(self, source: Source, stream: Stream, spec: ObjectSpec, begin: Callable[[], Moment]) -> None:
        self._source = source
        self._stream = stream
        self._spec = spec
        self._begin = begin
        self._rows = Rows(spec)

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """Everything, or what changed since a cursor; everything too if the connector says that all was replaced."""
        state, version = _read(since, self._spec.cursor)
        if state is None:
            async for page in self._everything():
                yield page
            return
        began, found, replaced = self._begin(), list[Row](), False
        async for event in self._run(self._spec.cursor, state):
            match event:
                case Row():
                    found.append(event)
                case Position():
                    state = event.state
                    if len(found) >= PAGE:
                        page, found = self._rows.page(found, began), []
                        page.cursor = self._position(state, version)
                        yield page
                case Replaced() if event.version != version:
                    replaced = True
            if len(found) >= 2 * PAGE:
                yield self._rows.page(found, began)
                found = []
        page = self._rows.page(found, began)
        if replaced:
            yield page
            async for each in self._everything():
                yield each
            return
        page.cursor = self._position(state, version)
        yield page

    async def _everything(self) -> AsyncIterator[Page]:
        state: State = None
        if self._spec.cursor is not None:
            async for event in self._run(self._spec.cursor, None):
                state = event.state if isinstance(event, Position) else state
        began, found, version = self._begin(), list[Row](), 0
        async for event in self._run(None, None):
            if isinstance(event, Row) and not event.deleted:
                found.append(event)
            elif isinstance(event, Replaced):
                version = event.version
            if len(found) == PAGE:
                yield self._rows.page(found, began)
                found = []
        page = self._rows.page(found, began)
        page.complete, page.cursor = True, self._position(state, version)
        yield page

    async def _run(self, cursor: str | None, state: State) -> AsyncIterator[Event]:
        run = self._source.run(self._stream, self._spec.columns, cursor, state)
        async with aclosing(cast("Any", run)) as events:
            async for event in events:
                yield event

    def _position(self, state: State, version: int) -> Cursor | None:
        return None if state is None else json.dumps([self._spec.cursor, version, state])


def _read(cursor: Cursor | None, column: str | None) -> tuple[State, int]:
    """The state that a cursor holds, and the version of what was read before; None: everything must be read."""
    if cursor is None or column is None:
        return None, 0
    try:
        name, version, state = json.loads(cursor)
    except (ValueError, TypeError):
        return None, 0
    return (state, int(version)) if name == column else (None, 0)
