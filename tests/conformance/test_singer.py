"""Singer keeps the promises: a published tap and a published target, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec, Rejected, Write, Written
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from datasyncd.adapters.testing.renamed import Renamed, renamed
from datasyncd.adapters.testing.stage import person
from datasyncd.adapters.testing.steps import opened
from tests.servers import connectors
from tests.servers.postgres import Database

STREAM = "public-people"
COLUMNS = ("id", "name", "email", "amount", "changed", "note")


class PeopleStage(Stage):
    """A table of people, and another session that works in it."""

    many = 1200

    def __init__(self, database: Database, *, target: bool) -> None:
        self._database = database
        self._options = (connectors.tap_and_target if target else connectors.tap)(database)

    async def make(self) -> None:
        types = "id text PRIMARY KEY, name text, email text, amount bigint, changed bigint, note text"
        await self._database.run(f"CREATE TABLE people ({types})")

    def open(self, spec: ObjectSpec) -> Adapter:
        kind = registry.find("singer")
        return Renamed(kind.open(context(Path(), renamed(spec, STREAM, {})), kind.options(**self._options)), STREAM)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        await self._database.many("INSERT INTO people VALUES ($1, $2, $3, $4, $5, $6)", rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        names = ", ".join(f"{name} = ${n}" for n, name in enumerate(fields, 2))
        await self._database.many(f"UPDATE people SET {names} WHERE id = $1", [(key, *fields.values())])

    async def delete(self, key: Key) -> None:
        await self._database.many("DELETE FROM people WHERE id = $1", [(key,)])

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        rows = await self._database.rows(f"SELECT {', '.join(COLUMNS)} FROM people ORDER BY id")
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


class TestTap(AdapterConformance):
    """Only read."""

    soon_s = 60

    @pytest.fixture
    def stage(self, database: Database) -> Stage:
        return PeopleStage(database, target=False)


class TestTapAndTarget(AdapterConformance):
    """Read and written. A target deletes nothing: that is refused, and what is gone already is no error."""

    soon_s = 60

    @pytest.fixture
    def stage(self, database: Database) -> Stage:
        return PeopleStage(database, target=True)

    async def test_05_what_others_edit_meanwhile_is_left_alone(self, stage: Stage) -> None:
        """As elsewhere, but for the deletions."""
        await stage.make()
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            for n in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stage.update, "b", {"name": f"theirs {n}"})
                    write = Write("update", "a", {**person(stage, "a"), "name": f"ours {n}"})
                    assert await adapter.push("people", [write]) == [Written("a")]

        names = {key: row["name"] for key, row in (await stage.holds()).items()}
        assert names == {"a": "ours 2", "b": "theirs 2", "c": "c"}

    async def test_08_a_delete_is_a_delete_and_no_error_the_second_time(self, stage: Stage) -> None:
        await stage.make()
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            refused, gone = await adapter.push("people", [Write("delete", "a"), Write("delete", "nobody")])

        assert refused == Rejected("a Singer target deletes nothing")
        assert gone == Written("nobody")
        assert sorted(await stage.holds()) == ["a", "b"]

    async def test_09_every_write_has_its_outcome_in_order(self, stage: Stage) -> None:
        await stage.make()
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            assert await adapter.push("people", []) == []
            writes = [Write("update", key, dict(person(stage, key))) for key in ("b", "a")]
            assert await adapter.push("people", [*writes, Write("delete", "nobody")]) == [
                Written("b"),
                Written("a"),
                Written("nobody"),
            ]
