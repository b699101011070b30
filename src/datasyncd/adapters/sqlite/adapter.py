"""The SQLite adapter: the contract, over one database file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Gone,
    Hint,
    Key,
    Malformed,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import AdapterError, NotFound
from datasyncd.adapters.files.watch import Watches
from datasyncd.adapters.mark import highest, mark_of, position
from datasyncd.adapters.registry import AdapterKind, manifest_of

from . import reading
from .database import Database
from .scratch import SqliteScratch
from .selection import Selection
from .table import check, table_of
from .writing import Applied, apply


class SqliteOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "sqlite"`."""

    path: str
    """The database file, relative to the config's folder. It is never created."""
    busy_s: float = 5.0
    """How long to wait in all for a lock that somebody else holds, in seconds; then the call is tried again later."""


class SqliteAdapter:
    """Tables of one SQLite file."""

    def __init__(self, context: Context, options: SqliteOptions) -> None:
        self._context = context
        self._database = Database(context.system, context.base / options.path, options.busy_s)
        self._selections = {name: Selection(spec) for name, spec in context.objects.items()}
        self._watches = Watches()
        self._disturbed = dict.fromkeys(context.objects, 0)
        """How often a push of ours may have changed more of an object than it was told."""

    def capabilities(self, object: str) -> Capabilities:
        """Everything that a transaction can promise. Whether keys are made here is in the schema."""
        return Capabilities(
            condition=Condition.ENFORCED,
            version_order=VersionOrder.DIGEST,
            returns_image=True,
            late_s=0.0,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.ABSENCE,
            incremental=self._spec(object).cursor is not None,
            tells_unchanged=self._spec(object).cursor is None,
            watches=True,
            batch=1_000,
        )

    async def describe(self, object: str) -> Schema:
        """The columns as they are declared. Raises `Unsupported` if the key does not tell rows apart."""
        table = await self._database.run(table_of, object)
        spec = self._context.objects.get(object)
        if spec is not None:
            check(table, spec.key, spec.columns)
        return table.schema(spec.key if spec is not None else None)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those whose cursor column is `since` or later; each page is read anew."""
        spec = self._spec(object)
        if since is not None and spec.cursor is None:
            began = self._context.begin()
            if since == await self._standing(object):
                yield Page([], began, since, unchanged=True)
                return
        mark = mark_of(since, spec.cursor)
        if spec.cursor is None or mark is None:
            pages = self._everything(spec)
        else:
            pages = self._since(spec, spec.cursor, mark)
        async for page in pages:
            yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Rows by key, read in one go a thousand."""
        spec = self._spec(object)
        answers: list[Record | Gone | Malformed] = []
        for start in range(0, len(keys), reading.PAGE):
            part = keys[start : start + reading.PAGE]
            answers += await self._database.run(reading.by_key, spec, self._selections[object], part)
        return answers

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Rows by a value; texts with an @ are compared without the case of ASCII letters."""
        return await self._database.run(reading.by_value, self._spec(object), self._selections[object], field, values)

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes in one transaction; see `writing.push`."""
        if not writes:
            return []
        spec, selection = self._spec(object), self._selections[object]
        applied: Applied | None = None
        try:
            applied = await self._database.run(apply, spec, selection, writes, self._database.is_still_there)
        finally:
            # Views of this table, and other objects in it, show something else now.
            touched = [o for o in self._disturbed if o != object or applied is None or not applied.alone]
            self._disturbed.update((name, self._disturbed[name] + 1) for name in touched)
        return applied.outcomes

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint after each burst of commits to the file, by whomever, and one to begin with.

        In WAL mode the file changes before the commit can be read, and a slow disk may stretch that to seconds; no
        event says when it is over. So the version of the content is looked at when the burst is over.
        """
        path = Path(self._database.path)
        names = [path.name + ending for ending in ("", "-wal", "-journal")]
        known: tuple[int, int] | None = None
        async for changed in self._watches.changes(path.parent, names):
            now = await self._version()
            if changed or now != known:
                known = now
                yield Hint()

    async def _standing(self, object: str) -> Cursor | None:
        """Another text once anything in an object may have changed that we were not told; None: it cannot be said."""
        await self._database.run(reading.data_version)  # opens the file, if need be
        openings = self._database.openings
        version = await self._database.run(reading.data_version)
        return f"{openings}:{version}:{self._disturbed[object]}" if openings == self._database.openings else None

    async def _version(self) -> tuple[int, int] | None:
        """Another one after each commit of somebody else that can be read; None: it cannot be told now."""
        try:
            version = await self._database.run(reading.data_version)
        except AdapterError:
            return None
        return self._database.openings, version

    async def aclose(self) -> None:
        """Close the file and end all watches; a call that runs is cut short."""
        self._watches.close()
        await self._database.aclose()

    async def _everything(self, spec: ObjectSpec) -> AsyncIterator[Page]:
        selection = self._selections[spec.object]
        asked = self._context.begin()
        standing = await self._standing(spec.object) if spec.cursor is None else None
        start = await self._database.run(reading.start, spec, selection)
        mark = highest(start.newest, asked.at)
        malformed = list(start.malformed)
        known: set[Key] | None = None if start.keys_are_told_apart else set()
        whole, file = True, self._database.openings
        sql: str = selection.first
        values: list[Native] = []
        while True:
            began = self._context.begin()
            batch = await self._database.run(reading.page, spec, sql, values)
            if known is not None:
                batch = reading.without_known(batch, known, spec)
            malformed += batch.malformed
            whole = whole and all(row.key is not None for row in malformed)
            page = Page(batch.records, began, malformed=malformed)
            if batch.last is None:
                page.complete = whole and file == self._database.openings
                page.cursor = position(spec.cursor, mark)
                if spec.cursor is None and page.complete and known is None:
                    page.cursor = standing
                yield page
                return
            yield page
            sql, values = selection.after(batch.last[0])
            malformed = []

    async def _since(self, spec: ObjectSpec, column: str, mark: Native) -> AsyncIterator[Page]:
        selection = self._selections[spec.object]
        sql, values = selection.since, [mark]
        while True:
            began = self._context.begin()
            batch = await self._database.run(reading.page, spec, sql, values)
            newest = highest((record.fields[column] for record in reversed(batch.records)), began.at)
            mark = mark if newest is None else newest
            yield Page(batch.records, began, position(column, mark), malformed=batch.malformed)
            if batch.last is None:
                return
            last = dict(zip(spec.columns, batch.last, strict=True))
            sql, values = selection.since_after(last[column], last[spec.key])

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the table {object!r}") from None


KIND = AdapterKind(
    name="sqlite",
    options=SqliteOptions,
    open=SqliteAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=SqliteScratch,
)
