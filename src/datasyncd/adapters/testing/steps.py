"""Steps of the promises: an adapter that is closed at the end, readings as they are now, and writes that succeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import anyio

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Schema,
    Version,
    Write,
    Written,
)
from datasyncd.adapters.errors import Unsupported

from .desk import records
from .promise import Broken, NotPromised, a, same
from .stage import PEOPLE, Stage

T = TypeVar("T")

LOOKS = 50
"""So often is looked, at most, until a change shows that may take `search_lag_s`."""


class opened:
    """An adapter of the stage, closed at the end."""

    def __init__(self, stage: Stage, spec: ObjectSpec = PEOPLE) -> None:
        self._adapter = stage.open(spec)

    async def __aenter__(self) -> Adapter:
        return self._adapter

    async def __aexit__(self, *_: object) -> None:
        await self._adapter.aclose()


async def writes(adapter: Adapter) -> None:
    """Raises `NotPromised` for a system that is only read, once it was seen that it refuses."""
    if not adapter.capabilities("people").read_only:
        return
    try:
        await adapter.push("people", [Write("delete", "nobody")])
    except Unsupported:
        raise NotPromised("it is only read") from None
    raise Broken("it says that it is only read, and takes a write")


async def read(adapter: Adapter, keys: Sequence[Key]) -> Sequence[Answer]:
    """The present truth by key, also where an ordinary reading may be old."""
    if adapter.capabilities("people").stale_s:
        answers = await adapter.read("people", keys, strong=True)
    else:
        answers = await adapter.read("people", keys)
    same(len(answers), len(keys), f"how many answers there are to a read of {len(keys)} keys")
    return answers


async def push(adapter: Adapter, *writes: Write) -> list[Outcome]:
    """The outcomes of writes, one for each, in pushes that are no larger than declared."""
    size = adapter.capabilities("people").batch or len(writes) or 1
    outcomes: list[Outcome] = []
    for start in range(0, len(writes), size):
        part = writes[start : start + size]
        found = await adapter.push("people", part)
        same(len(found), len(part), f"how many outcomes a push of {len(part)} writes has")
        outcomes += found
    return outcomes


async def present(adapter: Adapter, key: Key) -> Record:
    """The record of this key, which is there."""
    (answer,) = await read(adapter, [key])
    return a(Record, answer, f"the answer to a read of the key {key!r}")


async def eventually(adapter: Adapter, look: Callable[[], Awaitable[T]], shows: Callable[[T], object]) -> T:
    """What a search or pull shows once it shows what it has to: at once, or after `search_lag_s` at most."""
    lag_s = adapter.capabilities("people").search_lag_s
    until = anyio.current_time() + lag_s
    while True:
        found = await look()
        if shows(found) or anyio.current_time() >= until:
            return found
        await anyio.sleep(lag_s / LOOKS)


async def listed(adapter: Adapter, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """Key -> fields of a complete pull, when it lists these, or should."""
    return await eventually(adapter, lambda: records(adapter, "people"), lambda found: set(found) == set(keys))


async def update(adapter: Adapter, key: Key, fields: Mapping[str, Native], version: Version = None) -> Write:
    """A write that changes these fields; the other mapped ones go with them where it replaces the whole record."""
    rest: Mapping[str, Native] = {}
    if adapter.capabilities("people").whole_record:
        now = await present(adapter, key)
        rest = {name: value for name, value in now.fields.items() if name in PEOPLE.fields}
    return Write("update", key, {**rest, **fields}, version)


def creation(schema: Schema, key: Key, fields: Mapping[str, Native]) -> Write:
    """A write that makes a record, with a key where the system makes none."""
    return Write("create", None if schema.key_assigned else key, dict(fields), idem_key=f"create {key}")


async def done(adapter: Adapter, write: Write) -> Written:
    """Push one write, which succeeds."""
    (outcome,) = await push(adapter, write)
    return a(Written, outcome, f"the outcome of one write ({write.op})")


def name_of(answer: object) -> Native:
    """The name of a record that was read."""
    return a(Record, answer, "an answer to a read").fields.get("name")
