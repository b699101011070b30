"""A state that cannot be written for a while: it is said, nothing is lost, and the same process goes on afterwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from datasyncd.daemon import cycle
from datasyncd.daemon.answers import facts
from datasyncd.daemon.app import App
from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.health import assess
from datasyncd.state.errors import DamagedState, StateUnavailable
from datasyncd.state.store import SqliteStore
from tests.daemon.cli.shop import Shop


async def may_write(engine: Engine, allowed: bool) -> None:
    """SQLite refuses all writes of the state's connection, or no longer."""
    assert isinstance(engine.store, SqliteStore)
    await engine.store._writer.run(lambda db: db.execute(f"PRAGMA query_only = {int(not allowed)}"))


class Breaking:
    """An adapter after whose next push the state cannot be written."""

    def __init__(self, adapter: Any, engine: Engine) -> None:
        self._adapter = adapter
        self._engine = engine

    async def push(self, object: str, writes: Any) -> Any:
        outcomes = await self._adapter.push(object, writes)
        await may_write(self._engine, False)
        return outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path, customers=6)
    assert shop.runs("sync").exit_code == 0
    return shop


async def test_answers_that_could_not_be_noted_are_found_by_the_next_delivery(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    async with Engine.open(load(shop.config), "sync") as engine:
        link = engine.links["mail", "contact"]
        whole, link.adapter = link.adapter, Breaking(link.adapter, engine)
        with pytest.raises(StateUnavailable, match=r"state\.db: it cannot be written; see the rights"):
            await cycle.sync(engine)
        assert "cannot be written" in engine.store.trouble
        link.adapter = whole
        await may_write(engine, True)

        done = await cycle.sync(engine)

        assert (done.exit_code, engine.store.trouble) == (0, "")
    assert shop.holds("mail", 1, "name") == "Anna"
    with sqlite3.connect(shop.folder / "var" / "state.db") as state:
        assert state.execute("SELECT * FROM attempt").fetchall() == []


async def test_a_task_that_meets_it_did_not_crash_and_a_damaged_state_ends_the_daemon(shop: Shop) -> None:
    async with Engine.open(load(shop.config), "run") as engine:
        app = App(engine)

        app._failed("push mail.contact", StateUnavailable("state.db: its disk is full"))

        assert app.crashes == {}
        with pytest.raises(DamagedState):
            app._failed("push mail.contact", DamagedState("state.db: damaged"))


async def test_status_says_that_it_cannot_be_written(shop: Shop) -> None:
    async with Engine.open(load(shop.config), "run") as engine:
        app = App(engine)
        await may_write(engine, False)
        with pytest.raises(StateUnavailable):
            await engine.store.transact(lambda tx: tx.set_meta("name", b"value"))
        (problem,) = assess(await facts(app)).problems
        await may_write(engine, True)
        await engine.store.transact(lambda tx: tx.set_meta("name", b"value"))

        assert (problem.severity, problem.code) == ("critical", "state")
        assert problem.text.startswith(f"{shop.folder / 'var' / 'state.db'}: it cannot be written")
        assert "goes on by itself" in problem.fix
        assert [p.code for p in assess(await facts(app)).problems] == []
