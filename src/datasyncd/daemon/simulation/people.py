"""People: who edits what, when. Each value is written once in a history, so that it names its edit."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec

from .oracle import Edit, Oracle, address_of
from .scheduler import Scheduler
from .story import Story
from .systems import OBJECT, System

SCALARS = ("name", "city", "language")


class Habits(msgspec.Struct, frozen=True):
    """What people of one seed do."""

    edits: int
    persons: int
    deletes: bool
    creates: bool


class People:
    """Everybody who works in the systems."""

    def __init__(
        self,
        systems: list[System],
        oracle: Oracle,
        scheduler: Scheduler,
        random: Random,
        habits: Habits,
        story: Story | None = None,
    ) -> None:
        self.systems = systems
        self.oracle = oracle
        self.scheduler = scheduler
        self.random = random
        self.habits = habits
        self._story = story
        self._values = 0

    def begin(self) -> None:
        """Records that are there before the daemon comes: each person in one to all systems, all facts equal."""
        for person in range(self.habits.persons):
            where = [s for s in self.systems if self.random.random() < 0.7] or [self.random.choice(self.systems)]
            facts = {name: self._value(name) for name in SCALARS}
            for system in where:
                self.create(system, f"p{person}@example.com", facts)

    async def live(self, span_s: float) -> None:
        """All edits of the history, spread over `span_s` seconds."""
        for _ in range(self.habits.edits):
            await self.scheduler.pause(self.random.expovariate(self.habits.edits / span_s))
            self.act()

    def act(self) -> None:
        """One thing that somebody does."""
        system = self.random.choice(self.systems)
        records = system.world.holds(OBJECT)
        roll = self.random.random()
        if self.habits.creates and roll < 0.06:
            self.create(system, f"n{self._number()}@example.com", {"name": self._value("name")})
        elif self.habits.deletes and roll < 0.10 and records:
            self.delete(system, self.random.choice(sorted(records)))
        elif records:
            self.edit(system, self.random.choice(sorted(records)))

    def create(self, system: System, email: str, facts: dict[str, str]) -> None:
        """A new record in one system."""
        fields = {"email": email, "name": None, "city": None, "language": None, "status": None, "sms": None,
                  "tags": None, "score": None, "points": 0, "street": None, "zip": None, **facts}  # fmt: skip
        key = system.world.create(OBJECT, fields)
        self._tell(f"create {system.name}:{key} {email}", facts)
        self.oracle.born[system.name, key] = self.scheduler.now
        for name, value in facts.items():
            self.oracle.edited(Edit(system.name, key, name, value, self.scheduler.now), None)

    def delete(self, system: System, key: str) -> None:
        """Somebody deletes a record, having seen what it holds."""
        self._tell(f"delete {system.name}:{key}")
        self.oracle.deleted(system.name, key, system.world.holds(OBJECT)[key])
        system.world.delete(OBJECT, key)

    def edit(self, system: System, key: str) -> None:
        """Somebody edits one or two fields of a record, having seen what they hold."""
        held = system.world.holds(OBJECT)[key]
        choice = [*SCALARS, "sms", "tags", "score", "status", "points", "address"]
        for name in self.random.sample(choice, self.random.choice((1, 1, 2))):
            if name == "address":
                self._move(system, key, held)
                continue
            before = held.get(name)
            value = self._next(name, before)
            if value == before:
                continue
            self._tell(f"edit {system.name}:{key}", {name: value})
            system.world.edit(OBJECT, key, **{name: value})
            self.oracle.edited(Edit(system.name, key, name, value, self.scheduler.now), before)

    def _move(self, system: System, key: str, held: Mapping[str, object]) -> None:
        """Somebody enters another address, or another street of it."""
        before = address_of(held)
        fields: dict[str, object] = {"street": self._value("street")}
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
            return self.random.randrange(100)
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
