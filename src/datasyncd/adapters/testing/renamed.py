"""Renamed: an adapter of which the suite sees other names of objects and fields than its system has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

import msgspec

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Capabilities,
    Clash,
    Cursor,
    Hint,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Rejected,
    Schema,
    Write,
    Written,
)


def renamed(spec: ObjectSpec, object: str, names: Mapping[str, str]) -> ObjectSpec:
    """What the adapter itself is told of the object. `names`: the suite's name of a field -> the system's."""
    new = {old: names.get(old, old) for old in spec.columns}
    return ObjectSpec(
        object,
        new[spec.key],
        tuple(new[name] for name in spec.fields),
        cursor=None if spec.cursor is None else new[spec.cursor],
    )


class Renamed:
    """One object of an adapter, by other names."""

    def __init__(self, adapter: Adapter, object: str, names: Mapping[str, str] = {}) -> None:
        """`object`: its name in the system; `names`: the suite's name of a field -> the system's."""
        self._adapter = adapter
        self._object = object
        self._names = names
        self._back = {system: suite for suite, system in names.items()}

    def capabilities(self, object: str) -> Capabilities:
        found = self._adapter.capabilities(self._object)
        if not found.unique:
            return found
        return msgspec.structs.replace(found, unique=tuple(self._back.get(name, name) for name in found.unique))

    async def describe(self, object: str) -> Schema:
        found = await self._adapter.describe(self._object)
        columns = [msgspec.structs.replace(each, name=self._back.get(each.name, each.name)) for each in found.columns]
        return msgspec.structs.replace(found, columns=tuple(columns))

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        # Whoever leaves in the middle of a pull leaves the adapter's own at once, too.
        async with aclosing(cast("Any", self._adapter.pull(self._object, since))) as found:
            async for page in found:
                page.records = [self._record(record) for record in page.records]
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        said = {"strong": True} if strong else {}
        answers = await self._adapter.read(self._object, keys, **said)
        return [self._record(answer) if isinstance(answer, Record) else answer for answer in answers]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        found = await self._adapter.find(self._object, self._names.get(field, field), values)
        return [self._record(record) for record in found]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        named = [
            msgspec.structs.replace(write, fields={self._names.get(n, n): value for n, value in write.fields.items()})
            for write in writes
        ]
        return [self._outcome(outcome) for outcome in await self._adapter.push(self._object, named)]

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        async with aclosing(cast("Any", self._adapter.watch(self._object))) as hints:
            async for hint in hints:
                yield hint

    async def aclose(self) -> None:
        await self._adapter.aclose()

    def _record(self, record: Record) -> Record:
        if not self._back:
            return record
        return Record(record.key, {self._back.get(n, n): v for n, v in record.fields.items()}, record.version)

    def _outcome(self, outcome: Outcome) -> Outcome:
        match outcome:
            case Written(image=Record() as image):
                return msgspec.structs.replace(outcome, image=self._record(image))
            case Rejected():
                return Rejected(outcome.reason, tuple(self._back.get(name, name) for name in outcome.fields))
            case Clash(field=str() as field):
                return Clash(self._back.get(field, field), outcome.key)
        return outcome
