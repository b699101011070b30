"""The adapter of a system in memory: the contract, with every wait left to the one who drives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache
from random import Random
from typing import TypeAlias

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
    Moved,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    Unknown,
    Write,
)
from datasyncd.adapters.errors import NotFound, Transient, Unsupported

from .faults import Fate, Faults
from .history import History, State, versioned
from .world import MemorySystem

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
"""Waits for some seconds, of whatever time."""

STEP_S = 0.1
"""How often a watch looks."""


async def at_once(seconds: float) -> None:
    """No time passes."""


class MemoryAdapter:
    """A view of one system in memory; several may look at the same."""

    def __init__(
        self,
        context: Context,
        world: MemorySystem,
        faults: Faults | None = None,
        sleep: Sleep = at_once,
        page: int = 100,
    ) -> None:
        self._context = context
        self._world = world
        self._faults = faults or Faults(Random(0))
        self._sleep = sleep
        self._page = page
        self._closed = False
        self._own = 0
        """Changes of the world that this adapter made, and was seen to make."""

    def capabilities(self, object: str) -> Capabilities:
        """Those of the world."""
        return self._world.capabilities

    async def describe(self, object: str) -> Schema:
        """The mapped fields: a table in memory has whatever is put in."""
        await self._begin_call()
        spec = self._spec(object)
        columns = tuple(Column(name, "any") for name in spec.columns)
        return Schema(object, columns, key_assigned=self._world.capabilities.assigns_key)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records as searches show them, by key; or those that changed since, less the lag of searches."""
        spec = self._spec(object)
        incremental = since is not None and self._world.capabilities.incremental
        first = self._world.now
        standing = self._standing()
        if since is not None and standing == since:
            await self._begin_call()
            yield Page([], self._context.begin(), since, unchanged=True)
            return
        overlap = round(self._world.capabilities.search_lag_s * 1e6)
        start = int(since) - overlap if incremental and since is not None else 0
        place: tuple[int, Key] | None = None
        while True:
            await self._begin_call()
            began, asked = self._context.begin(), self._world.now
            rows = self._shown(object, asked, start, by_time=incremental)
            rest = [row for row in rows if place is None or self._place(row, incremental) > place]
            part = rest[: self._page]
            records = [self._record(spec, key, state) for key, state in part]
            await self._sleep(self._faults.pause_s())
            last = len(rest) <= self._page
            cursor = standing
            if last and self._world.capabilities.incremental:
                cursor = self._position(rows, since, first)
            gone = self._told_gone(object, asked, start) if last and incremental else []
            yield Page(records, began, cursor if last else None, complete=last and not incremental, gone=gone)
            if last:
                return
            place = self._place(part[-1], incremental)

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """The state of the moment when it was asked, or unless `strong` up to `stale_s` before; where a merged one
        lives on."""
        await self._begin_call()
        spec, histories = self._spec(object), self._world.histories(object)
        answers: list[Answer] = []
        for key in keys:
            survivor = self._world.forwarded(object, key)
            if survivor != key and histories.get(survivor, History()).now.fields is not None:
                answers.append(Moved(key, survivor))
                continue
            age = 0 if strong else round(self._faults.age_s(self._world.capabilities.stale_s) * 1e6)
            history = histories.get(key, History())
            state = history.before(self._world.now - age) if age else history.now
            answers.append(Gone(key) if state.fields is None else self._record(spec, key, state))
        await self._sleep(self._faults.pause_s())
        return answers

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """What searches show; texts with an @ in any case."""
        await self._begin_call()
        spec = self._spec(object)
        wanted = [_comparable(value) for value in values]
        rows = self._shown(object, self._world.now, 0, by_time=False)
        found = [
            self._record(spec, key, state)
            for key, state in rows
            if state.fields is not None and field in state.fields and _comparable(state.fields[field]) in wanted
        ]
        await self._sleep(self._faults.pause_s())
        return found

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One by one: each lands, is answered, is lost, or lands later, as the faults say."""
        capabilities = self._world.capabilities
        if capabilities.read_only:
            raise Unsupported(f"{self._context.system}: it is read only")
        await self._begin_call()
        await self._sleep(self._faults.pause_s())
        outcomes = [self._send(object, write) for write in writes]
        await self._sleep(self._faults.pause_s())
        return outcomes

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint for each change, and one to begin with."""
        if not self._world.capabilities.watches:
            raise Unsupported(f"{self._context.system}: it does not tell of changes")
        told = len(self._world.changes)
        yield Hint()
        while not self._closed:
            news, told = self._world.changes[told:], len(self._world.changes)
            for changed, key in news:
                if changed == object:
                    yield Hint(key)
            await self._sleep(STEP_S)

    async def aclose(self) -> None:
        """End the watches."""
        self._closed = True

    async def _begin_call(self) -> None:
        if self._closed:
            raise Transient(f"{self._context.system}: it was closed")
        self._faults.strike()
        await self._sleep(self._faults.pause_s())

    def _send(self, object: str, write: Write) -> Outcome:
        spec, capabilities = self._spec(object), self._world.capabilities
        if write.op == "create" and write.key is None and write.fields.get(spec.key) is not None:
            write = msgspec.structs.replace(write, key=str(write.fields[spec.key]))
        if write.op == "update" and capabilities.whole_record:
            write = msgspec.structs.replace(write, fields={**self._unmapped(object, write.key), **write.fields})
        version = versioned(spec, capabilities.version_order)
        fate = self._faults.fate(capabilities.late_s)
        if fate is Fate.LATE:
            self._world.land_later(object, write, version, self._faults.delay_s(capabilities.late_s))
        elif fate is not Fate.NEVER:
            image = self._image(spec) if capabilities.returns_image else None
            before = len(self._world.changes)
            outcome = self._world.land(object, write, version, image)
            if fate is Fate.ANSWERED:
                self._own += len(self._world.changes) - before
                return outcome
        return Unknown("memory: the answer was lost")

    def _unmapped(self, object: str, key: Key | None) -> dict[str, Native]:
        """Of a record as it is when a write of the whole of it is sent: what the daemon does not know goes with it."""
        held = self._world.histories(object).get(key or "", History()).now.fields or {}
        return {name: value for name, value in held.items() if name not in self._spec(object).columns}

    def _image(self, spec: ObjectSpec) -> Callable[[Key, State], Record]:
        return lambda key, state: self._whole(spec, key, state)

    def _record(self, spec: ObjectSpec, key: Key, state: State) -> Record:
        """A record as read; a fault may leave fields out, never the key."""
        record = self._whole(spec, key, state)
        for name in spec.fields:
            if name != spec.key and self._faults.is_absent():
                record.fields.pop(name, None)
        return record

    def _whole(self, spec: ObjectSpec, key: Key, state: State) -> Record:
        held = {spec.key: key, **(state.fields or {})}
        fields = {name: held[name] for name in columns_of(spec) if name in held}
        return Record(key, fields, versioned(spec, self._world.capabilities.version_order)(state))

    def _shown(self, object: str, at: int, start: int, by_time: bool) -> list[tuple[Key, State]]:
        """Records that searches show, changed at `start` or later, in the order of a pull."""
        states = [(key, history.shown(at)) for key, history in self._world.histories(object).items()]
        rows = [(key, state) for key, state in states if state.fields is not None and state.at >= start]
        return sorted(rows, key=lambda row: self._place(row, by_time))

    def _position(self, rows: Sequence[tuple[Key, State]], since: Cursor | None, first: int) -> Cursor:
        """The latest change that was shown, of those before the pull began; where nothing is new it stays."""
        return str(max([int(since or 0), *(state.at for _, state in rows if state.at <= first)]))

    def _told_gone(self, object: str, at: int, start: int) -> list[Key]:
        """Records that searches no longer show since `start`, where deletions are told; in order."""
        if self._world.capabilities.deletions is not Deletions.TOLD:
            return []
        histories = sorted(self._world.histories(object).items())
        return [
            key
            for key, history in histories
            if (state := history.shown(at)).at >= start and state.fields is None and history.now.fields is None
        ]

    def _standing(self) -> Cursor | None:
        """What a complete pull shows, where it is told that nobody else changed it since: how much others changed."""
        return str(len(self._world.changes) - self._own) if self._world.capabilities.tells_unchanged else None

    def _place(self, row: tuple[Key, State], by_time: bool) -> tuple[int, Key]:
        key, state = row
        return (state.at if by_time else 0, key)

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the table {object!r}") from None


@lru_cache(maxsize=1024)
def columns_of(spec: ObjectSpec) -> tuple[str, ...]:
    """All native names that a reading needs, in order: they are asked for with each record."""
    return spec.columns


def _comparable(value: Native) -> Native:
    return value.casefold() if isinstance(value, str) and "@" in value else value
