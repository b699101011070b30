"""Worker: one link at work in the daemon: it pulls when it is due, and pushes what it is owed.

Every trigger (a change seen by watching, the schedule, a hint, a person) does the same thing: it marks the
link due. Pulls of one link never overlap, and neither do its pushes.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Literal, NamedTuple

import anyio
import structlog

from datasyncd.adapters.errors import AdapterError, NotFound, Throttled, Unauthorised, Unsupported

from .cycle import pull_link, push_link
from .engine import Engine
from .link import Counts, Link
from .puller import next_reading
from .throttle import SHORTEST_S

log = structlog.get_logger()

RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)
UNAUTHORISED_RETRY_S = 300.0
REMEMBERED = 100
"""Runs of which the failure rate is taken."""
MICROSECONDS = 1_000_000


class Run(NamedTuple):
    """One pull or push that is over."""

    at: int
    """Microseconds."""
    went_well: bool


class LinkState(StrEnum):
    LIVE = "live"
    """Changes arrive by themselves."""
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FAILING = "failing"


class Signal:
    """Something to be done: set as often as one likes, waited for by one task."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until it is set, or for `timeout_s`; clears it."""
        with anyio.move_on_after(timeout_s):
            await self._event.wait()
        self._event = anyio.Event()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()


class Way:
    """How pulling, or pushing, goes: what one of them says does not excuse the other."""

    def __init__(self) -> None:
        self.failures = 0
        """In a row."""
        self.error = ""
        """Why the last one failed; "": it did not."""
        self.since = 0
        """When the first of these failures was, microseconds."""

    def failing_s(self, at: int) -> float:
        """For how long it has failed by `at`, in seconds; 0.0: it does not."""
        return max(0.0, (at - self.since) / MICROSECONDS) if self.failures else 0.0


