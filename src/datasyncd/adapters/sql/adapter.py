"""What the adapters of databases do alike: the contract, over one database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar, Generic, TypeVar

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
    Page,
    Record,
    Schema,
    VersionOrder,
)
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unsupported

from . import reading
from .form import Unfit
from .keys import Parts
from .pulling import Pulling
from .selection import Selection
from .session import Sessions
from .table import Connection, Table, check

S = TypeVar("S", bound=Selection)
C = TypeVar("C")
P = TypeVar("P", bound=Pulling[Any, Any])

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]
Overlap = Annotated[float, msgspec.Meta(ge=0, description="a number of seconds, 0 or more")]


class DatabaseOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options that all of these systems have."""

    version: dict[str, str] = {}
    """Object -> its column of whole numbers that every update raises, by whomever; compared instead of the row."""
    changes: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """Table in which triggers note what is changed, such as "datasyncd.changes": then links can be live."""
    overlap_s: Overlap = 300.0
    """With a `cursor`: as long as the longest transaction that writes there. So much is read again each time."""
    timeout_s: Seconds = 30.0
    """The server ends a statement after so long."""
    lock_s: Seconds = 5.0
    """How long to wait for a lock that somebody else holds; then the call is tried again later."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class DatabaseAdapter(ABC, Generic[S, C, P]):
    """Tables of one database."""

    late_s: ClassVar[float]
    """Longest time after we gave up in which a write can still be applied."""
    _sessions: Sessions

    def __init__(self, context: Context, version: Mapping[str, str], overlap_s: float) -> None:
        """`version`: object -> its column that counts changes."""
        self._context = context
        self._version = version
        self._overlap = round(overlap_s * 1e6)
        self._selections: dict[str, S] = {}
        self._changes: dict[str, C | None] = {}

    @abstractmethod
    async def _table_of(self, connection: Connection, object: str) -> Table:
        """What the catalog says of a table or view now. Raises `NotFound`, `Unauthorised`."""

    @abstractmethod
    def _selection_of(self, spec: ObjectSpec, table: Any, version: str | None) -> S:
        """The statements for an object."""

    @abstractmethod
    async def _changes_of(self, connection: Connection, table: Any, spec: ObjectSpec) -> C | None:
        """What notes the changes of an object; None: nothing does."""

    @abstractmethod
    def _pulling_of(self, selection: S, changes: C | None) -> P:
        """Pulls of an object."""

    @abstractmethod
    def _parts_of(self, key: Key, selection: S) -> Parts | None:
        """The texts of a key; None: no row has it, as its form tells."""

    @abstractmethod
    async def _by_key(
        self, connection: Connection, selection: S, keys: Sequence[Parts]
    ) -> Mapping[Key, Record | Malformed]:
        """What there is for each key, in a table that is what it was when it was described."""

    @abstractmethod
    async def _by_value(
        self, pulling: P, selection: S, field: str, wires: Sequence[Any], *, any_case: bool
    ) -> Sequence[Any]:
        """Rows whose field has one of these values; `any_case`: letters alike."""

    @abstractmethod
    def _hints(self, object: str) -> AsyncIterator[Hint] | None:
        """What tells of changes of an object; None: nothing does."""

    def _promises(self, object: str, *, told: bool) -> Capabilities:
        """Everything that a transaction can promise. Whether keys are made here is in the schema. `told`: changes are
        noted, so that a pull since a cursor has them all, deletions included."""
        return Capabilities(
            condition=Condition.ENFORCED,
            version_order=self._version_order(object),
            returns_image=True,
            late_s=self.late_s,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.TOLD if told else Deletions.ABSENCE,
            incremental=told or self._spec(object).cursor is not None,
            watches=told,
            batch=1_000,
        )

    def _version_order(self, object: str) -> VersionOrder:
        return VersionOrder.COUNTER if object in self._version else VersionOrder.DIGEST

    async def describe(self, object: str) -> Schema:
        """The columns as the catalog has them. What is found is what later calls hold the table to."""
        spec = self._context.objects.get(object)
        warns: tuple[str, ...] = ()
        async with self._sessions.use() as connection:
            table = await self._table_of(connection, object)
            if spec is not None:
                warns = await self._described(connection, spec, table)
        return msgspec.structs.replace(table.schema_of(spec.keys if spec is not None else ()), warns=warns)

    async def _described(self, connection: Connection, spec: ObjectSpec, table: Any) -> tuple[str, ...]:
        """Hold later calls to what was found; what somebody should know of it."""
        selection = self._selected(spec, table)
        self._changes[spec.object] = await self._changes_of(connection, table, spec)
        self._selections[spec.object] = selection
        return ()

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All rows by their keys, or those that changed since a cursor; each page is read anew."""
        async with self._rights(object):
            async for page in (await self._pulling(object)).pages(since):
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Rows by key, a thousand in one statement."""
        async with self._rights(object):
            selection = await self._selection(object)
            parts = {key: texts for key in keys if (texts := self._parts_of(key, selection)) is not None}
            found: dict[Key, Record | Malformed] = {}
            wanted = list(parts.values())
            for start in range(0, len(wanted), reading.PAGE):
                async with self._sessions.use(selection.table.shown) as connection:
                    found.update(await self._by_key(connection, selection, wanted[start : start + reading.PAGE]))
            return [found.get(key) or Gone(key) for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Rows by a value; texts with an @ are compared without case."""
        async with self._rights(object):
            pulling = await self._pulling(object)
            selection = self._selections[object]
            column = selection.table.columns.get(field)
            if column is None:
                raise NotFound(f"{self._context.system}: {selection.table.shown} has no column {field!r}")
            parts: dict[bool, list[Any]] = {True: [], False: []}
            for value in values:
                any_case = isinstance(value, str) and "@" in value
                try:
                    parts[any_case].append(column.form.to_wire(value))
                except Unfit:
                    continue  # no row can have it
            if column.form.kind != "text":
                parts[True].clear()
            rows: list[Any] = []
            for any_case, wires in parts.items():
                if wires:
                    rows += await self._by_value(pulling, selection, field, wires, any_case=any_case)
            records, _ = reading.as_records(selection, rows)
            return records

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint when it begins to listen, and after each transaction that changed the object, until all is closed."""
        try:
            selection = await self._selection(object)
            hints = self._hints(object)
            if hints is None:
                raise Unsupported(
                    f"{self._context.system}: nothing tells of changes in {selection.table.shown}; use `every`"
                )
            async for hint in hints:
                yield hint
        except Transient:
            if not self._sessions.closed:
                raise

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        await self._sessions.aclose()

    async def _pulling(self, object: str) -> P:
        selection = await self._selection(object)
        return self._pulling_of(selection, self._changes[object])

    async def _selection(self, object: str) -> S:
        """The statements for an object; it is described first, if nobody has done that yet."""
        self._spec(object)
        if object not in self._selections:
            await self.describe(object)
        return self._selections[object]

    def _selected(self, spec: ObjectSpec, table: Table) -> S:
        version = self._version.get(spec.object)
        check(table, spec, () if version is None else (version,))
        if version is not None and table.columns[version].form.kind != "integer":
            raise Unsupported(f"the column {version!r} of {table.shown} counts no changes: whole numbers expected")
        return self._selection_of(spec, table, version)

    @asynccontextmanager
    async def _rights(self, object: str) -> AsyncIterator[None]:
        """What goes wrong for want of a right says which one, and the statement that gives it."""
        try:
            yield
        except Unauthorised as error:
            async with self._sessions.use() as connection:
                table = await self._table_of(connection, object)
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
