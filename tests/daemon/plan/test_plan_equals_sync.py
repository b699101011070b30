"""What a plan says is what the next sync does, in worlds drawn at random."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import pytest

from datasyncd.daemon import cycle
from datasyncd.daemon.plan.result import Counted

from .worlds import World


@pytest.fixture(autouse=True)
def _files_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "LINGER_S", 0.01)


@pytest.mark.parametrize("seed", range(50))
async def test_the_counts_of_a_plan_are_those_of_the_sync_after_it(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path / "world", Random(seed))
    world.begin()
    if seed % 3:
        await world.sync()
        world.go_on(world.random.randint(1, 12))

    planned = await world.plan()
    done = await world.sync()

    counted = {
        system: {name: getattr(entities["person"], name) for name in ("create", "update", "delete")}
        for system, entities in planned.systems.items()
    }
    assert {system: counts for system, counts in counted.items() if system in done.written} == done.written
    assert planned.failed == done.failed
    assert (planned.conflicts, planned.quarantined, planned.held) == (done.conflicts, done.quarantined, done.held)
    held = {f"{system}.person": entities["person"].held for system, entities in planned.systems.items()}
    assert {link: n for link, n in held.items() if n} == await world.held()
    assert planned.exit_code == done.exit_code


async def test_the_worlds_hold_all_that_can_happen(tmp_path: Path) -> None:
    happened: set[str] = set()
    for seed in range(20):
        world = World(tmp_path / f"{seed}", Random(seed))
        world.begin()
        if seed % 3:
            await world.sync()
            world.go_on(8)
        planned = await world.plan()
        for entities in planned.systems.values():
            happened |= {name for name, n in msgspec.structs.asdict(entities["person"]).items() if n}
        happened |= {"conflicts"} if planned.conflicts else set()

    assert happened == {*msgspec.structs.asdict(Counted()), "conflicts"}