class Worker:
    """The tasks of one link, and what `status` says of it."""

    def __init__(self, engine: Engine, key: tuple[str, str], live: bool, expected_every_s: float) -> None:
        self.engine = engine
        self.key = key
        self.live = live
        self.expected_every_s = expected_every_s
        """The longest time between two runs that the config lets one expect."""
        self.due = Signal()
        self.owed = Signal()
        self._under_way = 0
        """Calls of its pull and its push, which do not wait for each other."""
        self.stopping = False
        self.started_at = engine.clock.now()
        self.last_success: int | None = None
        self.pull = Way()
        self.push = Way()
        self.watching = False
        self.runs: deque[Run] = deque(maxlen=REMEMBERED)
        self.written = Counts()
        self.on_change: Callable[[str], None] = lambda _entity: None
        """Called when clusters of an entity may be owed deliveries."""

    @property
    def name(self) -> str:
        return ".".join(self.key)

    @property
    def link(self) -> Link | None:
        return self.engine.links.get(self.key)

    @property
    def failures(self) -> int:
        """In a row, of the way that goes worse."""
        return max(self.pull.failures, self.push.failures)

    @property
    def last_error(self) -> str:
        return self.pull.error or self.push.error

    @property
    def state(self) -> LinkState:
        if self.failures:
            return LinkState.FAILING
        if self.running:
            return LinkState.RUNNING
        return LinkState.LIVE if self.live and self.watching else LinkState.WAITING

    @property
    def failure_rate(self) -> float:
        failed = sum(not run.went_well for run in self.runs)
        return round(failed / len(self.runs), 3) if self.runs else 0.0

    def lately(self, seconds: float) -> tuple[int, int]:
        """Runs within the last `seconds`, and how many of them failed."""
        begin = self.engine.clock.now() - int(seconds * MICROSECONDS)
        recent = [run.went_well for run in self.runs if run.at >= begin]
        return len(recent), recent.count(False)

    @property
    def running(self) -> bool:
        """A pull or a push is under way."""
        return self._under_way > 0

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A pull or a push."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def stop(self) -> None:
        """Finish what is under way and begin nothing new."""
        self.stopping = True
        self.due.set()
        self.owed.set()

    async def pulling(self) -> None:
        """Pull whenever the link is due.

        On crash or error: the link stays due and is tried again with back-off; the other links go on.
        """
        retry: float | None = None
        while not self.stopping:
            await self.due.wait(retry)
            if self.stopping:
                return
            retry = await self._attempt(self.pull, self._pull_once)
            if retry is None:
                retry = await self._next_reading()

    async def pushing(self) -> None:
        """Deliver whenever something is owed, or when a write that failed is due again."""
        retry: float | None = 0.0
        while not self.stopping:
            if retry != 0.0:
                await self.owed.wait(retry)
            if self.stopping:
                return
            retry = await self._attempt(self.push, self._push_once)
            if retry is None:
                retry = await self._next_due()

    async def watching_loop(self) -> None:
        """Mark the link due at each hint of the system, and whenever a watch begins.

        On error: what changed until the next watch listens is found by the pull that its beginning asks for.
        """
        failures = 0
        while not self.stopping:
            link = self.link
            if link is not None and link.capabilities.watches:
                try:
                    self.watching = True
                    self.due.set()
                    async for _hint in link.adapter.watch(link.object):
                        failures = 0
                        self.due.set()
                        if self.stopping:
                            return
                except Unsupported:
                    return
                except AdapterError as error:
                    failures += 1
                    log.warning("watch_ended", link=self.name, reason=str(error))
                finally:
                    self.watching = False
            await anyio.sleep(RETRY_S[min(max(failures, 1), len(RETRY_S)) - 1])

    async def _attempt(self, way: Way, once: Callable[[], object]) -> float | None:
        """Run one pull or push; seconds until it should be tried again, or None when it went well."""
        try:
            with self.at_work():
                await once()  # type: ignore[misc]
        except Throttled:
            # No failure: the system answers, and says when it can be asked again.
            return max(self.engine.waits.left_s(self.key[0]), SHORTEST_S)
        except AdapterError as error:
            self.failed(way, error)
            if isinstance(error, NotFound):
                # What the map names is not there, or not what it was: the pull looks at the system anew.
                await self.engine.detach(self.key, error)
                self.due.set()
            if isinstance(error, Unauthorised):
                return UNAUTHORISED_RETRY_S
            return RETRY_S[min(way.failures, len(RETRY_S)) - 1]
        except Exception:
            # A defect of ours: the task is started again, and has to find its work.
            self.due.set()
            self.owed.set()
            raise
        return None

    async def _pull_once(self) -> None:
        link = await self._attached()
        counts = await pull_link(self.engine, link)
        await self._pulled(link)
        if link.wants_full:
            self.due.set()
        if counts.changed:
            self.on_change(link.rule.entity)

    async def _push_once(self) -> None:
        if self.link is None:
            return
        link = await self._attached()
        counts = await push_link(self.engine, link, pulled=False)
        self.written.add(counts)
        if await self._pushed(link, counts):
            self.on_change(link.rule.entity)
        if link.wants_full or counts.unknown:
            self.due.set()

    async def _pulled(self, link: Link) -> None:
        """Note that a pull went well."""
        if self.pull.failures:
            # It answers again: what could not be written meanwhile need not wait for its own next try.
            await self.engine.store.transact(lambda tx: tx.outbox.retry(link.system, link.rule.entity, tx.at))
            self.owed.set()
        self.succeeded(self.pull)

    async def _pushed(self, link: Link, counts: Counts) -> bool:
        """Note that a push went well; true if it wrote something."""
        wrote = bool(counts.created or counts.updated or counts.deleted)
        if wrote or (self.push.error and not await self._is_owed(link)):
            self.succeeded(self.push)
        return wrote

    async def told(self, way: Literal["pull", "push"], outcome: Counts | AdapterError) -> None:
        """Note how a pull or push went that a `sync` made of this link. One that failed is tried again from here."""
        if isinstance(outcome, AdapterError):
            if not isinstance(outcome, Throttled):
                self.failed(self.pull if way == "pull" else self.push, outcome)
            (self.due if way == "pull" else self.owed).set()
        elif self.link is not None:
            await (self._pulled(self.link) if way == "pull" else self._pushed(self.link, outcome))

    async def _attached(self) -> Link:
        if self.link is None:
            await self.engine.attach_one(self.key)
            if self.link is not None and not self.engine.detached:
                await self.engine.rescan_changed()
            self.owed.set()
        if self.link is None:
            raise self.engine.detached[self.key]
        return self.link

    async def _next_due(self) -> float | None:
        """Seconds until an outbox row of this link is due again; hints that came of a push are read first."""
        link = self.link
        if link is None:
            return RETRY_S[-1]
        system, entity = link.system, link.rule.entity
        due, dirty = await self.engine.store.transact(
            lambda tx: (tx.outbox.next_due(system, entity), next_reading(tx, link))
        )
        if dirty is not None and dirty <= self.engine.clock.now():
            self.due.set()
        if due is None or not link.rule.pushes:
            return None
        return max(0.01, (due - self.engine.clock.now()) / 1_000_000)

    async def _next_reading(self) -> float | None:
        """Seconds until a record is to be read once more whose system may have answered an old state; None: none is."""
        link = self.link
        if link is None or not link.rule.stale_us:
            return None
        at = await self.engine.store.transact(lambda tx: next_reading(tx, link))
        return None if at is None else max(SHORTEST_S, (at - self.engine.clock.now()) / 1_000_000)

    async def _is_owed(self, link: Link) -> bool:
        """Whether a write of the link waits for another try."""
        system, entity = link.system, link.rule.entity
        return await self.engine.store.transact(lambda tx: tx.outbox.next_due(system, entity)) is not None

    def failed(self, way: Way, error: AdapterError) -> None:
        """Note that a pull or push failed, and log why, once."""
        at = self.engine.clock.now()
        way.since = way.since if way.failures else at
        way.failures += 1
        self.runs.append(Run(at, went_well=False))
        if str(error) != way.error:
            log.warning("link_failing", link=self.name, kind=type(error).__name__, reason=str(error))
        way.error = str(error)

    def succeeded(self, way: Way) -> None:
        """Note that the system was reached and did what it was asked."""
        before = self.failures
        way.failures, way.error = 0, ""
        if before and not self.failures:
            log.info("link_recovered", link=self.name)
        self.last_success = self.engine.clock.now()
        self.runs.append(Run(self.last_success, went_well=True))
