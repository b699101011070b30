"""Counters after a restore: what stands in several systems because we wrote it there is not counted twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.restore import put_back
from datasyncd.daemon.review import commands
from datasyncd.daemon.review.terms import Terms
from datasyncd.state.backup import copy

from .stores import Stores

FIELDS = ("email", "points")


@pytest.fixture
async def stores(tmp_path: Path) -> Stores:
    """Ann has 10 points in both stores, and a backup knows it."""
    stores = Stores(tmp_path)
    stores.add(stores.crm, email="ann@example.com", points=10)
    stores.config(fields=FIELDS)
    await stores.sync()
    assert points(stores) == [10, 10]
    copy(tmp_path / "var" / "state.db", tmp_path / "old")
    return stores


def points(stores: Stores) -> list[Any]:
    return [db.execute("SELECT points FROM people").fetchone()[0] for db in (stores.crm, stores.shop)]


def adds(stores: Stores, system: str, n: int) -> None:
    getattr(stores, system).execute("UPDATE people SET points = points + ?", (n,))


def restore(stores: Stores) -> None:
    put_back(stores.folder / "old", stores.folder / "var" / "state.db", lambda: time.time_ns() // 1000)


async def asked(stores: Stores, command: str, **arguments: Any) -> Any:
    config = load(stores.folder / "config.toml")
    async with Engine.open(config, command, attach=False) as engine:
        terms = Terms.of(config, engine.rules, engine.store.fingerprints)
        return await engine.store.transact(commands.step(command, arguments, terms))


async def test_what_had_come_everywhere_counts_once_and_a_report_says_so(stores: Stores) -> None:
    adds(stores, "crm", 5)
    adds(stores, "shop", 2)
    await stores.sync()
    assert points(stores) == [17, 17]
    restore(stores)

    assert (await stores.sync()).exit_code == 0

    assert points(stores) == [17, 17]
    [report] = await asked(stores, "conflicts", every=True)
    assert (report["kind"], report["field"], report["chosen"]) == ("uncertain", "points", 17)
    adds(stores, "shop", 1)
    await stores.sync()
    assert points(stores) == [18, 18]


async def test_what_cannot_be_told_apart_waits_for_a_person(stores: Stores) -> None:
    adds(stores, "crm", 5)
    await stores.sync()
    adds(stores, "shop", 2)  # has come nowhere yet
    restore(stores)

    assert (await stores.sync()).exit_code == 1

    assert points(stores) == [15, 17]
    [report] = await asked(stores, "conflicts")
    assert (report["kind"], report["field"]) == ("frozen", "points")
    assert {each["system"]: each["value"] for each in report["candidates"]} == {"crm": 15, "shop": 17}
    answer = await asked(stores, "resolve", ids=[report["id"]], source="shop")
    assert answer["refused"] == []
    assert (await stores.sync()).exit_code == 0
    assert points(stores) == [17, 17]


async def test_what_was_counted_in_one_system_alone_counts(stores: Stores) -> None:
    adds(stores, "crm", 5)
    restore(stores)

    assert (await stores.sync()).exit_code == 0
    assert points(stores) == [15, 15]
    assert await asked(stores, "conflicts", every=True) == []
