"""The PostgreSQL adapter: the contract, over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
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
from datasyncd.adapters.errors import NotFound, OptionError, Transient, Unauthorised, Unsupported
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.sql.form import Unfit
from datasyncd.adapters.sql.reading import PAGE, as_records
from datasyncd.adapters.sql.table import Connection, check

from . import reading
from .capture import Capture
from .changes import Changes, changes_of
from .dsn import FORM, fault
from .feed import Feed
from .keys import parts_of
from .listening import listen
from .pulling import Pulling
from .selection import Selection
from .session import LATE_S, Sessions
from .slot import no_limit
from .table import Table, table_of, verify
from .writing import push

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class PostgresOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "postgres"`."""

    dsn: Annotated[str, msgspec.Meta(examples=["postgresql://datasyncd@localhost/shop"])]
    """postgresql://USER:PASSWORD@HOST:PORT/DATABASE, usually as a credential; `?sslmode=verify-full` and the like."""
    version: dict[str, str] = {}
    """Object -> its column of whole numbers that every update raises, by whomever; compared instead of the row."""
    changes: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """Table in which triggers note what is changed, such as "datasyncd.changes": then links can be live."""
    slot: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,63}$", examples=["datasyncd"])] | None = None
    """Logical replication slot that tells what is changed, of this system alone: then links can be live."""
    publication: Annotated[str, msgspec.Meta(min_length=1)] = "datasyncd"
    """With a `slot`: the publication that names the tables whose changes it tells."""
    slot_warn_mb: Annotated[float, msgspec.Meta(gt=0, description="a number of megabytes above 0")] = 1024.0
    """With a `slot`: `status` and `check` warn when the server keeps more of its log for it."""
    overlap_s: Annotated[float, msgspec.Meta(ge=0, description="a number of seconds, 0 or more")] = 300.0
    """With a `cursor`: as long as the longest transaction that writes there. So much is read again each time."""
    timeout_s: Seconds = 30.0
    """The server ends a statement after so long."""
    lock_s: Seconds = 5.0
    """How long to wait for a lock that somebody else holds; then the call is tried again later."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""
    row_security: bool = False
    """Take rows that a row-level security policy hides for rows that are not there. Otherwise they are an error."""

    def __post_init__(self) -> None:
        if why := fault(self.dsn):
            raise OptionError("dsn", f"{why}; expected {FORM}")
        if self.slot is not None and self.changes is not None:
            raise OptionError(
                "slot", "changes are told by a slot or noted by triggers; expected one of `slot`, `changes`"
            )

    def __repr__(self) -> str:
        return "PostgresOptions(...)"


class PostgresAdapter:
    """Tables of one database."""

    def __init__(self, context: Context, options: PostgresOptions) -> None:
        self._context = context
        self._options = options
        self._overlap = round(options.overlap_s * 1e6)
        self._selections: dict[str, Selection] = {}
        self._changes: dict[str, Changes | None] = {}
        self._captures: dict[str, Capture] = {}
        self._sessions = Sessions(
            context.system,
            options.dsn,
            connect_s=options.connect_s,
            timeout_s=options.timeout_s,
            lock_s=options.lock_s,
            row_security=options.row_security,
        )
        bound = round(options.slot_warn_mb * 1e6)
        self._feed = (
            None if options.slot is None else Feed(context, self._sessions, options.slot, options.publication, bound)
        )

    def capabilities(self, object: str) -> Capabilities:
        """Everything that a transaction can promise. Whether keys are made here is in the schema."""
        counts = object in self._options.version
        is_told = self._options.changes is not None or self._feed is not None
        return Capabilities(
            condition=Condition.ENFORCED,
            version_order=VersionOrder.COUNTER if counts else VersionOrder.DIGEST,
            returns_image=True,
            late_s=LATE_S,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.TOLD if is_told else Deletions.ABSENCE,
            incremental=is_told or self._spec(object).cursor is not None,
            watches=is_told,
            batch=1_000,
        )

    async def describe(self, object: str) -> Schema:
        """The columns as the catalog has them. What is found is what later calls hold the table to."""
        spec = self._context.objects.get(object)
        warns: tuple[str, ...] = ()
        async with self._sessions.use() as connection:
            table = await table_of(connection, object)
            if spec is not None and self._feed is not None:
                warns = await self._captured(connection, self._feed, table, spec)
            if spec is not None:
                selection = self._selected(spec, table)
                name = self._options.changes
                self._changes[object] = None if name is None else await changes_of(connection, name, table, spec)
                self._selections[object] = selection
        return msgspec.structs.replace(table.schema_of(spec.keys if spec is not None else ()), warns=warns)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor; each page is read anew."""
        async with self._rights(object):
            pulling = await self._pulling(object)
            capture = self._captures.get(object)
            if capture is None:
                pages = pulling.pages(since)
            elif self._context.looks:
                # The slot belongs to whoever keeps what it tells.
                pages = pulling.everything(None)
            else:
                pages = capture.pages(pulling, since)
            async for page in pages:
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Rows by key, a thousand in one statement."""
        async with self._rights(object):
            selection = await self._selection(object)
            parts = {key: texts for key in keys if (texts := parts_of(key, selection.keys)) is not None}
            found: dict[Key, Record | Malformed] = {}
            wanted = list(parts.values())
            for start in range(0, len(wanted), PAGE):
                part = wanted[start : start + PAGE]
                async with self._sessions.use(selection.table.shown) as connection:
                    found.update(await reading.by_key(connection, selection, selection.by_key, part))
                    await verify(connection, selection.table, selection.names)
            return [found.get(key) or Gone(key) for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Rows by a value; texts with an @ are compared without case."""
        async with self._rights(object):
            pulling = await self._pulling(object)
            selection = self._selections[object]
            if field not in selection.table.columns:
                raise NotFound(f"{self._context.system}: {selection.table.shown} has no column {field!r}")
            parts: dict[bool, list[Native]] = {True: [], False: []}
            for value in values:
                parts[isinstance(value, str) and "@" in value].append(value)
            rows = await self._found(pulling, selection, field, parts[True], any_case=True)
            rows += await self._found(pulling, selection, field, parts[False], any_case=False)
            records, _ = as_records(selection, rows)
            return records

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes in one transaction; see `writing.push`."""
        if not writes:
            return []
        async with self._rights(object):
            selection = await self._selection(object)
            return await push(self._sessions, selection, self._changes[object], self._captures.get(object), writes)

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint when it begins to listen, and after each transaction that changed the object."""
        try:
            selection = await self._selection(object)
        except Transient:
            if self._sessions.closed:
                return
            raise
        changes, capture = self._changes[object], self._captures.get(object)
        if capture is not None:
            hints = capture.hints()
        elif changes is not None:
            hints = listen(self._sessions, changes)
        else:
            raise Unsupported(
                f"{self._context.system}: nothing tells of changes in {selection.table.shown}; use `every`"
            )
        async for hint in hints:
            yield hint

    def figures(self) -> Mapping[str, int]:
        """What the server keeps for the slot."""
        return {} if self._feed is None else self._feed.figures

    def concerns(self) -> Sequence[str]:
        """What somebody should know of the slot."""
        return () if self._feed is None or not self._feed.concern else (self._feed.concern,)

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        self._sessions.closed = True
        if self._feed is not None:
            self._feed.close()
        await self._sessions.aclose()

    async def _captured(self, connection: Connection, feed: Feed, table: Table, spec: ObjectSpec) -> tuple[str, ...]:
        """Let the slot tell what happens in a table; what somebody should know of that. Raises `Unsupported`,
        `Unauthorised` if it cannot be told."""
        if not table.is_table:
            raise Unsupported(f"{table.shown} is a view, whose changes no slot tells")
        found = await feed.looked(connection)
        if not found.is_possible:
            raise Unsupported(found.why_not)
        capture = Capture(feed, self._sessions, spec.object, table, spec.keys)
        if missing := await capture.missing(connection):
            raise Unsupported(missing)
        await feed.allowed(table)
        feed.follow(spec.object, table.id, spec.keys)
        self._captures[spec.object] = capture
        warns = (found.why_not, found.warning, "" if found.why_not else await no_limit(connection, feed.slot))
        return tuple(filter(None, warns))

    async def _found(
        self, pulling: Pulling, selection: Selection, field: str, values: Iterable[Native], *, any_case: bool
    ) -> list[asyncpg.Record]:
        form = selection.table.columns[field].form
        if any_case and form.kind != "text":
            return []
        wires = []
        for value in values:
            try:
                wires.append(form.to_wire(value))
            except Unfit:
                continue  # no row can have it
        return await pulling.fetch(selection.by_value(field, any_case), wires) if wires else []

    async def _pulling(self, object: str) -> Pulling:
        selection = await self._selection(object)
        return Pulling(self._context, self._sessions, selection, self._changes[object], self._overlap)

    async def _selection(self, object: str) -> Selection:
        """The statements for an object; it is described first, if nobody has done that yet."""
        self._spec(object)
        if object not in self._selections:
            await self.describe(object)
        return self._selections[object]

    def _selected(self, spec: ObjectSpec, table: Table) -> Selection:
        version = self._options.version.get(spec.object)
        check(table, spec, () if version is None else (version,))
        if version is not None and table.columns[version].form.kind != "integer":
            raise Unsupported(f"the column {version!r} of {table.shown} counts no changes: whole numbers expected")
        return Selection(spec, table, version)

    @asynccontextmanager
    async def _rights(self, object: str) -> AsyncIterator[None]:
        """What goes wrong for want of a right says which one, and the statement that gives it."""
        try:
            yield
        except Unauthorised as error:
            async with self._sessions.use() as connection:
                table = await table_of(connection, object)
                check(table, self._spec(object))
                grants = table.lacking()
            if grants:
                raise Unauthorised(f"{self._context.system}: {table.who} lacks rights: {grants}") from None
            raise error from None

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the table {object!r}") from None


KIND = AdapterKind(
    name="postgres",
    options=PostgresOptions,
    open=PostgresAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    composite_keys=True,
)
