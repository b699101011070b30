"""What the adapters of connectors do alike: the contract, over the streams of one source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from difflib import get_close_matches
from typing import Annotated, Any, cast

import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Column,
    Context,
    Cursor,
    Deletions,
    Gone,
    Hint,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    Write,
)
from datasyncd.adapters.errors import NotFound, Transient, Unsupported

from .pulling import Pulling, Rows
from .source import Row, Source, Stream

Words = Annotated[list[str], msgspec.Meta(min_length=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400, description="a number of seconds above 0, up to 86400")]


class ConnectorAdapter:
    """Streams of one connector, which is only read."""

    what = "a connector"

    def __init__(self, context: Context, source: Source) -> None:
        self._context = context
        self._source = source
        self._streams: dict[str, Stream] = {}
        self._closed = False

    def capabilities(self, object: str) -> Capabilities:
        """What runs of a connector promise."""
        spec = self._context.objects.get(object)
        return Capabilities(
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.ABSENCE,
            incremental=spec is not None and spec.cursor is not None,
            read_only=True,
        )

    async def describe(self, object: str) -> Schema:
        """The fields of the stream, as the catalogue has them now."""
        self._streams.clear()
        stream = await self._stream(object)
        spec = self._context.objects.get(object)
        if spec is not None and not stream.full:
            raise Unsupported(f"{self._context.system}: the stream {object!r} cannot be read whole")
        if spec is not None and spec.cursor is not None and stream.cursors is not None:
            if spec.cursor not in stream.cursors:
                known = ", ".join(stream.cursors) or "none"
                raise Unsupported(
                    f"{self._context.system}: {object!r} has no increments by {spec.cursor!r}, but: {known}"
                )
        return Schema(object, tuple(self._column(name) for name in stream.fields))

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """One or two runs of the connector; see `pulling`."""
        self._open()
        stream, spec = await self._stream(object), self._spec(object)
        async with aclosing(
            cast("Any", Pulling(self._source, stream, spec, self._context.begin).pages(since))
        ) as pages:
            async for page in pages:
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """By a run of the whole stream: connectors cannot be asked for single records."""
        wanted = set(keys)
        found = {key: row async for key, row in self._among(object, self._spec(object).columns) if key in wanted}
        rows = Rows(self._spec(object))
        return [rows.record(found[key]) if key in found else Gone(key) for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """By a run of the whole stream; texts with an @ are compared without case."""
        if not values:
            return []
        spec = self._spec(object)
        rows = Rows(spec)
        wanted = [_comparable(value) for value in values]
        found: dict[Key, Record] = {}
        async for key, row in self._among(object, spec.columns):
            record = rows.record(row)
            if isinstance(record, Record) and _comparable(record.fields.get(field)) in wanted:
                found[key] = record
        return list(found.values())

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Nothing can be written."""
        raise Unsupported(f'{self._context.system}: {self.what} is only read; expected direction = "pull"')

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """Connectors run and end."""
        raise Unsupported(f"{self._context.system}: {self.what} tells of no changes by itself; use `every`")
        yield Hint()

    async def aclose(self) -> None:
        """End all processes that run."""
        self._closed = True
        await self._source.aclose()

    def _column(self, name: str) -> Column:
        return Column(name, "json", writable=False, why_not=f"{self.what} is only read")

    async def _among(self, object: str, fields: Sequence[str] | None) -> AsyncIterator[tuple[Key, Row]]:
        """All rows that have a key, each by it."""
        self._open()
        stream, rows = await self._stream(object), Rows(self._spec(object))
        async with aclosing(cast("Any", self._source.run(stream, fields, None, None))) as events:
            async for event in events:
                if isinstance(event, Row) and not event.deleted and (key := rows.key(event)) is not None:
                    yield key, event

    async def _stream(self, object: str) -> Stream:
        if not self._streams:
            self._streams = dict(await self._source.streams())
        if object not in self._streams:
            near = get_close_matches(object, sorted(self._streams), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise NotFound(f"{self._context.system}: the connector has no stream {object!r}{hint}")
        return self._streams[object]

    def _open(self) -> None:
        if self._closed:
            raise Transient(f"{self._context.system}: it was closed")

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the stream {object!r}") from None


def _comparable(value: Native) -> Native:
    """Addresses are compared without case."""
    return value.casefold() if isinstance(value, str) and "@" in value else value
