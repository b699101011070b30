"""The DuckDB adapter: the contract, over one database file."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import anyio
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
    Record,
    Unknown,
    Write,
)
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.files.watch import Watches
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.sql.adapter import DatabaseAdapter, Overlap, Seconds
from datasyncd.adapters.sql.keys import Parts, parts_of

from .batch import by_key
from .connection import Connection
from .file import File
from .pulling import Pulling
from .scratch import DuckdbScratch
from .selection import Selection
from .session import Sessions
from .table import Table, table_of, verify
from .writing import push


class DuckdbOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "duckdb"`."""

    path: str
    """The database file, relative to the config's folder. It is never created."""
    version: dict[str, str] = {}
    """Object -> its column of whole numbers that every update raises, by whomever; compared instead of the row."""
    overlap_s: Overlap = 300.0
    """With a `cursor`: as long as programs take at most from taking a time to committing it. So much is read again."""
    timeout_s: Seconds = 30.0
    """A statement is cut short after so long."""
    lock_s: Seconds = 5.0
    """How long to wait for a file that somebody else has open; then the call is tried again later."""
    memory_mb: Annotated[int, msgspec.Meta(ge=32)] = 512
    """Most memory that DuckDB takes, in megabytes; what needs more goes to files beside the database."""


class DuckdbAdapter(DatabaseAdapter[Selection, None, Pulling]):
    """Tables of one DuckDB file."""

    late_s = 0.0
    _sessions: Sessions

    def __init__(self, context: Context, options: DuckdbOptions) -> None:
        super().__init__(context, options.version, options.overlap_s)
        self._file = File(context.system, context.base / options.path)
        sessions = partial(
            Sessions, context.system, self._file, anyio.Semaphore(1), memory_mb=options.memory_mb,
            timeout_s=options.timeout_s, lock_s=options.lock_s,
        )  # fmt: skip
        self._sessions = sessions(read_only=True)
        self._writing = sessions(read_only=False)
        self._watches = Watches()
        self._name = secrets.token_hex(4)
        """What is said of the file's state is good for this adapter alone."""
        self._disturbed = dict.fromkeys(context.objects, 0)
        """How often a push of ours may have changed more of an object than it was told."""

    def capabilities(self, object: str) -> Capabilities:
        """Everything that a file which is ours alone for the time of a call can promise."""
        return msgspec.structs.replace(
            self._promises(object, told=False),
            tells_unchanged=self._spec(object).cursor is None,
            watches=True,
            batch=5_000,
        )

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes while nobody else can open the file; see `writing.push`."""
        if not writes:
            return []
        selection = await self._selection(object)
        try:
            outcomes = await push(self._writing, selection, writes)
        except AdapterError:
            raise  # nothing was written
        except BaseException:
            self._disturb(None)
            raise
        known = not any(isinstance(outcome, Unknown) for outcome in outcomes)
        self._disturb(object if known else None)
        return outcomes

    async def aclose(self) -> None:
        """Close the file and end all watches; a call that runs is cut short."""
        self._watches.close()
        self._writing.closed = True
        await self._sessions.aclose()
        await self._writing.aclose()

    def _disturb(self, known: str | None) -> None:
        """A push changed the file: views of its table, and other objects in it, show something else now. `known`: the
        object of which each change was answered."""
        for name in self._disturbed:
            self._disturbed[name] += name != known

    async def _hints(self, object: str) -> AsyncIterator[Hint]:
        """A hint after each burst of changes to the file, by whomever, and one to begin with."""
        path = self._file.path
        async for changed in self._watches.changes(path.parent, [path.name, f"{path.name}.wal"]):
            if changed:
                yield Hint()

    async def _standing(self, object: str) -> Cursor:
        """Another text once anything in an object may have changed that we were not told."""
        epoch = await self._sessions.standing()
        return f"{self._name}:{epoch}:{self._disturbed[object]}"

    async def _table_of(self, connection: Connection, object: str) -> Table:
        return await table_of(connection, object)

    def _selection_of(self, spec: ObjectSpec, table: Table, version: str | None) -> Selection:
        return Selection(spec, table, version)

    async def _changes_of(self, connection: Connection, table: Table, spec: ObjectSpec) -> None:
        return None

    def _pulling_of(self, selection: Selection, changes: None) -> Pulling:
        standing = partial(self._standing, selection.spec.object)
        return Pulling(self._context, self._sessions, selection, self._overlap, self._file, standing)

    def _parts_of(self, key: Key, selection: Selection) -> Parts | None:
        return parts_of(key, selection.keys)

    async def _by_key(
        self, connection: Connection, selection: Selection, keys: Sequence[Parts]
    ) -> Mapping[Key, Record | Malformed]:
        found = await by_key(connection, selection, keys)
        await verify(connection, selection.table, selection.names)
        return found

    async def _by_value(
        self, pulling: Pulling, selection: Selection, field: str, wires: Sequence[Any], *, any_case: bool
    ) -> Sequence[Any]:
        return await pulling.fetch(selection.by_value(field, any_case), list(wires))


KIND = AdapterKind(
    name="duckdb",
    options=DuckdbOptions,
    open=DuckdbAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    composite_keys=True,
    stage=DuckdbScratch,
)
