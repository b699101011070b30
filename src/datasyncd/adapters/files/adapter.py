"""The adapter of a folder of files: the contract, for every form that records can have in a file."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import PurePath
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
from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unreachable, named

from .options import FolderOptions
from .patience import in_thread
from .rewrite import applied, in_doubt, with_images
from .sheet import Sheet
from .store import Content, Doubt, NoFile, Store
from .stores import store_of

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
    seen: Content | None
    """None: there is no file yet."""
    sheet: Sheet
    settled: bool
    """Nobody seems to be writing it."""


class State(msgspec.Struct):
    """What a file was, by us or by others."""

    digest: bytes
    stamp: Hashable
    """None: it is not known which one our own writing got."""
    others: int
    """How often it was found to be what others made of it."""


class FolderAdapter:
    """A folder with one file for each object."""

    def __init__(self, context: Context, options: FolderOptions, form: Form) -> None:
        self._context = context
        self._options = options
        self._form = form
        self._store: Store = store_of(context, options)
        self._turns: Mapping[str, anyio.Lock] = {name: anyio.Lock() for name in context.objects}
        """Whose turn it is to write a file, in this process."""
        self._settled: dict[str, Hashable] = {}
        """Stamps of files whose end looks half-written, but stayed the same."""
        self._found: set[str] = set()
        """Objects whose file was there once: if it is missing later, it was taken away."""
        self._states: dict[str, State] = {}
        """What the file of each object was when it was last read or written."""
        self._name = secrets.token_hex(4)
        """What is said of the state of a file is good for this adapter alone."""

    def capabilities(self, object: str) -> Capabilities:
        """What the store of the files can promise."""
        promises = self._store.promises
        return Capabilities(
            condition=Condition.ENFORCED if promises.compares else Condition.NONE,
            last_look=promises.last_look,
            remedy=promises.remedy,
            version_order=VersionOrder.DIGEST,
            returns_image=True,
            late_s=promises.late_s,
            search_lag_s=0.0,
            pull_is_reading=True,
            tells_unchanged=promises.tells_unchanged,
            watches=promises.watches,
            batch=0,
        )

    async def describe(self, object: str) -> Schema:
        """The columns that the file has now, or will have once it is made."""
        with self._named():
            reading = await self._reading(self._spec(object))
            return Schema(object, reading.sheet.columns(), absent=reading.seen is None)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, from one reading of the file; nothing if it is still what it was."""
        spec, tells = self._spec(object), self._store.promises.tells_unchanged
        with self._named():
            if tells and since is not None:
                began = self._context.begin()
                if since == await self._standing(spec):
                    yield Page([], began, since, unchanged=True)
                    return
            reading = await self._reading(spec)
        cursor = self._cursor(object) if tells and reading.settled and reading.seen is not None else None
        records: list[Record] = []
        for record in reading.sheet.records():
            if len(records) == PAGE:
                yield Page(records, reading.began)
                records = []
            records.append(record)
        whole = reading.sheet.whole
        yield Page(records, reading.began, cursor if whole else None, whole, reading.sheet.malformed)

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
        name = self._file(spec)
        with self._named():
            async with self._turns[object], self._store.locked(name, shared=False):
                for _ in range(TRIES):
                    reading = await self._settled_reading(spec)
                    if not reading.settled:
                        break
                    outcomes = await self._rewritten(spec, reading, writes)
                    if outcomes is not None:
                        return outcomes
            raise Transient(f"{self._store.shown(name)} is being written by somebody else")

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint after each change of the file, by whomever, and one to begin with."""
        with self._named():
            async for changed in self._store.changes(self._file(self._spec(object))):
                if changed:
                    yield Hint()

    async def aclose(self) -> None:
        """End all watches and connections; between calls nothing else is held."""
        await self._store.aclose()

    async def _rewritten(self, spec: ObjectSpec, reading: Reading, writes: Sequence[Write]) -> list[Outcome] | None:
        """The outcomes of writes; None, and nothing done, if the file is no longer what was read."""
        name, seen = self._file(spec), reading.seen
        results, data = await in_thread(applied, reading.sheet, seen, writes)
        if data is not None:
            try:
                if seen is None:
                    done = await self._store.create(name, data)
                else:
                    done = await self._store.replace(name, seen, data)
            except Doubt as doubt:
                return in_doubt(results, doubt)
            if not done:
                return None
            before = self._states.get(spec.object)
            self._states[spec.object] = State(_digest(data), None, 1 if before is None else before.others)
        return await in_thread(with_images, reading.sheet, results)

    # What is known of the state of a file

    async def _standing(self, spec: ObjectSpec) -> Cursor | None:
        """The cursor of the file as it is now; None: there is no file."""
        name, state = self._file(spec), self._states.get(spec.object)
        try:
            by_stamp = state is not None and state.stamp is not None and self._store.promises.tells_stamps
            if state is None or not by_stamp or state.stamp != await self._store.stamp(name):
                self._note(spec.object, await self._store.read(name))
        except NoFile:
            return None
        return self._cursor(spec.object)

    def _note(self, object: str, seen: Content) -> None:
        """A file was read: another content than the one that is known is somebody else's."""
        before, digest = self._states.get(object), _digest(seen.data)
        others = 0 if before is None else before.others
        self._states[object] = State(digest, seen.stamp, others + (before is None or before.digest != digest))

    def _cursor(self, object: str) -> Cursor:
        return f"{self._name}:{self._states[object].others}"

    async def _reading(self, spec: ObjectSpec) -> Reading:
        """The file as it is now, with its end distrusted if somebody goes on writing it."""
        async with self._store.locked(self._file(spec), shared=True):
            reading = await self._settled_reading(spec)
        if not reading.settled:
            reading.sheet.distrust_end()
        return reading

    async def _settled_reading(self, spec: ObjectSpec) -> Reading:
        """Read the file, and again while it looks half-written and is not the same as before.

        Raises `Unreachable` and `NotFound` only if it stays that way. A file that is yet to be made has no rows.
        """
        name = self._file(spec)
        before, turn = self._settled.get(spec.object), 0
        while True:
            turn += 1
            began = self._context.begin()
            try:
                seen = await self._store.read(name)
            except NoFile as error:
                return await self._yet_to_be_made(spec, began, error)
            self._found.add(spec.object)
            if self._store.promises.tells_unchanged:
                self._note(spec.object, seen)
            sheet = await in_thread(self._cut, spec, name, seen)
            if not isinstance(sheet, AdapterError) and not sheet.half_written:
                return Reading(began, seen, sheet, settled=True)
            settled = seen.stamp == before
            if settled or turn == TRIES:
                break
            before = seen.stamp
            await anyio.sleep(self._store.promises.settle_s)
        if isinstance(sheet, AdapterError):
            raise sheet
        if settled:
            self._settled[spec.object] = seen.stamp
        return Reading(began, seen, sheet, settled)

    async def _yet_to_be_made(self, spec: ObjectSpec, began: Moment, error: NoFile) -> Reading:
        """An empty file in the place of none. Raises `Unreachable` where it may not be made, or was there before."""
        name = self._file(spec)
        if not self._options.create:
            raise Unreachable(f"{error}; with `create = true` the first write makes it")
        if spec.object in self._found:
            raise Unreachable(f"{self._store.shown(name)} was there and is gone; put it back")
        await self._store.may_be_made(name)
        return Reading(began, None, self._form.sheet(spec, PurePath(name).name, self._form.blank(spec)), settled=True)

    def _cut(self, spec: ObjectSpec, name: str, seen: Content) -> Sheet | AdapterError:
        try:
            return self._form.sheet(spec, PurePath(name).name, seen.data)
        except (Unreachable, NotFound) as error:
            return error

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the system's name before the text of an error."""
        try:
            yield
        except AdapterError as error:
            raise named(error, self._context.system) from None

    def _file(self, spec: ObjectSpec) -> str:
        return f"{spec.object}{self._form.ending}"

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the file {object!r}") from None


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _comparable(value: Native) -> Native:
    """What two values that `find` takes for the same have in common."""
    if isinstance(value, str):
        return value.casefold() if "@" in value else value
    return (type(value), value) if isinstance(value, Hashable) else repr(value)
