"""The hot test on systems in memory, in virtual time: what a class of promises alone makes of it.

Two systems of one class hold the same people. Each person is edited once in both, within one second, in the same field.
Both systems tell of a change within a fifth of a second; each step of a call (the way there, the way back) takes up to
50 ms. The cycle, the state and the reconciler are the real ones.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from datasyncd.adapters.contract import Capabilities, Column, Context, Moment, ObjectSpec, Schema
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.faults import Faults
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation
from datasyncd.daemon.link import Link
from datasyncd.daemon.puller import pull, read_dirty
from datasyncd.daemon.pusher import Delivery
from datasyncd.daemon.simulation.scheduler import SECOND, Scheduler
from datasyncd.daemon.simulation.states import InMemory
from datasyncd.daemon.simulation.systems import CITY, EMAIL, OBJECT, Promise, System, rules_of
from datasyncd.reconcile.rules import OnDelete
from datasyncd.state.store import InlineStore
from tests.benchmarks.hot_count import Counted, Typed, count

EVERY_S = 0.2
"""Between the first edits of two people."""
WITHIN_S = 1.0
TOLD_S = 0.2
STEP_S = 0.05
LOOK_S = 0.05
"""How often the daemon looks whether something is to be done."""
AT_REST_S = 30.0
ROUNDS = 40
START = datetime(1970, 1, 1, tzinfo=UTC)


class World:
    """Two systems of a class, and the daemon between them. `timed`: they say when each record was edited."""

    def __init__(self, promised: Capabilities, seed: int, persons: int, timed: bool) -> None:
        self.random = Random(seed)
        self.scheduler = Scheduler(Random(seed + 1))
        self.scheduler.moved = self._advance
        mapped = frozenset({EMAIL, CITY})
        self.systems = [System(Promise(name, promised), self.random, mapped) for name in ("a", "b")]
        self.typed: list[Typed] = []
        self._clock = 0
        self._over = False
        self._timed = timed
        self.state = InMemory()
        self.store = InlineStore(self.state.db, self._now)
        self._keys = [
            {
                system.name: system.world.create(OBJECT, self._fields(email=f"p{n}@example.com", city="start"))
                for system in self.systems
            }
            for n in range(persons)
        ]
        rules = rules_of(self.systems, "report", OnDelete.UNLINK)
        spec = ObjectSpec(OBJECT, "id", ("email", "city"), edited_at="changed" if timed else None)
        schema = Schema(OBJECT, tuple(Column(name, "any") for name in spec.columns), key_assigned=True)
        options = FieldTypeOptions(name="text")
        fields = [MappedField(EMAIL, "email", options), MappedField(CITY, "city", options)]
        translation = Translation(fields, schema, edited_at=spec.edited_at)
        faults = Faults(Random(seed + 2), slow=1.0, longest_s=STEP_S)
        self.links = [
            Link(
                rules.links[system.name], rules,
                MemoryAdapter(
                    Context(system.name, Path(), self._begin, {OBJECT: spec}), system.world, faults,
                    self.scheduler.pause, page=persons,
                ),
                translation, spec,
            )
            for system in self.systems
        ]  # fmt: skip

    def run(self) -> Counted:
        """Everybody is edited in both systems; then cycles until nothing is left to do."""
        self._rest()
        since = self._now()
        for link in self.links:
            self.scheduler.start("pulling", self._pulling(link))
            self.scheduler.start("pushing", self._pushing(link))
        for n in range(len(self._keys)):
            first, other = self.random.sample(self.systems, 2)
            at = n * EVERY_S
            self.scheduler.start("people", self._edit(first, n), at)
            self.scheduler.start("people", self._edit(other, n), at + self.random.uniform(0, WITHIN_S))
        self.scheduler.run(self.scheduler.now + round((len(self._keys) * EVERY_S + 2 * WITHIN_S) * SECOND))
        self._over = True
        self._rest()
        held = {
            system.name: [record["city"] for record in system.world.holds(OBJECT).values()] for system in self.systems
        }
        assert held["a"] == held["b"], "the systems are at rest and not the same"
        return self.store._steps.run_step(lambda tx: count(tx, CITY, self.typed, held, since))

    def close(self) -> None:
        self.scheduler.kill("")
        self.state.close()

    def _fields(self, **fields: object) -> dict[str, object]:
        return (
            {**fields, "changed": (START + timedelta(microseconds=self.scheduler.now)).isoformat()}
            if self._timed
            else fields
        )

    def _advance(self, now: int) -> None:
        for system in self.systems:
            system.world.advance(now)

    def _now(self) -> int:
        self._clock = max(self.scheduler.now, self._clock + 1)
        return self._clock

    def _begin(self) -> Moment:
        return Moment(self.store.sequence, self._now())

    async def _edit(self, system: System, n: int) -> None:
        key, value = self._keys[n][system.name], f"{system.name} {n}"
        system.world.edit(OBJECT, key, **self._fields(city=value))
        self.typed.append(Typed(system.name, key, value))
        await self.scheduler.pause(self.random.uniform(0, TOLD_S))
        await self.store.transact(lambda tx: tx.readings.hint(system.name, OBJECT, [key], tx.stamp, tx.at))

    async def _pulling(self, link: Link) -> None:
        while not self._over:
            if self._any("dirty", link):
                await read_dirty(link, self.store, self._begin)
            await self.scheduler.pause(LOOK_S)

    async def _pushing(self, link: Link) -> None:
        while not self._over:
            if self._any("outbox", link):
                await Delivery(link, self.store, self._begin, False).run()
            await self.scheduler.pause(LOOK_S)

    def _any(self, table: str, link: Link) -> bool:
        row = self.state.db.execute(f"SELECT 1 FROM {table} WHERE system = ? LIMIT 1", (link.system,)).fetchone()
        return row is not None

    def _rest(self) -> None:
        """Cycles until one changes nothing."""
        for _ in range(ROUNDS):
            before = self.state.db.total_changes
            self.scheduler.start("cycle", self._cycle())
            self.scheduler.run(self.scheduler.now + round(AT_REST_S * SECOND))
            if before == self.state.db.total_changes:
                return
        raise AssertionError("it does not come to rest")

    async def _cycle(self) -> None:
        for link in self.links:
            link.wants_full = True
            await pull(link, self.store, self._begin)
            await read_dirty(link, self.store, self._begin)
        for link in self.links:
            await Delivery(link, self.store, self._begin, True).run()


def hot(promised: Capabilities, seeds: range, persons: int, timed: bool = False) -> Counted:
    """What becomes of the edits in one world a seed."""
    total = Counted()
    for seed in seeds:
        with contextlib.closing(World(promised, seed, persons, timed)) as world:
            total.add(world.run())
    return total
