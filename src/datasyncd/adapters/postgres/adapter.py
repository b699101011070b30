"""The PostgreSQL adapter: the contract, over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from datasyncd.adapters.contract import (
    Capabilities,
    Context,
    Cursor,
    Hint,
    Key,
    Malformed,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import OptionError, Unsupported
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.sql.adapter import DatabaseAdapter, DatabaseOptions
from datasyncd.adapters.sql.keys import Parts
from datasyncd.adapters.sql.table import Connection, check

from . import reading
from .capture import Capture
from .changes import Changes, changes_of
from .dsn import FORM, fault
from .feed import Feed
from .keys import parts_of
from .listening import listen
from .pulling import Pulling
from .scratch import PostgresScratch
from .selection import STAMP, Selection
from .session import LATE_S, Sessions
from .slot import no_limit
from .table import Table, table_of, verify
from .writing import push


class PostgresOptions(DatabaseOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a system with `adapter = "postgres"`."""

    dsn: Annotated[str, msgspec.Meta(examples=["postgresql://datasyncd@localhost/shop"])]
    """postgresql://USER:PASSWORD@HOST:PORT/DATABASE, usually as a credential; `?sslmode=verify-full` and the like."""
    slot: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,63}$", examples=["datasyncd"])] | None = None
    """Logical replication slot that tells what is changed, of this system alone: then links can be live."""
    publication: Annotated[str, msgspec.Meta(min_length=1)] = "datasyncd"
    """With a `slot`: the publication that names the tables whose changes it tells."""
    slot_warn_mb: Annotated[float, msgspec.Meta(gt=0, description="a number of megabytes above 0")] = 1024.0
    """With a `slot`: `status` and `check` warn when the server keeps more of its log for it."""
    row_security: bool = False
    """Take rows that a row-level security policy hides for rows that are not there. Otherwise they are an error."""
    version: dict[str, str] = {}
    """Object -> its column of whole numbers that every update raises, by whomever; or "xmin", the transaction that
    saved a row last, where there is no such column. Compared instead of the row."""

    def __post_init__(self) -> None:
        if why := fault(self.dsn):
            raise OptionError("dsn", f"{why}; expected {FORM}")
        if self.slot is not None and self.changes is not None:
            raise OptionError(
                "slot", "changes are told by a slot or noted by triggers; expected one of `slot`, `changes`"
            )


class PostgresAdapter(DatabaseAdapter[Selection, Changes, Pulling]):
    """Tables of one database."""

    late_s = LATE_S
    _sessions: Sessions

    def __init__(self, context: Context, options: PostgresOptions) -> None:
        super().__init__(context, options.version, options.overlap_s)
        self._options = options
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
        return self._promises(object, told=self._options.changes is not None or self._feed is not None)

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

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes in one transaction; see `writing.push`."""
        if not writes:
            return []
        async with self._rights(object):
            selection = await self._selection(object)
            return await push(self._sessions, selection, self._changes[object], self._captures.get(object), writes)

    def _hints(self, object: str) -> AsyncIterator[Hint] | None:
        changes, capture = self._changes[object], self._captures.get(object)
        if capture is not None:
            return capture.hints()
        return None if changes is None else listen(self._sessions, changes)

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

    async def _described(self, connection: Connection, spec: ObjectSpec, table: Table) -> tuple[str, ...]:
        warns = () if self._feed is None else await self._captured(connection, self._feed, table, spec)
        return (*warns, *await super()._described(connection, spec, table))

    async def _table_of(self, connection: Connection, object: str) -> Table:
        return await table_of(connection, object)

    def _selected(self, spec: ObjectSpec, table: Any) -> Selection:
        if self._version.get(spec.object) != STAMP:
            return super()._selected(spec, table)
        check(table, spec)
        if not table.is_table:
            raise Unsupported(f"{table.shown} is a view, whose rows have no {STAMP}: leave it out of `version`")
        return Selection(spec, table, STAMP)

    def _selection_of(self, spec: ObjectSpec, table: Table, version: str | None) -> Selection:
        return Selection(spec, table, version)

    def _version_order(self, object: str) -> VersionOrder:
        return VersionOrder.UNIQUE if self._version.get(object) == STAMP else super()._version_order(object)

    async def _changes_of(self, connection: Connection, table: Table, spec: ObjectSpec) -> Changes | None:
        name = self._options.changes
        return None if name is None else await changes_of(connection, name, table, spec)

    def _pulling_of(self, selection: Selection, changes: Changes | None) -> Pulling:
        return Pulling(self._context, self._sessions, selection, changes, self._overlap)

    def _parts_of(self, key: Key, selection: Selection) -> Parts | None:
        return parts_of(key, selection.keys)

    async def _by_key(
        self, connection: Connection, selection: Selection, keys: Sequence[Parts]
    ) -> Mapping[Key, Record | Malformed]:
        found = await reading.by_key(connection, selection, selection.by_key, keys)
        await verify(connection, selection.table, selection.names)
        return found

    async def _by_value(
        self, pulling: Pulling, selection: Selection, field: str, wires: Sequence[Any], *, any_case: bool
    ) -> Sequence[Any]:
        return await pulling.fetch(selection.by_value(field, any_case), wires)


KIND = AdapterKind(
    name="postgres",
    options=PostgresOptions,
    open=PostgresAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    composite_keys=True,
    stage=PostgresScratch,
)
