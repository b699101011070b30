"""Steps of the promises: an adapter that is closed at the end, readings as they are now, and writes that succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Key,
    Native,
    ObjectSpec,
    Record,
    Schema,
    Version,
    Write,
    Written,
)

from .stage import PEOPLE, Stage


class opened:
    """An adapter of the stage, closed at the end."""

    def __init__(self, stage: Stage, spec: ObjectSpec = PEOPLE) -> None:
        self._adapter = stage.open(spec)

    async def __aenter__(self) -> Adapter:
        return self._adapter

    async def __aexit__(self, *_: object) -> None:
        await self._adapter.aclose()


async def read(adapter: Adapter, keys: Sequence[Key]) -> Sequence[Answer]:
    """The present truth by key, also where an ordinary reading may be old."""
    if adapter.capabilities("people").stale_s:
        return await adapter.read("people", keys, strong=True)
    return await adapter.read("people", keys)


async def present(adapter: Adapter, key: Key) -> Record:
    """The record of this key, which is there."""
    (answer,) = await read(adapter, [key])
    assert isinstance(answer, Record), answer
    return answer


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
    (outcome,) = await adapter.push("people", [write])
    assert isinstance(outcome, Written), outcome
    return outcome


def name_of(answer: object) -> Native:
    """The name of a record that was read."""
    assert isinstance(answer, Record), answer
    return answer.fields["name"]
