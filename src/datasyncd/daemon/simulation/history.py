"""History: one seed, from the first record to the rest after the last edit, crashes included."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import TypeVar

import msgspec

from datasyncd.adapters.contract import Moment
from datasyncd.adapters.errors import AdapterError
from datasyncd.daemon.engine import recover, sweep_is_due
from datasyncd.daemon.link import Counts, Link
from datasyncd.daemon.puller import pull, read_dirty
from datasyncd.daemon.pusher import Delivery
from datasyncd.daemon.review.identity import merge, split
from datasyncd.daemon.review.refusal import Unable
from datasyncd.daemon.review.terms import Terms
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.rules import OnDelete
from datasyncd.state.outbox import HELD
from datasyncd.state.records import StoredReport
from datasyncd.state.store import InlineStore
from datasyncd.state.transaction import Tx

from .oracle import (
    Broken,
    Listed,
    Oracle,
    Split,
    check,
    check_apart,
    check_forms,
    check_nothing_taken_back,
    check_times,
)
from .people import Habits, People
from .scheduler import SECOND, Endless, Scheduler
from .situations import SEEN_AT_REST, counted_in
from .states import InMemory, OnDisk, State
from .story import Line, Story
from .systems import (
    ADDRESS,
    EVERYTHING,
    FIELDS,
    NAME,
    OBJECT,
    POINTS,
    SCORE,
    SELECTIONS,
    Clock,
    Drift,
    Promise,
    System,
    link_of,
    promises,
    rules_of,
)

T = TypeVar("T")

AFTERWARDS_S = (1.0, 2.0, 6.0)
"""Virtual seconds after the last edit in which systems still fail."""
SHOWN_S = 6.0
"""After that every change shows in searches, and no robot has still to react to one."""
ROUNDS = 40
"""Cycles after which everything must be quiet."""
ROUND_S = 30.0
"""Longer than anything that a system does late."""
ON_DISK = 50
"""One history in so many has its state in a real file."""


class Shape(msgspec.Struct, frozen=True):
    """How large a world is. Most are small: what goes wrong needs few edits, and many histories find more."""

    systems: int
    habits: Habits
    mapped: frozenset[int]
    crashes: int
    afterwards_s: float
    decides: bool
    """A person merges records and tells them apart."""
    thorough: bool
    """At the end all records of every system are listed; otherwise links pull as the daemon pulls them."""

    @property
    def span_s(self) -> float:
        return self.habits.span_s

    @property
    def until_s(self) -> float:
        """When nothing fails any more."""
        return self.habits.span_s + self.afterwards_s


def shape_of(random: Random, faulty: bool) -> Shape:
    """Drawn from the seed."""
    size = random.random()
    come_and_go = random.random() < 0.12
    if size < 0.85:
        edits, persons, systems = random.randrange(2, 5), random.choice((1, 1, 1, 2)), random.choice((2, 2, 2, 3))
    elif size < 0.98:
        edits, persons, systems = random.randrange(5, 10), random.randrange(1, 4), random.choice((2, 3))
    else:
        edits, persons, systems = random.randrange(12, 30), random.randrange(2, 5), 3
    if come_and_go:
        edits += 4
    mapped = EVERYTHING if size >= 0.98 else random.choice(SELECTIONS)
    habits = Habits(
        edits, edits * random.choice((0.5, 1.5, 3.0)), persons, random.random() < 0.5, random.random() < 0.5,
        random.choice((0.0, 0.4, 0.7)), come_and_go,
    )  # fmt: skip
    crashes = random.choice((0, 1, 2)) if faulty else 0
    decides = random.random() < 0.06
    return Shape(systems, habits, mapped, crashes, random.choice(AFTERWARDS_S), decides, random.random() < 0.5)


class Cut(msgspec.Struct, frozen=True):
    """What is left out of a history, to find what makes it break."""

    acts: frozenset[int] = frozenset()
    """Things that people do, by number."""
    kinds: frozenset[str] = frozenset()
    """Of `CUTS`."""


NOTHING = Cut()
CUTS = (
    "crashes", "hints", "robot", "slow", "unknown", "refused", "absent", "throttled", "page", "as_one", "drifts",
    "clock", "form",
)  # fmt: skip
"""What can be left out as a whole: all but the first two are of `Promise`."""


class Died(BaseException):
    """The process ends in the middle of a transaction."""


class Steps(InlineStore):
    """The state, with a pause before and after each transaction: places where the process may die."""

    def __init__(
        self, db: sqlite3.Connection, now: Callable[[], int], scheduler: Scheduler, committed: Callable[[], None]
    ) -> None:
        super().__init__(db, now)
        self._pause = scheduler.pause
        self._committed = committed
        self.doomed = False
        """The process dies just before the next commit."""

    async def transact(self, step: Callable[[Tx], T]) -> T:
        await self._pause(0.0)
        result = self._steps.run_step(partial(_cut_short, step) if self.doomed else step)
        self._committed()
        await self._pause(0.0)
        return result


def _cut_short(step: Callable[[Tx], T], tx: Tx) -> T:
    step(tx)
    raise Died


class Outcome(msgspec.Struct):
    """What one history was like."""

    seed: int
    digest: str
    """Of all rows and reports at the end, and of when each transaction was made: the same for the same seed."""
    seen: Counter[str]
    """How often each situation came up."""


class History:
    """One world, and the processes that work in it one after the other. `tell`: gets all that happens, as it does."""

    def __init__(self, seed: int, tell: Callable[[Line], None] | None = None, cut: Cut = NOTHING) -> None:
        self.seed = seed
        self._story = None if tell is None else Story(tell, {number: rule.name for number, rule in FIELDS.items()})
        random = Random(seed)
        self.faulty = seed % 3 != 0
        self.shape = shape_of(random, self.faulty)
        if "crashes" in cut.kinds:
            self.shape = msgspec.structs.replace(self.shape, crashes=0)
        self._hears = "hints" not in cut.kinds
        self.random = Random(random.getrandbits(60))
        faults = Random(random.getrandbits(60))
        self.scheduler = Scheduler(Random(random.getrandbits(60)))
        self.scheduler.moved = self._advance
        self.systems = [
            System(_without(promise, cut.kinds), faults, self.shape.mapped)
            for promise in promises(random, self.faulty, self.shape.systems)
        ]
        self.oracle = Oracle()
        self.people = People(
            random.getrandbits(60), self.systems, self.oracle, self.scheduler, self.shape.habits, self._hint,
            cut.acts, self._story,
        )  # fmt: skip
        for system in self.systems if self._story is not None else ():
            system.world.tell = partial(self._told_by, system.name)
        self.rules = rules_of(
            self.systems, random.choice(("report", "newest", "fill_blanks")),
            random.choice((OnDelete.PROPAGATE, OnDelete.UNLINK)),
        )  # fmt: skip
        self.seen: Counter[str] = Counter()
        self.written = 0
        self.told: list[StoredReport] = []
        self.known: list[Cluster] = []
        """Reports and clusters of states that are no longer there."""
        self.listed: list[Listed] = []
        """Complete pulls of the process that lives."""
        self.splits: list[Split] = []
        self._decided: set[int] = set()
        """Clusters that a person merged or took records out of."""
        self._clock = 0
        self._trace = hashlib.blake2b(digest_size=16)
        self.state: State = OnDisk() if seed % ON_DISK == ON_DISK - 1 else InMemory()
        self._calm = False
        self.store: Steps
        self.links: list[Link]

    def _told_by(self, system: str, what: str) -> None:
        assert self._story is not None
        self._story.tells(self.scheduler.now, system, what)

    @property
    def _db(self) -> sqlite3.Connection:
        return self.state.db

    def now(self) -> int:
        """The daemon's clock: virtual time, never twice the same."""
        self._clock = max(self.scheduler.now, self._clock + 1)
        return self._clock

    def _advance(self, now: int) -> None:
        for system in self.systems:
            system.world.advance(now)

    def run(self) -> Outcome:
        """The whole history. Raises `Broken`."""
        self.people.begin()
        self._start()
        self.scheduler.start("people", self.people.live())
        if self.shape.decides:
            self.scheduler.start("somebody", self._deciding())
        for system in self.systems:
            if system.promise.drifts is not Drift.NEVER:
                self.scheduler.start("drift", self._drift(system))
        if self.shape.crashes:
            times = sorted(self.random.uniform(0, self.shape.until_s) for _ in range(self.shape.crashes))
            self.scheduler.start("fate", self._fate(times))
        self._run_until(round(self.shape.until_s * SECOND))
        self.scheduler.fuse = -1
        self.scheduler.kill("fate")
        self.scheduler.kill("daemon")
        self._settle()
        return self._judge()

    def close(self) -> None:
        """It is over, or was broken off."""
        self.scheduler.kill("")
        self.state.close()

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
            link.wants_full = self.store._steps.run_step(partial(sweep_is_due, link=link))
        if not self._calm:
            for link in self.links:
                self.scheduler.start(f"daemon pull {link.name}", self._pulling(link), self.random.uniform(0, 1))
                self.scheduler.start(f"daemon push {link.name}", self._pushing(link), self.random.uniform(0, 2))

    def _committed(self) -> None:
        self._trace.update(b"%d %d," % (self.store.sequence, self.scheduler.now))
        if self._story is not None:
            self._story.commits(self._db, self.scheduler.now)

    def begin(self) -> Moment:
        return Moment(self.store.sequence, self.now())

    async def _fate(self, times: list[float]) -> None:
        """The process dies at some pause soon after these moments, or in the middle of a transaction."""
        for at in times:
            await self.scheduler.pause(max(0.0, at - self.scheduler.now / SECOND))
            if self.random.random() < 0.25:
                self.store.doomed = True
            else:
                self.scheduler.fuse = self.random.randrange(1, 16)

    async def _deciding(self) -> None:
        """Somebody says which records are of one person, and which are not."""
        for _ in range(3):
            await self.scheduler.pause(self.random.uniform(0.5, self.shape.until_s / 2))
            with contextlib.suppress(Unable):
                self.store._steps.run_step(self._decide)
                self._committed()

    def _decide(self, tx: Tx) -> None:
        terms = Terms({self.rules.name: self.rules}, self.store.fingerprints, {})
        live = [c for c in tx.clusters.load(tx.clusters.ids(self.rules.name, 0, 100)).values() if any(c.live())]
        if not live:
            return
        one = self.random.choice(live)
        records = sorted((binding.system, binding.ext_id) for binding in one.live())
        if len(records) > 1 and self.random.random() < 0.6:
            alone = self.random.choice(records)
            made = split(tx, terms, self.rules.name, ":".join(alone), by="somebody")
            self._decided |= {one.id, made.id}
            self.splits.append(Split(self.scheduler.now, frozenset({alone}), frozenset(records) - {alone}))
            self.seen["unmerge"] += 1
        elif len(live) > 1:
            other = self.random.choice([cluster for cluster in live if cluster is not one])
            names = [":".join(sorted((b.system, b.ext_id) for b in cluster.live())[0]) for cluster in (one, other)]
            merge(tx, terms, self.rules.name, names[0], names[1], by="somebody")
            self._decided |= {one.id, other.id}
            self.splits.clear()  # what was told apart before may be one person now
            self.seen["merge"] += 1

    async def _drift(self, system: System) -> None:
        """For a while all records of a system lack a field, or hold something else in it."""
        how = system.promise.drifts
        numbers = [SCORE, POINTS] if how is Drift.BROKEN else list(range(NAME, ADDRESS))
        names = [FIELDS[number].name for number in numbers if number in self.shape.mapped]
        await self.scheduler.pause(self.random.uniform(0, self.shape.span_s))
        if names:
            system.world.lost = self.random.choice(names), how
            system.world.ever_lost.add(system.world.lost[0])
        await self.scheduler.pause(self.random.uniform(1, self.shape.span_s))
        system.world.lost = None

    def _crash(self) -> None:
        """The process dies where it stands; the next one starts a second later."""
        self.scheduler.fuse = -1
        self.scheduler.kill("daemon")
        self.seen["crash"] += 1
        if self._story is not None:
            self._story.tells(self.scheduler.now, "crash", "the process dies; the next one starts a second later")
        self.state.die()
        self.scheduler.jump(SECOND)
        self._start()

    def _run_until(self, at: int) -> None:
        alive = False
        while not alive:
            try:
                alive = self.scheduler.run(at)
            except Died:
                self.seen["crash in a transaction"] += 1
            if not alive:
                self._crash()
        self.now()

    def _hint(self, system: str, key: str, after_s: float) -> None:
        """A system tells of a change; a process that is not there does not hear it."""
        if not self._hears:
            return
        link = next(link for link in self.links if link.system == system)
        self.scheduler.start(f"daemon hint {link.name}", self._hinted(link, key), after_s)

    async def _hinted(self, link: Link, key: str) -> None:
        await self.store.transact(lambda tx: tx.readings.hint(link.system, link.object, [key], tx.stamp, tx.at))
        self.seen["hint"] += 1

    async def _pulling(self, link: Link) -> None:
        while True:
            try:
                if self.random.random() < 0.6:
                    link.wants_full = link.wants_full or self.random.random() < 0.3
                    await self._pull_once(link)
                else:
                    await self._read_once(link)
            except AdapterError:
                self.seen["outage"] += 1
            await self.scheduler.pause(self.random.uniform(0.7, 7))

    async def _pull_once(self, link: Link) -> Counts:
        pulled = await pull(link, self.store, self.begin)
        if pulled.complete:
            self.listed.append(Listed(link.system, pulled.began.at, self.scheduler.now))
        pulled.counts.add(await self._read_once(link))
        return pulled.counts

    async def _read_once(self, link: Link) -> Counts:
        """Read what was hinted, if anything was."""
        if not self._is_dirty(link):
            return Counts()
        counts = await read_dirty(link, self.store, self.begin)
        self.seen["echo"] += counts.echoes
        return counts

    async def _pushing(self, link: Link) -> None:
        while True:
            try:
                if self._is_owed(link):
                    await self._push_once(link, pulled=False)
            except AdapterError:
                self.seen["outage"] += 1
            await self.scheduler.pause(self.random.uniform(0.1, 2.5))

    async def _push_once(self, link: Link, *, pulled: bool) -> Counts:
        counts = await Delivery(link, self.store, self.begin, pulled).run()
        self.written += counts.created + counts.updated + counts.deleted
        self.seen["unknown outcome"] += counts.unknown
        return counts

    def _is_dirty(self, link: Link) -> bool:
        """Whether a record is to be read, or a write of unknown outcome may end."""
        rows = "SELECT 1 FROM dirty WHERE system = ?1 UNION ALL SELECT 1 FROM attempt WHERE system = ?1 LIMIT 1"
        return self._db.execute(rows, (link.system,)).fetchone() is not None

    def _is_owed(self, link: Link) -> bool:
        """Whether something is due, as the daemon's worker asks before it delivers."""
        due = "SELECT 1 FROM outbox WHERE system = ? AND due_at <= ? LIMIT 1"
        return self._db.execute(due, (link.system, self._clock + 1)).fetchone() is not None

    # Rest

    def _settle(self) -> None:
        """No people and no new faults: cycles until a whole one writes nothing and changes nothing."""
        self._calm = True
        for system in self.systems:
            system.world.lost = None
        self.scheduler.kill("drift")
        self.scheduler.kill("somebody")
        self._run_until(self.scheduler.now + round(SHOWN_S * SECOND))
        self._start()
        for _ in range(ROUNDS):
            before = self._changes()
            self.scheduler.start("settle", self._cycle())
            self._run_until(self.scheduler.now + round(ROUND_S * SECOND))
            if self._changes() == before and not self._waiting():
                return
        raise Broken(f"P7: not quiet after {ROUNDS} cycles; waiting: {self._waiting()}")

    def _changes(self) -> tuple[int, ...]:
        return self._db.total_changes, *(len(system.world.changes) for system in self.systems)

    async def _cycle(self) -> None:
        self.store._steps.run_step(self._approve)
        # What came back without anybody's edit is shown by no increment.
        thorough = self.shape.thorough or any(system.world.ever_lost for system in self.systems)
        for link in self.links:
            link.wants_full = link.wants_full or thorough
            await self._pull_once(link)
        for link in self.links:
            if self._is_owed(link):
                await self._push_once(link, pulled=True)

    def _approve(self, tx: Tx) -> None:
        """Somebody looks at what guards hold, and lets it pass."""
        for guard in tx.guards.all():
            self.seen["mass-delete guard"] += 1
            tx.guards.set_state(guard.id, "approved")
            for system in self.rules.links:
                tx.outbox.wake(system, guard.entity, tx.at)

    def _waiting(self) -> list[tuple[object, ...]]:
        """What is still to be done. Where a record may be two people's, creates wait for a person."""
        person = "system IN (SELECT system FROM quarantine WHERE kind = 'ambiguous')"
        return [
            *self._db.execute(f"SELECT * FROM outbox WHERE due_at < ? AND NOT (classes & 1 AND {person})", (HELD,)),
            *self._db.execute("SELECT * FROM dirty"),
            *self._db.execute(f"SELECT * FROM attempt WHERE NOT (op = 'create' AND {person})"),
        ]

    def _judge(self) -> Outcome:
        ids = [row[0] for row in self._db.execute("SELECT id FROM cluster ORDER BY id")]
        clusters, reports = self.store._steps.run_step(
            lambda tx: (list(tx.clusters.load(ids).values()), tx.records.reports())
        )
        for report in reports:
            self.seen[f"report {report.kind}"] += 1
        for row in self._db.execute("SELECT kind, count(*) FROM journal GROUP BY kind"):
            self.seen[f"journal {row[0]}"] += row[1]
        self.seen.update({name: self.seen[told] for name, told in SEEN_AT_REST.items()})
        quarantined = self._db.execute("SELECT system, ext_id, kind FROM quarantine").fetchall()
        asked = {row[0] for row in quarantined if row[2] == "ambiguous"}
        self.seen["fault-free seed"] = int(not self.faulty)
        self.seen["state on disk"] = int(isinstance(self.state, OnDisk))
        self.seen["robot edit"] += self.people.robot_edits
        kept_out = {(row[0], row[1]) for row in quarantined}
        joined = self._db.execute(
            "SELECT b.system, b.ext_id, j.at FROM journal j JOIN binding b ON b.id = j.binding_id WHERE j.kind = 'bind'"
        )
        check(
            self.oracle, self.systems, clusters, [*self.told, *reports], kept_out, self.rules, self.known,
            {(system, ext_id): at for system, ext_id, at in joined}, asked, self._decided,
        )  # fmt: skip
        check_apart(self.oracle, self.systems, self.splits)
        if not self.seen["crash"] and any(system.promise.clock is not Clock.NONE for system in self.systems):
            noticed = self.store._steps.run_step(partial(_noticed, ids=ids))
            check_times(self.oracle, reports, self.rules, noticed, self.listed)
        self._writes_bounded()
        check_forms(self.oracle, self.systems)
        if not self.faulty and not self.known:
            check_nothing_taken_back(self.oracle, self.systems)
        for system in self.systems:
            self.seen.update(system.world.seen)
        return Outcome(self.seed, self._digest(), self.seen)

    def _writes_bounded(self) -> None:
        """P6: writes per edit are bounded."""
        oracle = self.oracle
        edits = len(oracle.edits) + len(oracle.deletes) + len(oracle.born) + len(oracle.renamed) + len(oracle.merged)
        edits += oracle.reactions
        most = 4 * edits * len(self.systems) + 3 * self.seen["unknown outcome"]
        if self.written > most:
            raise Broken(f"P6: {self.written} writes for {edits} edits (at most {most})")

    def _digest(self) -> str:
        out = self._trace.copy()
        for table in ("cluster", "binding", "report", "journal", "outbox", "quarantine"):
            out.update(
                msgspec.msgpack.encode(self._db.execute("SELECT * FROM " + table + " ORDER BY 1, 2, 3").fetchall())
            )
        for system in self.systems:
            out.update(msgspec.msgpack.encode(system.world.holds(OBJECT)))
        return out.hexdigest()


def _noticed(tx: Tx, ids: Sequence[int]) -> dict[tuple[int, ...], int]:
    """When each edit was read, by field, binding, incarnation and number."""
    return {
        (row[0], line.binding_id, row[1], row[2]): line.at
        for number in ids
        for line in tx.records.journal(number)
        if line.kind in ("found", "edit")
        for row in line.fields
    }


def _without(promise: Promise, kinds: frozenset[str]) -> Promise:
    usual = {name: field.default for name, field in _FIELDS.items() if name in kinds}
    return msgspec.structs.replace(promise, **usual) if usual else promise


_FIELDS = {field.name: field for field in msgspec.structs.fields(Promise)}


def run(seed: int, tell: Callable[[Line], None] | None = None, cut: Cut = NOTHING) -> Outcome:
    """One history. Raises `Broken`, with the seed."""
    with contextlib.closing(History(seed, tell, cut)) as history:
        try:
            with counted_in(history.seen):
                return history.run()
        except Broken as broken:
            raise Broken(f"seed {seed}: {broken}") from broken
        except Endless as task:
            raise Broken(f"seed {seed}: P7: {task} goes round in circles") from task
