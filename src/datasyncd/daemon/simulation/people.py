"""People: who edits what, when. Each value is written once in a history, so that it names its edit.

Every act has its own random numbers, so that one can be left out of a history and the others stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

import msgspec

from datasyncd.adapters.contract import Write

from .oracle import Edit, Oracle, address_of
from .scheduler import SECOND, Scheduler
from .story import Story
from .systems import EMAIL, FIELDS, OBJECT, System

MARK = " (checked)"
SCALARS = ("name", "city", "language")


class Habits(msgspec.Struct, frozen=True):
    """What people of one seed do."""

    edits: int
    span_s: float
    """Virtual seconds in which they do it."""
    persons: int
    deletes: bool
    creates: bool
    hints: float
    """Share of the changes that a system tells the daemon of at once, 0.0 to 1.0."""
    come_and_go: bool
    """Records are mostly made, deleted and renamed."""


class People:
    """Everybody who works in the systems."""

    def __init__(
        self,
        seed: int,
        systems: list[System],
        oracle: Oracle,
        scheduler: Scheduler,
        habits: Habits,
        hint: Callable[[str, str, float], None],
        left_out: frozenset[int] = frozenset(),
        story: Story | None = None,
    ) -> None:
        """`hint`: called with system, key and seconds after which the daemon shall hear of a change."""
        self.systems = systems
        self.oracle = oracle
        self.scheduler = scheduler
        self.habits = habits
        self._seed = seed
        self.random = Random(seed)
        self._hint = hint
        self._left_out = left_out
        self._story = story
        self._values = 0
        self._fields = [FIELDS[number].name for number in sorted(systems[0].mapped) if number != EMAIL]
        self._emails: list[str] = []
        """Addresses that somebody had, and that others may get: those of deleted records, and given up ones."""
        self._scores = 4 if any(system.promise.capabilities.unique for system in systems) else 100
        """So many different ones people give."""
        self.robot_edits = 0
        for system in systems:
            if (system.promise.robot or system.promise.fights) and "city" in self._fields:
                system.world.landed = partial(self._alarm, system)
        self._times = sorted(self.random.uniform(0, habits.span_s) for _ in range(habits.edits))

    def begin(self) -> None:
        """Records that are there before the daemon comes: each person in one to all systems, all facts equal."""
        for person in range(self.habits.persons):
            where = [s for s in self.systems if self.random.random() < 0.7] or [self.random.choice(self.systems)]
            facts = {name: self._value(name) for name in SCALARS if name in self._fields}
            for system in where:
                self.create(system, f"p{person}@example.com", facts)

    async def live(self) -> None:
        """All edits of the history."""
        for number, at in enumerate(self._times):
            await self.scheduler.pause(max(0.0, at - self.scheduler.now / SECOND))
            if number not in self._left_out:
                self._values = 100 * (number + 1)
                self.random.seed(self._seed + number)
                self.act()

    def act(self) -> None:
        """One thing that somebody does."""
        system = self.random.choice(self.systems)
        records = system.world.holds(OBJECT)
        what = self._deed()
        if what == "create":
            again = self._emails and self.random.random() < 0.75
            email = self.random.choice(self._emails) if again else f"n{self._number()}@example.com"
            facts = {name: self._value(name) for name in SCALARS[:1] if name in self._fields}
            key = self.create(system, email, facts)
        elif records:
            key = self.random.choice(sorted(records))
            {"delete": self.delete, "rename": self.rename, "edit": self.edit, "merge": self.merge}[what](system, key)
        else:
            return
        while self.random.random() < self.habits.hints:
            self._hint(system.name, key, self.random.uniform(0, 2))

    def _alarm(self, system: System, write: Write) -> None:
        """Something in the system reacts to what was written."""
        if write.key is not None and write.fields.get("city") is not None:
            reaction = self._rewrite if system.promise.fights else self._mark
            self.scheduler.start("robot", reaction(system, write.key), 1.5)

    async def _rewrite(self, system: System, key: str) -> None:
        """Each system has its own way to write it, and so they never agree."""
        city = system.world.holds(OBJECT).get(key, {}).get("city")
        if isinstance(city, str):
            own = city.upper() if system.name == "a" else city.lower()
            if own != city:
                self._tell(f"robot {system.name}:{key}", {"city": own})
                system.world.edit(OBJECT, key, city=own)
                self.oracle.reactions += 1

    async def _mark(self, system: System, key: str) -> None:
        """Once for each value: it leaves alone what it has marked."""
        held = system.world.holds(OBJECT).get(key, {})
        city = held.get("city")
        if isinstance(city, str) and not city.endswith(MARK):
            self._tell(f"robot {system.name}:{key}", {"city": city + MARK})
            system.world.edit(OBJECT, key, city=city + MARK)
            self.oracle.edited(Edit(system.name, key, "city", city + MARK, self.scheduler.now), city)
            self.robot_edits += 1

    def _deed(self) -> str:
        if self.habits.come_and_go:
            return self.random.choice(("create", "create", "create", "delete", "delete", "merge", "rename", "edit"))
        roll = self.random.random()
        if self.habits.creates and roll < 0.15:
            return "create" if roll < 0.10 else "rename"
        return "delete" if self.habits.deletes and roll > 0.88 else "edit"

    def create(self, system: System, email: str, facts: dict[str, str]) -> str:
        """A new record in one system."""
        fields: dict[str, object] = dict.fromkeys(system.world.columns)
        if "points" in fields:
            fields["points"] = 0
        fields |= {"email": email, **facts}
        key = system.world.create(OBJECT, fields)
        self._tell(f"create {system.name}:{key} {email}", facts)
        self.oracle.born[system.name, key] = self.scheduler.now
        for name, value in facts.items():
            self.oracle.edited(Edit(system.name, key, name, value, self.scheduler.now), None)
        return key

    def delete(self, system: System, key: str) -> None:
        """Somebody deletes a record, having seen what it holds."""
        self._tell(f"delete {system.name}:{key}")
        held = system.world.holds(OBJECT)[key]
        self._emails.append(str(held["email"]))
        self.oracle.deleted(system.name, key, held)
        system.world.delete(OBJECT, key)

    def merge(self, system: System, key: str) -> None:
        """Somebody merges a record into another one of the same system."""
        held = system.world.holds(OBJECT)
        others = sorted(held.keys() - {key})
        if not others:
            self.edit(system, key)
            return
        survivor = self.random.choice(others)
        self._tell(f"merge {system.name}:{key} into {survivor}")
        self._emails.append(str(held[key]["email"]))
        if system.promise.capabilities.forward:
            self.oracle.merged[system.name, key] = survivor, held[key]
        else:
            self.oracle.deleted(system.name, key, held[key])
        system.world.merge(OBJECT, key, survivor)

    def rename(self, system: System, key: str) -> None:
        """Somebody gets another address: the key by which records are matched."""
        other = self._emails and self.random.random() < 0.4
        email = self.random.choice(self._emails) if other else f"r{self._number()}@example.com"
        before = str(system.world.holds(OBJECT)[key]["email"])
        self._emails.append(before)
        self._tell(f"edit {system.name}:{key}", {"email": email})
        system.world.edit(OBJECT, key, email=email)
        self.oracle.renamed += [before, email]

    def edit(self, system: System, key: str) -> None:
        """Somebody edits one or two fields of a record, having seen what they hold."""
        held = system.world.holds(OBJECT)[key]
        for name in self.random.sample(self._fields, min(len(self._fields), self.random.choice((1, 1, 2)))):
            if name == "address":
                self._move(system, key, held)
                continue
            before = held.get(name)
            value = self._next(name, before)
            if value == before or (name == "score" and self._is_taken(system, value)):
                continue
            self._tell(f"edit {system.name}:{key}", {name: value})
            system.world.edit(OBJECT, key, **{name: value})
            self.oracle.edited(Edit(system.name, key, name, value, self.scheduler.now), before)

    def _is_taken(self, system: System, score: object) -> bool:
        """Whether the system refuses it, since another record has it."""
        unique = system.promise.capabilities.unique
        return bool(unique) and any(record.get("score") == score for record in system.world.holds(OBJECT).values())

    def _move(self, system: System, key: str, held: Mapping[str, object]) -> None:
        """Somebody enters another address, or another street of it."""
        before = address_of(held)
        fields = {"street": self._value("street")}
        if self.random.random() < 0.5:
            fields["zip"] = self._value("zip")
        self._tell(f"edit {system.name}:{key}", fields)
        system.world.edit(OBJECT, key, **fields)
        now = address_of({**held, **fields})
        self.oracle.edited(Edit(system.name, key, "address", now, self.scheduler.now), before)

    def _tell(self, act: str, fields: Mapping[str, object] | None = None) -> None:
        if self._story is not None:
            text = ", ".join(f"{name} = {value!r}" for name, value in (fields or {}).items())
            self._story.tells(self.scheduler.now, "people", f"{act}{': ' if text else ''}{text}")

    def _next(self, name: str, before: object) -> object:
        if name == "sms":
            said = str(before).lower()
            return self.random.choice([word for word in ("true", "false") if word != said])
        if name == "points":
            return int(str(before or 0)) + self.random.choice((-3, -1, 1, 2, 5, 8))
        if name == "score":
            return self.random.randrange(self._scores)
        if name == "tags":
            tags = set(str(before or "").split(";")) - {""}
            if tags and self.random.random() < 0.4:
                tags.discard(self.random.choice(sorted(tags)))
            else:
                tags.add(f"t{self._number()}")
            return ";".join(sorted(tags)) or None
        if self.random.random() < 0.08 and before is not None:
            return None
        return self._value(name)

    def _value(self, name: str) -> str:
        return f"{name} {self._number()}"

    def _number(self) -> int:
        self._values += 1
        return self._values
