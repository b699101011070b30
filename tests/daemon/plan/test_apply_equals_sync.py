"""A plan that is carried out at once is the sync that it tells of; later, no more than what still stands of it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from datasyncd.daemon import cycle

from .worlds import FIELDS, World


@pytest.fixture(autouse=True)
def _files_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "LINGER_S", 0.01)


async def a_world(folder: Path, seed: int) -> World:
    """One in three was never synchronised, in the others somebody did something since."""
    world = World(folder, Random(seed))
    world.begin()
    if seed % 3:
        await world.sync()
        world.go_on(world.random.randint(1, 12))
    return world


@pytest.mark.parametrize("seed", range(50))
async def test_a_plan_carried_out_at_once_is_a_sync(tmp_path: Path, seed: int) -> None:
    world = await a_world(tmp_path / "world", seed)
    twin = world.twin(tmp_path / "twin")
    planned = await world.plan_to(tmp_path / "plan")

    applied = await world.apply(tmp_path / "plan", strict=seed % 2 == 1)
    await twin.sync()

    assert (applied.left_out, applied.refused) == ([], False)
    assert applied.sent == applied.planned
    assert world.shows() == twin.shows()
    assert applied.exit_code == planned.exit_code
    after = await world.sync()
    assert not any(n for counts in after.written.values() for n in counts.values())


@pytest.mark.parametrize("seed", range(25))
async def test_what_changed_since_the_plan_is_left_out_and_due_for_the_next_sync(tmp_path: Path, seed: int) -> None:
    world = await a_world(tmp_path / "world", seed)
    await world.plan_to(tmp_path / "plan")
    world.go_on(6)
    before = world.shows()
    strict = world.twin(tmp_path / "strict")

    applied = await world.apply(tmp_path / "plan")
    refused = await strict.apply(tmp_path / "plan", strict=True)

    assert written(before, world.shows()) <= planned(tmp_path / "plan")
    assert refused.refused == bool(applied.left_out)
    if refused.refused:
        assert strict.shows() == before
    await world.sync()
    after = await world.sync()
    assert not any(n for counts in after.written.values() for n in counts.values())


def planned(file: Path) -> set[tuple[Any, ...]]:
    """What a plan writes: system, field and value; of a record that goes, the system."""
    _head, *items, _end = [json.loads(line) for line in file.read_text().splitlines()]
    out: set[tuple[Any, ...]] = set()
    for item in items:
        if item["op"] == "delete":
            out.add((item["target"], "delete"))
        for field, change in item.get("fields", {}).items():
            members = change["to"] or dict.fromkeys(("name", "city")) if field == "card" else {field: change["to"]}
            out |= {(item["target"], name, said(name, value)) for name, value in members.items()}
    return out


def written(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> set[tuple[Any, ...]]:
    """What somebody wrote between two moments, in the words of `planned`."""
    out: set[tuple[Any, ...]] = set()
    for system, rows in after.items():
        old = {row["email"]: row for row in before[system]}
        new = {row["email"]: row for row in rows}
        out |= {(system, "delete") for _gone in old.keys() - new.keys()}
        for email, row in new.items():
            for field in FIELDS:
                value = said(field, row[field])
                if value != said(field, old[email][field]) if email in old else value is not None:
                    out.add((system, field, value))
    return out


def said(field: str, value: Any) -> Any:
    """A value however it is written."""
    if field == "sms":
        return {True: "in", False: "out"}.get(value, value)
    if isinstance(value, list | tuple):
        return tuple(value) or None
    return value or None
