"""Worker: what makes a link pull and push, and what it waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from datasyncd.adapters.contract import Capabilities, Condition, VersionOrder
from datasyncd.adapters.files import watch
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.daemon import cycle
from datasyncd.daemon import worker as workers
from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.worker import LinkState, Run, Worker

from .stores import Stores

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
[systems.mail]
adapter = "csv"
path = "mail"
[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
[links.mail.person]
object = "people"
key = "Id"
direction = "both"
live = true
map = { email = "Email" }
"""
HEAD = "Id,Email\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config with one live system: a folder with a file."""
    monkeypatch.setattr(watch, "LOOK_MS", 100)
    monkeypatch.setattr(workers, "RETRY_S", (0.1,))
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "people.csv").write_text(HEAD)
    return tmp_path


async def test_what_changed_before_the_watch_listened_is_pulled_soon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Engine.open(load(folder / "config.toml"), "run") as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), True, 300.0)
        asked: list[bool] = []
        monkeypatch.setattr(worker.due, "set", lambda: asked.append(worker.watching))
        tasks.start_soon(worker.watching_loop)
        with anyio.fail_after(10):
            while len(asked) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert asked == [True, True], "one as the watch begins, and one when it listens"
        tasks.cancel_scope.cancel()


async def test_what_changed_while_nobody_could_watch_is_pulled_soon(folder: Path) -> None:
    async with Engine.open(load(folder / "config.toml"), "run") as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), True, 300.0)
        tasks.start_soon(worker.watching_loop)
        while not worker.watching:  # noqa: ASYNC110
            await anyio.sleep(0.02)
        (folder / "mail").rename(folder / "old")
        while worker.watching:  # noqa: ASYNC110
            await anyio.sleep(0.02)
        worker.due = workers.Signal()

        (folder / "old").rename(folder / "mail")

        with anyio.fail_after(5):
            await worker.due.wait()
        tasks.cancel_scope.cancel()


async def test_a_sync_that_cannot_write_fails_and_shows_until_it_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the lock for writing: the database can be read all the same, and the write waits for its time."""
    monkeypatch.setattr(cycle, "LONGEST_WAIT_S", 0.1)
    stores = Stores(tmp_path)
    stores.config()
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace('path = "shop.db"', 'path = "shop.db"\nbusy_s = 0.05'))
    stores.add(stores.crm, email="ann@example.org", name="Ann")
    await stores.sync()
    async with Engine.open(load(config), "run") as engine:
        worker = Worker(engine, ("shop", "person"), False, 60.0)
        others = Worker(engine, ("crm", "person"), False, 60.0)
        known = {worker.key: worker, others.key: others}

        def told(key: tuple[str, str], *how: Any) -> Awaitable[None]:
            return known[key].told(*how)

        stores.crm.execute("UPDATE people SET name = 'Anna'")
        stores.shop.execute("BEGIN IMMEDIATE")
        result = await cycle.sync(engine, told=told)

        assert (result.exit_code, list(result.failed)) == (75, ["shop.person"])
        assert "locked" in result.failed["shop.person"]
        assert (worker.state, others.state) == (LinkState.FAILING, LinkState.WAITING)
        assert "locked" in worker.last_error
        assert worker.owed.is_set

        stores.shop.execute("ROLLBACK")
        await engine.store.transact(lambda tx: tx.outbox.retry("shop", "person", tx.at))
        result = await cycle.sync(engine, told=told)

        assert (result.exit_code, worker.state) == (0, LinkState.WAITING)
    assert stores.rows(stores.shop) == [("ann@example.org", "Anna", None, None)]


class NoOptions(msgspec.Struct, frozen=True):
    """A system in memory has none."""


async def test_a_record_whose_system_may_answer_an_old_state_is_read_once_more_in_time(folder: Path) -> None:
    """Nothing else asks for it: no schedule, and no further hint."""
    promises = Capabilities(
        condition=Condition.ENFORCED, version_order=VersionOrder.COUNTER, stale_s=0.4, search_lag_s=0.0, late_s=0.0
    )
    world = MemorySystem(promises)
    key = world.create("people", {"Email": "ann@example.org"})
    world.advance(1_000_000)
    kind = AdapterKind(
        "csv", NoOptions, lambda context, _: MemoryAdapter(context, world), False,
        manifest_of("datasyncd.adapters.memory"),
    )  # fmt: skip
    file = folder / "config.toml"
    file.write_text(CONFIG.replace('path = "mail"\n', "").replace("live = true\n", ""))
    async with Engine.open(load(file, {}, lambda _: kind), "run") as engine:
        worker = Worker(engine, ("mail", "person"), False, 300.0)

        async def hinted() -> dict[str, int]:
            return await engine.store.transact(lambda tx: tx.readings.generations("mail", "people"))

        async def is_read() -> None:
            with anyio.fail_after(5):
                while worker.last_success is None or await hinted():  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.pulling)
            worker.due.set()
            await is_read()
            await engine.store.transact(lambda tx: tx.readings.hint("mail", "people", [key], tx.stamp, tx.at))
            worker.due.set()
            await anyio.sleep(0.15)
            assert list(await hinted()) == [key], "one reading is not enough"
            await is_read()
            worker.stop()


async def test_a_write_that_found_its_record_changed_reads_it_before_it_is_sent_again(tmp_path: Path) -> None:
    """Whatever keeps the pull from reading it: no write is sent blindly, again and again."""
    stores = Stores(tmp_path)
    stores.config()
    stores.add(stores.crm, email="ann@example.org", name="Ann", city="Rome")
    await stores.sync()
    async with Engine.open(load(tmp_path / "config.toml"), "run") as engine:
        crm, shop = engine.links["crm", "person"], engine.links["shop", "person"]
        stores.crm.execute("UPDATE people SET name = 'Anna'")
        stores.shop.execute("UPDATE people SET city = 'Oslo'")
        await cycle.pull_link(engine, crm)

        first = await cycle.push_link(engine, shop, pulled=False)
        await anyio.sleep(0.1)
        second = await cycle.push_link(engine, shop, pulled=False)

        assert (first.updated, second.updated) == (0, 1)
        assert await engine.store.transact(lambda tx: tx.readings.generations("shop", "people")) == {}
    assert stores.rows(stores.shop) == [("ann@example.org", "Anna", "Oslo", None)]


async def test_failures_count_while_they_last_and_are_told_for_a_while(folder: Path) -> None:
    people, kept = folder / "mail" / "people.csv", folder / "kept.csv"
    async with Engine.open(load(folder / "config.toml"), "test") as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), False, 300.0)
        people.rename(kept)
        worker.due.set()
        tasks.start_soon(worker.pulling)
        await _until(lambda: worker.pull.failures > 1)
        since = worker.pull.since
        assert worker.pull.failing_s(since + 400_000_000) == 400.0

        kept.rename(people)
        await _until(lambda: not worker.failures)
        runs, failed = worker.lately(3600.0)
        assert (runs - failed, worker.pull.failing_s(since + 400_000_000)) == (1, 0.0)
        assert failed > 1

        long_ago = since - 3_601_000_000
        worker.runs.extendleft(Run(long_ago, went_well=False) for _ in range(9))
        assert worker.lately(3600.0) == (runs, failed)
        assert worker.failure_rate == round((failed + 9) / (runs + 9), 3)
        worker.stop()


async def _until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.02)
