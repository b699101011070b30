"""The adapter of a folder of files: the contract, for every form that records can have in a file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import anyio
import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Hint,
    Key,
    Moment,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unreachable

from . import content
from .lock import locked
from .options import FolderOptions
from .patience import in_thread
from .rewrite import rewrite
from .sheet import Sheet
from .watch import Watches

PAGE = 1000
"""Records of a page."""

TRIES = 5
"""So often a file is read again whose end looks half-written, and a push begun anew that somebody came before."""


class Form(Protocol):
    """How records stand in a file."""

    ending: str
    """Of the names of such files."""

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> Sheet:
        """Cut a file into rows. Raises `Unreachable`, `NotFound`."""
        ...

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file without records, as `sheet` takes it."""
        ...


class Reading(msgspec.Struct):
    """One reading of a file."""

    began: Moment
    seen: content.Content | None
    """None: there is no file yet."""
    sheet: Sheet
    settled: bool
    """Nobody seems to be writing it."""


class FolderAdapter:
    """A folder with one file for each object."""

    def __init__(self, context: Context, options: FolderOptions, form: Form) -> None:
        self._context = context
        self._options = options
        self._form = form
        self._folder = context.base / options.path
        self._turns: Mapping[str, anyio.Lock] = {name: anyio.Lock() for name in context.objects}
        """Whose turn it is to write a file, in this process."""
        self._settled: dict[str, content.Stamp] = {}
        """Stamps of files whose end looks half-written, but stayed the same."""
        self._found: set[str] = set()
        """Objects whose file was there once: if it is missing later, it was taken away."""
        self._swept: set[Path] = set()
        self._watches = Watches()

    def capabilities(self, object: str) -> Capabilities:
        """What a file can promise: conditional writes only if all its writers take the lock."""
        return Capabilities(
            condition=Condition.ENFORCED if self._options.lock else Condition.NONE,
            last_look="the file is replaced",
            remedy="with `lock = true` none can, if every program that writes the file takes the lock",
            version_order=VersionOrder.DIGEST,
            returns_image=True,
            late_s=0.0,
            search_lag_s=0.0,
            pull_is_reading=True,
            watches=True,
            batch=0,
        )

    async def describe(self, object: str) -> Schema:
        """The columns that the file has now, or will have once it is made."""
        with self._named():
            reading = await self._reading(self._spec(object))
            return Schema(object, reading.sheet.columns(), absent=reading.seen is None)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, from one reading of the file."""
        with self._named():
            reading = await self._reading(self._spec(object))
        records: list[Record] = []
        for record in reading.sheet.records():
            if len(records) == PAGE:
                yield Page(records, reading.began)
                records = []
            records.append(record)
        yield Page(records, reading.began, complete=reading.sheet.whole, malformed=reading.sheet.malformed)

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, from one reading of the file."""
        with self._named():
            reading = await self._reading(self._spec(object))
        return [reading.sheet.answer(key) for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records by a value; texts with an @ are compared without case."""
        with self._named():
            reading = await self._reading(self._spec(object))
        wanted = {_comparable(value) for value in values}
        records = reading.sheet.records()
        return [r for r in records if field in r.fields and _comparable(r.fields[field]) in wanted]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes to the file as it is now, and put it in the place of the old one.

        On crash: the file is the old or the new one, whole. Raises `Transient` if other programs change it faster
        than it can be written, or if its end is not to be trusted.
        """
        spec = self._spec(object)
        path = self._path(spec)
        with self._named():
            async with self._turns[object], self._locked(spec, shared=False):
                for _ in range(TRIES):
                    reading = await self._settled_reading(spec)
                    if not reading.settled:
                        break
                    outcomes = await in_thread(rewrite, path, reading.seen, reading.sheet, writes)
                    if outcomes is not None:
                        return outcomes
            raise Transient(f"{path} is being written by somebody else")

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint after each change of the file, by whomever, and one to begin with."""
        path = self._path(self._spec(object))
        with self._named():
            async for changed in self._watches.changes(path.parent, [path.name]):
                if changed:
                    yield Hint()

    async def aclose(self) -> None:
        """End all watches; between calls nothing else is held."""
        self._watches.close()

    async def _reading(self, spec: ObjectSpec) -> Reading:
        """The file as it is now, with its end distrusted if somebody goes on writing it."""
        async with self._locked(spec, shared=True):
            reading = await self._settled_reading(spec)
        if not reading.settled:
            reading.sheet.distrust_end()
        return reading

    async def _settled_reading(self, spec: ObjectSpec) -> Reading:
        """Read the file, and again while it looks half-written and is not the same as before.

        Raises `Unreachable` and `NotFound` only if it stays that way. A file that is yet to be made has no rows.
        """
        path = self._path(spec)
        await in_thread(self._sweep, path)
        before, turn = self._settled.get(spec.object), 0
        while True:
            turn += 1
            began = self._context.begin()
            try:
                seen = await in_thread(content.read, path)
            except content.NoFile as error:
                return self._yet_to_be_made(spec, path, began, error)
            self._found.add(spec.object)
            sheet = await in_thread(self._cut, spec, path, seen)
            if not isinstance(sheet, AdapterError) and not sheet.half_written:
                return Reading(began, seen, sheet, settled=True)
            settled = seen.stamp == before
            if settled or turn == TRIES:
                break
            before = seen.stamp
            await anyio.sleep(self._options.settle_ms / 1000)
        if isinstance(sheet, AdapterError):
            raise sheet
        if settled:
            self._settled[spec.object] = seen.stamp
        return Reading(began, seen, sheet, settled)

    def _yet_to_be_made(self, spec: ObjectSpec, path: Path, began: Moment, error: content.NoFile) -> Reading:
        """An empty file in the place of none. Raises `Unreachable` where it may not be made, or was there before."""
        if not self._options.create:
            raise Unreachable(f"{error}; with `create = true` the first write makes it")
        if spec.object in self._found:
            raise Unreachable(f"{path} was there and is gone; put it back")
        if os.path.lexists(path) or not path.parent.is_dir():  # a link to nowhere, a share that is not mounted
            raise error
        return Reading(began, None, self._form.sheet(spec, path.name, self._form.blank(spec)), settled=True)

    def _cut(self, spec: ObjectSpec, path: Path, seen: content.Content) -> Sheet | AdapterError:
        try:
            return self._form.sheet(spec, path.name, seen.data)
        except (Unreachable, NotFound) as error:
            return error

    def _sweep(self, path: Path) -> None:
        if path not in self._swept:
            self._swept.add(path)
            content.sweep(path)

    @asynccontextmanager
    async def _locked(self, spec: ObjectSpec, shared: bool) -> AsyncIterator[None]:
        if not self._options.lock:
            yield
            return
        async with locked(self._folder / f"{spec.object}.lock", shared):
            yield

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the system's name before the text of an error."""
        try:
            yield
        except AdapterError as error:
            raise type(error)(f"{self._context.system}: {error}") from None

    def _path(self, spec: ObjectSpec) -> Path:
        return self._folder / f"{spec.object}{self._form.ending}"

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the file {object!r}") from None


def _comparable(value: Native) -> Native:
    """What two values that `find` takes for the same have in common."""
    if isinstance(value, str):
        return value.casefold() if "@" in value else value
    return (type(value), value) if isinstance(value, Hashable) else repr(value)
