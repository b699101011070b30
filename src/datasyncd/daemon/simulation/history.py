"""History: one seed, from the first record to the rest after the last edit, crashes included."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

import msgspec

from datasyncd.adapters.contract import Moment
from datasyncd.adapters.errors import AdapterError
from datasyncd.daemon.engine import recover
from datasyncd.daemon.link import Counts, Link
from datasyncd.daemon.puller import pull, read_dirty
from datasyncd.daemon.pusher import Delivery
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.rules import OnDelete
from datasyncd.state.database import migrate
from datasyncd.state.outbox import HELD
from datasyncd.state.records import StoredReport
from datasyncd.state.store import InlineStore
from datasyncd.state.transaction import Tx

from .oracle import Broken, Oracle, check
from .people import Habits, People
from .scheduler import SECOND, Scheduler
from .story import Line, Story
from .systems import FIELDS, OBJECT, System, link_of, promises, rules_of

T = TypeVar("T")

SPAN_S = 60.0
"""Virtual seconds in which people edit."""
ROUNDS = 40
"""Cycles after which everything must be quiet."""
ROUND_S = 30.0


class Steps(InlineStore):
    """The state, with a pause before and after each transaction: places where the process may die."""

    def __init__(
        self, db: sqlite3.Connection, now: Callable[[], int], scheduler: Scheduler, committed: Callable[[], None]
    ) -> None:
        super().__init__(db, now)
        self._scheduler = scheduler
        self._committed = committed

    async def transact(self, step: Callable[[Tx], T]) -> T:
        await self._scheduler.pause(0.0)
        result = await super().transact(step)
        self._committed()
        await self._scheduler.pause(0.0)
        return result


class Outcome(msgspec.Struct):
    """What one history was like."""

    seed: int
    digest: str
    """Of all rows and reports at the end: the same for the same seed."""
    seen: Counter[str]
    """How often each situation came up."""


class History:
    """One world, and the processes that work in it one after the other. `tell`: gets all that happens, as it does."""

    def __init__(self, seed: int, tell: Callable[[Line], None] | None = None) -> None:
        self.seed = seed
        self._story = None if tell is None else Story(tell, {number: rule.name for number, rule in FIELDS.items()})
        random = self.random = Random(seed)
        self.faulty = seed % 3 != 0
        self.scheduler = Scheduler(random)
        self.systems = [System(promise, random) for promise in promises(random, self.faulty)]
        habits = Habits(random.randrange(6, 30), random.randrange(1, 4), random.random() < 0.5, random.random() < 0.5)
        self.oracle = Oracle()
        self.people = People(self.systems, self.oracle, self.scheduler, random, habits, self._story)
        self.rules = rules_of(
            self.systems, random.choice(("report", "newest", "fill_blanks")),
            random.choice((OnDelete.PROPAGATE, OnDelete.UNLINK)),
        )  # fmt: skip
        self.seen: Counter[str] = Counter()
        self.written = 0
        self.told: list[StoredReport] = []
        self.known: list[Cluster] = []
        """Reports and clusters of states that are no longer there."""
        self._clock = 0
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self._db)
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'secret'", (b"s" * 32,))
        self._calm = False
        self.store: Steps
        self.links: list[Link]

    def now(self) -> int:
        """The daemon's clock: virtual time, never twice the same."""
        self._clock = max(self.scheduler.now, self._clock + 1)
        for system in self.systems:
            system.world.advance(max(system.world.now, self.scheduler.now))
        return self._clock

    def run(self) -> Outcome:
        """The whole history. Raises `Broken`."""
        self.people.begin()
        self._start()
        self.scheduler.start("people", self.people.live(SPAN_S))
        crashes = self.random.choice((0, 1, 3)) if self.faulty else 0
        times = sorted(self.random.uniform(0, SPAN_S) for _ in range(crashes))
        for at in times:
            self._run_until(round(at * SECOND))
            for _ in range(self.random.randrange(12)):
                self.scheduler.step(self.scheduler.now + SECOND)
            self._crash()
        self._run_until(round(SPAN_S * SECOND) + SECOND)
        self._run_until(self.scheduler.now + round(SPAN_S * SECOND))
        self.scheduler.kill("daemon")
        self._settle()
        return self._judge()

    # Processes

    def _start(self) -> None:
        """A process begins: everything that it knows comes from the state."""
        self.store = Steps(self._db, self.now, self.scheduler, self._committed)
        self.store._steps.run_step(recover)
        self.links = [
            link_of(system, self.rules, self.begin, self.scheduler, system.calm if self._calm else system.faults)
            for system in self.systems
        ]
        for link in self.links:
            self.scheduler.start(f"daemon pull {link.name}", self._pulling(link), self.random.uniform(0, 1))
            self.scheduler.start(f"daemon push {link.name}", self._pushing(link), self.random.uniform(0, 2))

    def _committed(self) -> None:
        if self._story is not None:
            self._story.commits(self._db, self.scheduler.now)

    def begin(self) -> Moment:
        return Moment(self.store.sequence, self.now())

    def _crash(self) -> None:
        """The process dies where it stands; the next one starts a second later."""
        if self.scheduler.kill("daemon"):
            self.seen["crash"] += 1
        if self._story is not None:
            self._story.tells(self.scheduler.now, "crash", "the process dies; the next one starts a second later")
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self.scheduler.now += SECOND
        self._start()

    def _run_until(self, at: int) -> None:
        while self.scheduler.step(at):
            self.now()
        self.scheduler.now = max(self.scheduler.now, at)
        self.now()

    async def _pulling(self, link: Link) -> None:
        while True:
            try:
                if self.random.random() < 0.3:
                    link.wants_full = True
                await self._pull_once(link)
            except AdapterError:
                self.seen["outage"] += 1
            await self.scheduler.pause(self.random.uniform(0.5, 6))

    async def _pull_once(self, link: Link) -> Counts:
        pulled = await pull(link, self.store, self.begin)
        counts = pulled.counts
        counts.add(await read_dirty(link, self.store, self.begin))
        self.seen["echo"] += counts.echoes
        return counts

    async def _pushing(self, link: Link) -> None:
        while True:
            try:
                await self._push_once(link, pulled=False)
            except AdapterError:
                self.seen["outage"] += 1
            await self.scheduler.pause(self.random.uniform(0.1, 3))

    async def _push_once(self, link: Link, *, pulled: bool) -> Counts:
        counts = await Delivery(link, self.store, self.begin, pulled).run()
        self.written += counts.created + counts.updated + counts.deleted
        self.seen["unknown outcome"] += counts.unknown
        self.seen["create"] += counts.created
        self.seen["update"] += counts.updated
        self.seen["delete"] += counts.deleted
        return counts

    # Rest

    def _settle(self) -> None:
        """No people and no new faults: cycles until a whole one writes nothing and changes nothing."""
        self._calm = True
        self._start()
        self.scheduler.kill("daemon")
        quiet = 0
        for _ in range(ROUNDS):
            before = self.written, self._db.total_changes
            self.scheduler.start("settle", self._cycle())
            self._run_until(self.scheduler.now + round(ROUND_S * SECOND))
            still = (self.written, self._db.total_changes) == before and not self._outbox()
            quiet = quiet + 1 if still else 0
            if quiet >= 2:
                return
        raise Broken(f"P7: not quiet after {ROUNDS} cycles; outbox {self._outbox()}")

    async def _cycle(self) -> None:
        self.store._steps.run_step(self._approve)
        for link in self.links:
            link.wants_full = True
            await self._pull_once(link)
        for link in self.links:
            await self._push_once(link, pulled=True)

    def _approve(self, tx: Tx) -> None:
        """Somebody looks at what guards hold, and lets it pass."""
        for guard in tx.guards.all():
            self.seen["guard"] += 1
            tx.guards.set_state(guard.id, "approved")
            tx.outbox.wake(guard.system, guard.entity, tx.at)

    def _outbox(self) -> list[tuple[object, ...]]:
        return self._db.execute("SELECT * FROM outbox WHERE due_at < ?", (HELD,)).fetchall()

    def _judge(self) -> Outcome:
        ids = [row[0] for row in self._db.execute("SELECT id FROM cluster ORDER BY id")]
        clusters, reports = self.store._steps.run_step(
            lambda tx: (list(tx.clusters.load(ids).values()), tx.records.reports())
        )
        for report in reports:
            self.seen[f"report {report.kind}"] += 1
        for row in self._db.execute("SELECT kind, count(*) FROM quarantine GROUP BY kind"):
            self.seen[f"quarantine {row[0]}"] += row[1]
        self.seen["incarnation bump"] += sum(b.incarnation for c in clusters for b in c.bindings)
        kept_out = {(row[0], row[1]) for row in self._db.execute("SELECT system, ext_id FROM quarantine")}
        check(self.oracle, self.systems, clusters, [*self.told, *reports], kept_out, self.rules, self.known)
        self._writes_bounded()
        return Outcome(self.seed, self._digest(), self.seen)

    def _writes_bounded(self) -> None:
        """P6: writes per edit are bounded."""
        edits = len(self.oracle.edits) + len(self.oracle.deletes)
        most = 4 * edits * len(self.systems) + 3 * self.seen["unknown outcome"]
        if self.written > most:
            raise Broken(f"P6: {self.written} writes for {edits} edits (at most {most})")

    def _digest(self) -> str:
        out = hashlib.sha256()
        for table in ("cluster", "binding", "report", "journal", "outbox", "quarantine"):
            for row in self._db.execute("SELECT * FROM " + table + " ORDER BY 1, 2, 3"):
                out.update(repr(row).encode())
        for system in self.systems:
            out.update(repr(system.world.holds(OBJECT)).encode())
        return out.hexdigest()


def run(seed: int, tell: Callable[[Line], None] | None = None) -> Outcome:
    """One history. Raises `Broken`, with the seed."""
    try:
        return History(seed, tell).run()
    except Broken as broken:
        raise Broken(f"seed {seed}: {broken}") from broken
