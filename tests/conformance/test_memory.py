"""The system in memory keeps the promises, in every combination that the reconciler tells apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec
import pytest

from datasyncd.adapters.contract import (
    Adapter,
    Capabilities,
    Condition,
    Deletions,
    Key,
    Native,
    ObjectSpec,
    VersionOrder,
)
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context

TABLE = Capabilities(
    condition=Condition.ENFORCED,
    returns_image=True,
    late_s=0.0,
    search_lag_s=0.0,
    pull_is_reading=True,
    incremental=True,
    watches=True,
)
API = Capabilities(
    condition=Condition.VISIBLE, version_order=VersionOrder.COUNTER, assigns_key=True, create_key=True, late_s=60.0
)
FOLDER = msgspec.structs.replace(TABLE, incremental=False, tells_unchanged=True)
FEED = msgspec.structs.replace(TABLE, deletions=Deletions.TOLD)
CRM = Capabilities(
    condition=Condition.ENFORCED, version_order=VersionOrder.COUNTER, returns_image=True, whole_record=True,
    forward=True, stale_s=60.0, late_s=0.0,
)  # fmt: skip
AUDIENCE = Capabilities(condition=Condition.NONE, version_order=VersionOrder.UNIQUE)


class MemoryStage(Stage):
    """People in memory; time passes with each thing that somebody else does."""

    many = 250

    def __init__(self, capabilities: Capabilities) -> None:
        def refuses(field: str, value: Native) -> str | None:
            return "there is no such field" if field == "no_such_field" else None

        self._world = MemorySystem(capabilities, refuses=refuses)

    def open(self, spec: ObjectSpec) -> Adapter:
        return MemoryAdapter(context(Path(), spec), self._world, sleep=anyio.sleep)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        for key, fields in records.items():
            self._tick()
            self._world.create("people", fields, key)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        self._tick()
        self._world.edit("people", key, **fields)

    async def delete(self, key: Key) -> None:
        self._tick()
        self._world.delete("people", key)

    async def merge(self, key: Key, survivor: Key) -> None:
        self._tick()
        self._world.merge("people", key, survivor)

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        return self._world.holds("people")

    def _tick(self) -> None:
        self._world.advance(self._world.now + 1)


@pytest.mark.parametrize(
    "promises",
    [TABLE, FOLDER, FEED, API, CRM, AUDIENCE],
    ids=["table", "folder", "feed", "api", "crm", "audience"],
)
class TestMemory(AdapterConformance):
    @pytest.fixture
    def stage(self, promises: Capabilities) -> Stage:
        return MemoryStage(msgspec.structs.replace(promises, search_lag_s=0.0))
