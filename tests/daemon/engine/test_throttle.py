"""Throttle: a system that asks to be left alone gets no call at all, and the others go on."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Context, Cursor, Outcome, Page, Write
from datasyncd.adapters.errors import Throttled
from datasyncd.daemon.answers import facts
from datasyncd.daemon.app import App
from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import SyncResult, pull_link, push_link, sync
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.health import assess
from datasyncd.daemon.throttle import Obedient
from datasyncd.daemon.worker import LinkState, Worker

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
name = { type = "text" }
sms = { type = "consent", authorised = ["crm"] }
"""
SYSTEM = """
[systems.{0}]
adapter = "csv"
path = "{0}"
[links.{0}.person]
object = "people"
key = "Id"
direction = "both"
map = {{ email = "Email", name = "Name", sms = "Sms" }}
"""
HEAD = "Id,Email,Name,Sms\n"


class Strict:
    """A folder of CSV files that counts calls, and asks for a wait when it is told to."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.calls: list[str] = []
        self.asks: dict[str, float] = {}
        """What it answers to the next call of a name: how long to wait."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.asks:
            raise Throttled("slowly", self.asks.pop(name))

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self._called("push")
        return await self._adapter.push(object, writes)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        self._called("pull")
        async for page in self._adapter.pull(object, since):
            yield page


class Office:
    """Three folders of the same people; `mail` is strict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mail: Strict | None = None
        (folder / "config.toml").write_text(CONFIG + "".join(map(SYSTEM.format, ("crm", "mail", "shop"))))
        for name in ("crm", "mail", "shop"):
            (folder / name).mkdir()
            (folder / name / "people.csv").write_text(HEAD)
        self.says("crm", "1,ann@example.org,Ann,")

    def says(self, system: str, row: str) -> None:
        (self.folder / system / "people.csv").write_text(f"{HEAD}{row}\n")

    def holds(self, system: str) -> str:
        return (self.folder / system / "people.csv").read_text()

    def _find(self, name: str) -> registry.AdapterKind:
        kind = registry.find(name)

        def made(context: Context, options: Any) -> Any:
            adapter = kind.open(context, options)
            if context.system != "mail":
                return adapter
            self.mail = Strict(adapter)
            return self.mail

        return dataclasses.replace(kind, open=made)

    def open(self) -> Any:
        return Engine.open(load(self.folder / "config.toml", {}, self._find), "run")

    @property
    def strict(self) -> Strict:
        assert self.mail is not None
        return self.mail


@pytest.fixture
async def office(tmp_path: Path) -> Office:
    """Ann is everywhere."""
    office = Office(tmp_path)
    async with office.open() as engine:
        result: SyncResult = await sync(engine)
    assert result.exit_code == 0
    assert all("Ann" in office.holds(name) for name in ("crm", "mail", "shop"))
    return office


async def test_a_throttled_system_gets_no_call_at_all_and_the_others_go_on(office: Office) -> None:
    """F92."""
    async with office.open() as engine:
        office.says("crm", "1,ann@example.org,Anna,no")
        await pull_link(engine, engine.links["crm", "person"])
        office.strict.asks["push"] = 60.0
        with pytest.raises(Throttled):
            await push_link(engine, engine.links["mail", "person"], pulled=True)
        office.strict.calls.clear()

        await push_link(engine, engine.links["shop", "person"], pulled=True)
        for call in (pull_link(engine, engine.links["mail", "person"]), _push(engine), _describe(engine)):
            with pytest.raises(Throttled, match="mail: it asked us to wait"):
                await call

        assert office.strict.calls == []
        assert "Anna" in office.holds("shop")
        assert 59 < engine.waits.left_s("mail") <= 60


async def test_waiting_is_no_try(office: Office) -> None:
    """Rows are not counted as tried again and again while nothing is sent."""
    async with office.open() as engine:
        office.says("crm", "1,ann@example.org,Anna,no")
        await pull_link(engine, engine.links["crm", "person"])
        engine.waits.ask("mail", 60.0)
        for _ in range(9):
            with pytest.raises(Throttled):
                await _push(engine)

        _oldest, tries = await engine.store.transact(lambda tx: tx.outbox.oldest())

        assert tries["mail", "person"] == 0


async def test_sync_waits_as_long_as_it_was_asked_to_and_ends_well(office: Office) -> None:
    office.says("crm", "1,ann@example.org,Anna,no")
    async with office.open() as engine:
        office.strict.asks["push"] = 0.5
        began = anyio.current_time()

        result = await sync(engine)

        assert (result.exit_code, result.failed) == (0, {})
        assert anyio.current_time() - began > 0.5
    assert "Anna" in office.holds("mail")


async def test_sync_does_not_wait_for_long(office: Office) -> None:
    async with office.open() as engine:
        office.strict.asks["pull"] = 3600.0

        result = await sync(engine)

        assert (result.exit_code, list(result.failed)) == (75, ["mail.person"])
        assert office.strict.calls.count("pull") == 1


async def test_a_worker_that_waits_is_not_failing_and_goes_on_by_itself(office: Office) -> None:
    """F94."""
    async with office.open() as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), False, 300.0)
        office.strict.asks["pull"] = 0.5
        worker.due.set()
        tasks.start_soon(worker.pulling)
        while not engine.waits.left_s("mail"):  # noqa: ASYNC110
            await anyio.sleep(0.01)
        assert (worker.state, worker.failures, worker.failure_rate) == (LinkState.WAITING, 0, 0.0)

        with anyio.fail_after(5):
            while worker.last_success is None:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert office.strict.calls.count("pull") == 2
        worker.stop()


async def test_status_shows_the_wait(office: Office) -> None:
    async with office.open() as engine:
        app = App(engine)
        for key in engine.links:
            app.workers[key] = Worker(engine, key, False, 300.0)
        engine.waits.ask("mail", 90.0)

        status = assess(await facts(app))

        waits = {link.system: link.waits_s for link in status.links}
        assert (waits["crm"], 80 < waits["mail"] <= 90) == (0.0, True)
        (problem,) = [problem for problem in status.problems if problem.code == "throttled"]
        assert (problem.link, problem.severity) == ("mail.person", "warning")


async def _push(engine: Engine) -> None:
    await push_link(engine, engine.links["mail", "person"], pulled=True)


async def _describe(engine: Engine) -> None:
    await engine.adapters["mail"].describe("people")


def test_an_obedient_adapter_is_an_adapter() -> None:
    adapter: type[Adapter] = Obedient
    assert adapter is Obedient
