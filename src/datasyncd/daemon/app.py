"""App: the daemon that runs for ever: workers, schedule, control socket, signals.

SIGTERM and SIGINT drain: what was sent is answered, nothing new begins. SIGHUP loads the config anew, and
keeps the old one if the new one is not valid. A task that crashes is started again with back-off and shows
in `status`; the others go on. While the state cannot be written nothing is sent, and all is tried again; a
state that is damaged, or was removed or replaced, ends the daemon.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from datasyncd import __version__
from datasyncd.adapters.errors import AdapterError, Throttled
from datasyncd.state.errors import StateError

from .answers import facts, handlers, terms_of
from .check import refuse_inconsistent
from .config.load import Config, load
from .config.problems import ConfigInvalid
from .control.server import Server
from .cycle import pull_link, push_link
from .engine import DEFAULT_SWEEP_US, Engine
from .health import Status, assess
from .link import Counts
from .notify import notify, watchdog_s
from .purge import EVERY_S, purge
from .schedule import DEFAULT_EVERY_S, LIVE_EVERY_S, Schedule
from .web import serving
from .worker import Worker

log = structlog.get_logger()

DRAIN_S = 20.0
"""How long what is under way may take to end."""
CONFIRM_S = 2.0
"""How often an idle daemon looks whether its state is still there; a busy one does with each transaction."""
RESTART_S = (1.0, 5.0, 30.0)

Started = Callable[[str, Counts, Counts], None]
"""Called after a link's first cycle: its name, what was read, what was written."""


