"""NATS JetStream keeps the promises: in streams of last states and of their history, and in a key-value bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import KeyValueConfig

from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.nats.adapter import KIND, NatsAdapter, NatsOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from datasyncd.adapters.testing.desk import context
from datasyncd.adapters.testing.renamed import Renamed, renamed
from tests.servers.nats import LARGEST, Streams


class NatsStage(Stage):
    """A stream, and another program that sends to it."""

    prefix = "people"

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def open(self, spec: ObjectSpec) -> Adapter:
        named = renamed(spec, self.prefix, {})
        return Renamed(NatsAdapter(context(Path(), named), NatsOptions(**self._streams.options())), self.prefix)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        await self._streams.put({f"{self.prefix}.{key}": _state(key, fields) for key, fields in records.items()})

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        state = json.loads(await self._streams.last(f"{self.prefix}.{key}"))
        await self.insert({key: {**state, **fields}})

    async def delete(self, key: Key) -> None:
        await self._streams.put({f"{self.prefix}.{key}": b""})

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        states = await self._streams.all_last(self.prefix)
        return {key: json.loads(state) for key, state in states.items() if state}

    def bad(self) -> dict[str, Native]:
        return {"email": "x" * LARGEST}


def _state(key: Key, fields: Mapping[str, Any]) -> bytes:
    return json.dumps({"id": key, **fields}).encode()


class TestNats(AdapterConformance):
    @pytest.fixture
    async def stage(self, streams: Streams) -> Stage:
        await streams.make()
        return NatsStage(streams)


class TestNatsOnAScratchStream(AdapterConformance):
    @pytest.fixture
    def stage(self, streams: Streams) -> Stage:
        return staged(KIND, NatsOptions(**streams.options()), Path())


class TestNatsWithAHistory(AdapterConformance):
    @pytest.fixture
    async def stage(self, streams: Streams) -> Stage:
        await streams.make(max_msgs_per_subject=-1, subjects=["people.>", "others.*"])
        return NatsStage(streams)


class BucketStage(NatsStage):
    """A key-value bucket, and another program that puts into it."""

    prefix = "$KV.people"

    async def delete(self, key: Key) -> None:
        async with self._streams.connected() as client:
            await (await client.jetstream().key_value("people")).delete(key)


class TestNatsOnABucket(AdapterConformance):
    @pytest.fixture
    async def stage(self, streams: Streams) -> Stage:
        async with streams.connected() as client:
            await client.jetstream().create_key_value(KeyValueConfig(bucket="people", history=5))
        return BucketStage(streams)
