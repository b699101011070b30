"""An Airbyte source keeps the promises: a published one, which asks a service of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from tests.servers import connectors
from tests.servers.people import People, serving

COLUMNS = ("id", "name", "email", "amount", "changed", "note")


class ServedStage(Stage):
    """The service, and somebody who changes what it serves."""

    many = 700

    def __init__(self, people: People) -> None:
        self._people = people

    def open(self, spec: ObjectSpec) -> Adapter:
        kind = registry.find("airbyte")
        source = [connectors.program("source-declarative-manifest")]
        return kind.open(context(Path(), spec), kind.options(source=source, settings=self._people.settings()))

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        with self._people.lock:
            for key, fields in records.items():
                self._people.rows[key] = {**dict.fromkeys(COLUMNS), "id": key, **fields}

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        with self._people.lock:
            self._people.rows[key].update(fields)

    async def delete(self, key: Key) -> None:
        with self._people.lock:
            del self._people.rows[key]

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        return self._people.rows


class TestAirbyteSource(AdapterConformance):
    soon_s = 60

    @pytest.fixture
    def stage(self) -> Iterator[Stage]:
        with serving() as people:
            yield ServedStage(people)
