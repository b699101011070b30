"""Liars: adapters of a system in memory that promise what it does not do, each in one way."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Key,
    Native,
    Outcome,
    Page,
    Record,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.registry import AdapterKind, Manifest
from datasyncd.adapters.testing import Scratch, Site

TRUTH = Capabilities(
    condition=Condition.ENFORCED,
    returns_image=True,
    late_s=0.0,
    search_lag_s=0.0,
    pull_is_reading=True,
    incremental=True,
    watches=True,
)


class Lie(msgspec.Struct, frozen=True):
    """What an adapter declares of a system that does something else."""

    says: dict[str, Any] = {}
    """Capabilities that it declares."""
    does: dict[str, Any] = {}
    """What the system does instead of TRUTH."""
    broken: tuple[int, ...] = ()
    """Promises that are found to be broken, others beside them perhaps."""
    adapter: type[MemoryAdapter] = MemoryAdapter
    lag_s: float = 0.0


class Options(msgspec.Struct, frozen=True):
    """Options of a system with `adapter = "liar"`."""

    capability: str
    """About which it lies."""
    world: Any = None
    """The system in memory, put in for each case."""


class LiarScratch(Scratch):
    """People in memory; time passes with each thing that somebody else does."""

    somebody = "another caller"
    many = 150
    left: set[str] = set()
    """Objects that were made and not removed."""

    async def make(self) -> None:
        lie = ALL[self.site.options.capability]
        world = MemorySystem(msgspec.structs.replace(TRUTH, **lie.does), refuses=_refuses, lag_s=lambda: lie.lag_s)
        self.options = Options(self.site.options.capability, world)
        LiarScratch.left.add(self.site.object)

    async def remove(self) -> None:
        LiarScratch.left.discard(self.site.object)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        for key, fields in records.items():
            self._world().create(self.site.object, fields, key)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        self._world().edit(self.site.object, key, **fields)

    async def delete(self, key: Key) -> None:
        self._world().delete(self.site.object, key)

    async def merge(self, key: Key, survivor: Key) -> None:
        self._world().merge(self.site.object, key, survivor)

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        found: dict[Key, dict[str, Any]] = self.options.world.holds(self.site.object)
        return found

    def _world(self) -> MemorySystem:
        world: MemorySystem = self.options.world
        world.advance(world.now + 1)
        return world


def _refuses(field: str, value: Native) -> str | None:
    return "there is no such field" if field == "no_such_field" else None


class DoublesVersions(MemoryAdapter):
    """Its versions count by two."""

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        answers = await super().read(object, keys, strong=strong)
        for answer in answers:
            if isinstance(answer, Record):
                assert isinstance(answer.version, int)
                answer.version *= 2
        return answers


class OldPages(MemoryAdapter):
    """Its pulls show a record as it was when it was first listed."""

    first: dict[tuple[int, Key], Record] = {}

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        async for page in super().pull(object, since):
            page.records = [self.first.setdefault((id(self._world), record.key), record) for record in page.records]
            yield page


class ListsTheDead(MemoryAdapter):
    """Its pulls go on to list what was deleted."""

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        async for page in super().pull(object, since):
            if page.complete:
                live = {record.key for record in page.records}
                histories = self._world.histories(object).items()
                dead = [key for key, _history in histories if key not in live]
                page.records = [*page.records, *(Record(key, {"name": key}) for key in dead)]
            yield page


class NothingNew(MemoryAdapter):
    """It says of each pull since a cursor that nothing was changed."""

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        if since is not None:
            yield Page([], self._context.begin(), since, unchanged=True)
            return
        async for page in super().pull(object, since):
            page.cursor = "0" if page.complete else None
            yield page


class NewsAlone(MemoryAdapter):
    """Its pulls since a cursor list what was changed, and pass for complete."""

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        async for page in super().pull(object, since):
            yield msgspec.structs.replace(page, complete=True) if since is not None else page


class TakesTen(MemoryAdapter):
    """It answers ten writes of a push."""

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return await super().push(object, writes[:10])


class FailsBeyondTen(MemoryAdapter):
    """It fails where a push has more than ten writes."""

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        if len(writes) > 10:
            raise Transient("liar: the server closes the connection")
        return await super().push(object, writes)


class OwnKeys(MemoryAdapter):
    """It makes keys of its own, whatever it is told."""

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        own = [msgspec.structs.replace(w, key=f"own {w.key}") if w.op == "create" else w for w in writes]
        return await super().push(object, own)


class InTime(MemoryAdapter):
    """Time passes in its system as it does outside."""

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        self._goes_on()
        async for page in super().pull(object, since):
            yield page

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        self._goes_on()
        return await super().find(object, field, values)

    def _goes_on(self) -> None:
        self._world.advance(max(self._world.now + 1, time.monotonic_ns() // 1000))


API = {"condition": Condition.VISIBLE, "version_order": VersionOrder.COUNTER}
LAGS = {"search_lag_s": 2.0, "pull_is_reading": False}
HONEST = {
    "nothing": Lie(),
    "a lag": Lie(LAGS, LAGS, adapter=InTime, lag_s=0.1),
    "that it is only read": Lie(does={"read_only": True}),
    "no deletions": Lie(does={"deletions": Deletions.INVISIBLE}),
    "no conditions": Lie(does={"condition": Condition.NONE, "returns_image": False, "incremental": False}),
    "keys": Lie(does={"assigns_key": True, "create_key": True}),
    "keys, made twice": Lie(does={"assigns_key": True}),
    "unique": Lie(does={"unique": ("email",)}),
    "counts": Lie(does=API),
}
"""What an adapter says, and does."""
LIES = {
    "condition": Lie({"condition": Condition.ENFORCED}, {"condition": Condition.NONE}, (6,)),
    "condition, visible": Lie(API, {**API, "condition": Condition.NONE}, (3,), DoublesVersions),
    "version_order": Lie({"version_order": VersionOrder.COUNTER}, {}, (3,)),
    "version_order, unique": Lie({"version_order": VersionOrder.UNIQUE}, {}, (3,)),
    "returns_image": Lie({"returns_image": True}, {"returns_image": False}, (4, 5)),
    "create_key": Lie({"create_key": True}, {"assigns_key": True}, (7,)),
    "assigns_key": Lie({"assigns_key": True}, {}, (4,)),
    "assigns_key, not said": Lie({}, {}, (4,), OwnKeys),
    "unique": Lie({"unique": ("email",)}, {}, (4,)),
    "forward": Lie({"forward": True}, {}, (3,)),
    "search_lag_s": Lie({"search_lag_s": 0.0}, {"search_lag_s": 60.0}, (1, 3), lag_s=60.0),
    "stale_s": Lie({"stale_s": 0.0}, {"stale_s": 60.0}, (3,)),
    "pull_is_reading": Lie({"pull_is_reading": True}, {"pull_is_reading": False}, (3,), OldPages),
    "whole_record": Lie({"whole_record": False}, {"whole_record": True}, (5,)),
    "deletions": Lie({"deletions": Deletions.TOLD}, {}, (2,)),
    "deletions, absence": Lie({"incremental": False}, {"incremental": False}, (2, 8), ListsTheDead),
    "incremental": Lie({"incremental": True}, {"incremental": False}, (2,)),
    "incremental, not said": Lie({"incremental": False}, {"incremental": True}, (2,), NewsAlone),
    "tells_unchanged": Lie({"tells_unchanged": True, "incremental": False}, {"incremental": False}, (2,), NothingNew),
    "watches": Lie({"watches": True}, {"watches": False}, (13,)),
    "batch": Lie({"batch": 500}, {}, (9,), TakesTen),
    "batch, by an error": Lie({"batch": 500}, {}, (9,), FailsBeyondTen),
    "read_only": Lie({"read_only": True}, {}, (4, 5, 6, 7, 8, 9)),
    "read_only, not said": Lie({"read_only": False}, {"read_only": True}, (4, 5, 6, 7, 8, 9)),
}
"""Capability -> how it is lied about."""
ALL = {**LIES, **{f"honest about {name}": honest for name, honest in HONEST.items()}}


def _opened(context: Context, options: Options) -> MemoryAdapter:
    """An adapter that declares what the lie says."""
    lie = ALL[options.capability]

    class Liar(lie.adapter):  # type: ignore[name-defined,misc]  # the way of lying is chosen
        def capabilities(self, object: str) -> Capabilities:
            return msgspec.structs.replace(TRUTH, **{**lie.does, **lie.says})

    liar: MemoryAdapter = Liar(context, options.world, sleep=anyio.sleep)
    return liar


KIND = AdapterKind(
    name="liar",
    options=Options,
    open=_opened,
    text_only=False,
    manifest=Manifest("liar", "Liar", ("tests",), "Promises what it does not do."),
    stage=LiarScratch,
)


def site(capability: str) -> Callable[[], LiarScratch]:
    """Makes a scratch object of a liar."""
    return lambda: LiarScratch(Site.of(KIND, Options(capability), Path(), "liar"))