class App:
    """One run of one config."""

    def __init__(self, engine: Engine, started: Started | None = None, since: int | None = None) -> None:
        self.engine = engine
        self.workers: dict[tuple[str, str], Worker] = {}
        self.started_at = engine.clock.now() if since is None else since
        """When the process began to work, microseconds: a reload does not change it."""
        self.crashes: dict[str, str] = {}
        """Tasks that crashed and were started again: their name and the kind of error."""
        self.not_listening: str | None = None
        """Why nothing is served over HTTP, where the config asks for it."""
        self.refused_config: tuple[str, ...] = ()
        """What is wrong with the config that SIGHUP was to bring; empty once a good one has come."""
        self.in_step = False
        """The first cycle over all links is done."""
        self.stop = anyio.Event()
        self._told = ""
        """Which trouble with the state was logged last."""
        self._schedule = Schedule(engine.clock.now)
        self._started = started
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Work until `stop` is set, then drain."""
        for system, links in self.engine.config.links.items():
            for entity in links:
                self._add(system, entity)
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            await tasks.start(Server(handlers(self)).serve, self.engine.config.home.state_dir)
            # A first synchronisation may take long: the service is up once it can be asked how it is.
            notify("READY=1\nSTATUS=first cycle")
            self.supervise("watchdog", self._watchdog)
            self.supervise("confirm", self._confirming)
            tasks.start_soon(self._work)
            async with serving(self.engine.config.home.listen, self._status) as trouble:
                self.not_listening = trouble
                await self.stop.wait()
            notify("STOPPING=1")
            await self._drain()
            await self.engine.store.confirm()  # stopped well only with all that was noted
            # A watch ends at once when its adapter is closed, and only after seconds when it is cancelled.
            await self.engine.close_adapters()
            tasks.cancel_scope.cancel()
        self._schedule.stop()

    async def _work(self) -> None:
        """The first cycle, then every task by itself.

        On error in the first cycle: it shows in `status`, and the tasks try again one by one.
        """
        try:
            await self._first_cycle()
        except Exception as error:
            self._failed("first cycle", error)
        self._schedule.start()
        for worker in self.workers.values():
            self.supervise(f"pull {worker.name}", worker.pulling)
            self.supervise(f"push {worker.name}", worker.pushing)
            if worker.live:
                self.supervise(f"watch {worker.name}", worker.watching_loop)
            worker.due.set()
        self.supervise("purge", self._purging)
        notify("STATUS=in step")

    async def _status(self) -> Status:
        return assess(await facts(self))

    def supervise(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task; when it crashes, note it and start it again."""
        assert self._tasks is not None
        self._tasks.start_soon(self._kept_alive, name, task, name=name)

    async def _kept_alive(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        crashes = 0
        while True:
            try:
                await task()
                return
            except Exception as error:
                self._failed(name, error)
                if isinstance(error, StateError):
                    await anyio.sleep(RESTART_S[0])  # no defect of the task: it goes on as soon as it can
                    continue
                await anyio.sleep(RESTART_S[min(crashes, len(RESTART_S) - 1)])
                crashes += 1

    def _failed(self, name: str, error: Exception) -> None:
        """Note why a task ended. Raises the error if nothing can go on: the state is damaged."""
        if not isinstance(error, StateError):
            self.crashes[name] = type(error).__name__
            log.exception("task_crashed", task=name)
        elif not error.passes:
            log.critical("state_lost", reason=str(error))
            raise error
        elif str(error) != self._told:
            self._told = str(error)
            log.error("state_unavailable", reason=self._told)

    def _add(self, system: str, entity: str) -> None:
        """A worker and its triggers."""
        link = self.engine.config.links[system][entity]
        capabilities = self.engine.adapters[system].capabilities(link.object)
        live = link.live and capabilities.watches
        intervals = [d.seconds for d in (link.every, link.sweep) if d is not None]
        if live:
            intervals.append(LIVE_EVERY_S)
        if not intervals and link.cron is None:
            intervals.append(DEFAULT_EVERY_S)
        expected = min(intervals) if intervals else 86_400.0
        worker = Worker(self.engine, (system, entity), live, expected)
        worker.on_change = self._changed
        self.workers[system, entity] = worker
        if link.every is not None or link.cron is None:
            every = link.every.seconds if link.every is not None else LIVE_EVERY_S if live else DEFAULT_EVERY_S
            self._schedule.every(f"every {worker.name}", every, worker.due.set)
        if link.cron is not None:
            self._schedule.cron(f"cron {worker.name}", link.cron, worker.due.set)
        if link.sweep is not None or capabilities.incremental:
            sweep = link.sweep.seconds if link.sweep is not None else DEFAULT_SWEEP_US / 1_000_000
            self._schedule.every(f"sweep {worker.name}", sweep, lambda: self._sweep(worker))

    def next_run(self, worker: Worker) -> int | None:
        """When the schedule marks a link due next, microseconds."""
        return self._schedule.next_run(worker.name)

    def _sweep(self, worker: Worker) -> None:
        """A complete pull, for what increments can miss."""
        if worker.link is not None:
            worker.link.wants_full = True
        worker.due.set()

    def _changed(self, entity: str) -> None:
        """Clusters of this entity changed: every system that holds it may be owed something."""
        for (_system, other), worker in self.workers.items():
            if other == entity:
                worker.owed.set()

    def wake(self) -> None:
        """A person decided something: look at everything that may be owed."""
        for worker in self.workers.values():
            worker.owed.set()
            worker.due.set()

    async def _first_cycle(self) -> None:
        """All sources are read before anything is written, so that guards see the whole of it."""
        engine = self.engine
        await engine.attach()
        order = sorted(self.workers.values(), key=lambda w: w.link is None or not w.link.rule.pulls)
        read: dict[str, Counts] = {}
        for worker in order:
            notify(f"STATUS=reading {worker.name}")
            read[worker.name] = await self._try(worker, push=False)
        for worker in order:
            notify(f"STATUS=writing {worker.name}")
            written = await self._try(worker, push=True)
            if self._started is not None:
                self._started(worker.name, read[worker.name], written)
        self.in_step = True

    async def _try(self, worker: Worker, *, push: bool) -> Counts:
        link = worker.link
        if self.engine.stopping:
            return Counts()
        way = worker.push if push else worker.pull
        if link is None:
            error = self.engine.detached[worker.key]
            if not push and not isinstance(error, Throttled):
                worker.failed(way, error)
            return Counts()
        try:
            with worker.at_work():
                if push:
                    return await push_link(self.engine, link, pulled=True)
                counts = await pull_link(self.engine, link)
        except Throttled:
            return Counts()
        except AdapterError as error:
            worker.failed(way, error)
            return Counts()
        worker.last_success = self.engine.clock.now()
        return counts

    async def _drain(self) -> None:
        """Let what is under way end; nothing new begins."""
        self.engine.stopping = True
        for worker in self.workers.values():
            worker.stop()
        with anyio.move_on_after(DRAIN_S):
            while any(worker.running for worker in self.workers.values()):  # noqa: ASYNC110
                await anyio.sleep(0.02)

    async def _purging(self) -> None:
        """Once a day forget what has been over for long."""
        while not self.engine.stopping:
            purged = await purge(self.engine.store, terms_of(self))
            if purged.reports or purged.clusters:
                log.info("purged", reports=purged.reports, clusters=purged.clusters)
            await anyio.sleep(EVERY_S)

    async def _confirming(self) -> None:
        """Find out that the state was removed or replaced also while nothing is to be done."""
        while not self.engine.stopping:
            await self.engine.store.confirm()
            await anyio.sleep(CONFIRM_S)

    async def _watchdog(self) -> None:
        """Tell systemd that the loop turns and the state answers."""
        every = watchdog_s()
        while every is not None:
            await self.engine.store.transact(lambda tx: tx.sequence)
            notify("WATCHDOG=1")
            await anyio.sleep(every)


async def run(path: Path, started: Started | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises `ConfigInvalid` for the first config only."""
    config = load(path)
    await refuse_inconsistent(config)
    following: Config | None = config
    since: int | None = None
    with contextlib.ExitStack() as listening:
        # What comes while the state is opened, or between two configs, waits until the next one runs.
        signals = listening.enter_context(anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        while following is not None:
            async with Engine.open(following, f"run {__version__}", attach=False) as engine:
                since = engine.clock.now() if since is None else since
                app = App(engine, started, since)
                following = await _until_signal(app, path, signals, listening)


async def _until_signal(
    app: App, path: Path, signals: AsyncIterator[signal.Signals], listening: contextlib.ExitStack
) -> Config | None:
    """Run one config; returns the next one after SIGHUP, or None at the end."""
    following: list[Config] = []

    async def listen() -> None:
        async for number in signals:
            if number != signal.SIGHUP:
                listening.close()  # once more ends the drain at once, by that signal
                break
            notify("RELOADING=1")
            try:
                new = load(path)
                await refuse_inconsistent(new)
            except ConfigInvalid as invalid:
                app.refused_config = tuple(str(problem) for problem in invalid.problems)
                log.error("reload_refused", problems=list(app.refused_config))
                notify("READY=1\nSTATUS=the new config is not valid; the old one goes on")
                continue
            following.append(new)
            log.info("reloading")
            break
        app.stop.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await app.run()
        tasks.cancel_scope.cancel()
    return following[-1] if following else None
