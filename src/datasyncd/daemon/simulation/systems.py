"""Systems: what each simulated system promises and does, drawn by the seed, and how it is linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random

import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Column,
    Condition,
    Context,
    Deletions,
    Key,
    Moment,
    ObjectSpec,
    Outcome,
    Record,
    Schema,
    Stale,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.faults import Faults
from datasyncd.adapters.memory.history import State as VersionedState
from datasyncd.adapters.memory.history import Versioned, versioned
from datasyncd.adapters.memory.world import Image, MemorySystem
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation, match_text
from datasyncd.daemon.link import Link
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, OnDelete, OptIn, Policy, WriteClass

from .scheduler import Scheduler

OBJECT = "people"
EMAIL, NAME, CITY, LANGUAGE, STATUS, SMS, TAGS, SCORE, POINTS, ADDRESS = range(1, 11)
FIELDS = {
    EMAIL: FieldRule(EMAIL, "email", "email", Policy.LATEST),
    NAME: FieldRule(NAME, "name", "text", Policy.LATEST),
    CITY: FieldRule(CITY, "city", "text", Policy.LATEST),
    LANGUAGE: FieldRule(LANGUAGE, "language", "text", Policy.MANUAL),
    STATUS: FieldRule(STATUS, "status", "text", Policy.AUTHORITY, authority=("a",)),
    SMS: FieldRule(SMS, "sms", "consent", Policy.MOST_RESTRICTIVE, authorised=("a",)),
    TAGS: FieldRule(TAGS, "tags", "set", Policy.UNION),
    SCORE: FieldRule(SCORE, "score", "integer", Policy.MAX),
    POINTS: FieldRule(POINTS, "points", "integer", Policy.COUNTER),
    ADDRESS: FieldRule(ADDRESS, "address", "group", Policy.LATEST, members=("street", "zip")),
}
NAMES = {rule.name: number for number, rule in FIELDS.items()}
EVERYTHING = frozenset(FIELDS)
SELECTIONS = [
    frozenset({EMAIL, *Random(n).sample(range(NAME, ADDRESS + 1), 2 + n % 3)}) for n in range(48)
]  # fmt: skip
"""Maps of small worlds: few fields, so that edits meet each other."""


class Promise(msgspec.Struct, frozen=True):
    """What one seed makes of one system."""

    name: str
    capabilities: Capabilities
    unknown: float = 0.0
    refused: float = 0.0
    slow: float = 0.0
    absent: float = 0.0
    robot: bool = False
    """Something there marks each city that we write."""


def promises(random: Random, faults: bool, count: int) -> list[Promise]:
    """`count` systems, each with its own ways."""
    out = []
    for name in ["a", "b", "c"][:count]:
        roll = random.random()
        enforced, visible = roll < 0.6, roll >= 0.82
        embedded, database = ((True, False), (False, enforced), (False, False))[random.randrange(3)]
        order = random.choice((VersionOrder.COUNTER, VersionOrder.UNIQUE, VersionOrder.DIGEST))
        capabilities = Capabilities(
            condition=Condition.ENFORCED if enforced else Condition.VISIBLE if visible else Condition.NONE,
            version_order=VersionOrder.COUNTER if visible else order,
            returns_image=random.random() < 0.7,
            create_key=random.random() < 0.3 and not database,
            assigns_key=True,
            late_s=0.0 if embedded else 20.0,
            search_lag_s=0.0 if embedded or database else 5.0,
            read_max_s=60.0,
            pull_is_reading=embedded or database,
            incremental=database and random.random() < 0.7,
            tells_unchanged=embedded and random.random() < 0.6,
            deletions=Deletions.TOLD if database else Deletions.ABSENCE,
        )
        robot = random.random() < 0.15
        if faults:
            unknown, refused = random.choice((0.0, 0.1, 0.3)), random.choice((0.0, 0.1))
            out.append(Promise(name, capabilities, unknown, refused, 0.3, random.choice((0, 0, 0.03)), robot))
        else:
            out.append(Promise(name, capabilities, 0.0, 0.0, 0.2, robot=robot))
    return out


class Table(MemorySystem):
    """A world in which each record has all fields, as a table has."""

    def __init__(self, capabilities: Capabilities, columns: tuple[str, ...], lag_s: Callable[[], float]) -> None:
        super().__init__(capabilities, lag_s=lag_s)
        self.columns = columns
        self.covered: dict[tuple[str, object], int] = {}
        """Where writes are not conditional: (field, value) that a write of ours covered, and what that write was based
        on: the moment of the state that was read before it."""
        self.based: dict[str, int] = {}
        """The same by write."""
        self.wrote: list[tuple[Key, Mapping[str, object], Mapping[str, object]]] = []
        """Each update of ours that landed: the record, what it held, and what of it was written."""
        self.landed: Callable[[Write], None] = lambda _write: None
        """Called with each write that had its effect."""
        self.tell: Callable[[str], None] | None = None
        """Gets what the daemon reads and writes here."""
        self.seen: Counter[str] = Counter()
        """How often each situation came up here."""

    def advance(self, now: int) -> None:
        waiting = len(self._landings)
        super().advance(now)
        if waiting:
            self.seen["late landing"] += waiting - len(self._landings)

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        held = self.histories(object)[write.key].now.fields if write.key in self.histories(object) else None
        if write.op == "create":
            self.seen["create key replayed"] += self.capabilities.create_key and (object, write.idem_key) in self._made
            blank = dict.fromkeys(self.columns)
            write = msgspec.structs.replace(write, fields={**blank, **write.fields})
        outcome = super().land(object, write, versioned, image)
        if self.tell is not None:
            fields = ", ".join(
                f"{name} = {value!r}" for name, value in sorted(write.fields.items()) if value is not None
            )
            self.tell(f"{write.op} {write.key or 'a record'}: {fields or '(blank)'}: {type(outcome).__name__.lower()}")
        if isinstance(outcome, Stale):
            self.seen["precondition conflict"] += 1
        elif isinstance(outcome, Written):
            if write.op == "update" and write.key is not None and held is not None:
                self.wrote.append((write.key, held, write.fields))
            if self.capabilities.condition is not Condition.ENFORCED and held is not None and write.op != "create":
                # Nothing stops a write that lands on an edit which came after its pre-flight.
                based = self.based.get(write.idem_key, self.now)
                written = write.fields if write.op == "update" else held
                self.covered.update({(name, held[name]): based for name in written})
                if "sms" in written:
                    self.covered["sms", (write.key, held.get("sms"))] = based
            self.landed(write)
        return outcome


class Desk(MemoryAdapter):
    """What the daemon calls. Notes which state each delivery had read before it wrote."""

    def __init__(self, context: Context, world: Table, faults: Faults, scheduler: Scheduler) -> None:
        super().__init__(context, world, faults, scheduler.pause)
        self._table = world
        self._scheduler = scheduler
        self._looked: dict[tuple[str, str], int] = {}
        """By task and record."""
        self._left_out: dict[str, list[str]] = {}
        """By record: what the last reading did not mention."""

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        task = self._scheduler.task
        asked = self._scheduler.now
        answers = await super().read(object, keys, strong=strong)
        self._looked.update(((task, key), asked) for key in keys)
        if self._table.tell is not None:
            for answer in answers:
                held = getattr(answer, "fields", {})
                fields = ", ".join(f"{name} = {value!r}" for name, value in held.items() if value is not None)
                self._table.tell(f"read {answer.key} as of {asked / 1e6:.6f}: {fields or 'gone'}")
        return answers

    def _record(self, spec: ObjectSpec, key: Key, state: VersionedState) -> Record:
        """Match keys are never left out: who has none is somebody new. A digest is one of what was read."""
        record = super()._record(spec, key, state)
        if state.fields is not None and (len(record.fields) < len(spec.columns) or key in self._left_out):
            shown = {"email", *self._left_out.get(key, ())}  # a field that is left out twice is gone for good
            record.fields |= {name: value for name, value in state.fields.items() if name in shown}
            self._left_out[key] = [name for name in spec.columns if name not in record.fields]
            read = {name: value for name, value in state.fields.items() if name in record.fields}
            if self._table.capabilities.version_order is VersionOrder.DIGEST:
                part = msgspec.structs.replace(state, fields=read)
                record.version = versioned(spec, VersionOrder.DIGEST)(part)
        return record

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        task = self._scheduler.task
        for write in writes:
            if write.key is not None:
                self._table.based[write.idem_key] = self._looked.get((task, write.key), 1 << 62)
        return await super().push(object, writes)


class System:
    """One simulated system: its world outlives every crash of the daemon."""

    def __init__(self, promise: Promise, random: Random, mapped: frozenset[int]) -> None:
        self.promise = promise
        lag = promise.capabilities.search_lag_s
        self.mapped = mapped
        lag_s = (lambda: random.uniform(0, lag)) if lag else (lambda: 0.0)
        self.world = Table(promise.capabilities, _columns(mapped), lag_s)
        self.faults = Faults(
            random, unknown=promise.unknown, refused=promise.refused, slow=promise.slow,
            absent=promise.absent, longest_s=2.0,
        )  # fmt: skip
        self.calm = Faults(random)

    @property
    def name(self) -> str:
        return self.promise.name


def rules_of(systems: list[System], first_contact: str, on_delete: OnDelete) -> EntityRule:
    """The rules of the one entity that the systems share."""
    links = {}
    mapped = systems[0].mapped
    for rank, system in enumerate(systems):
        capabilities = system.promise.capabilities
        links[system.name] = LinkRule(
            system=system.name, entity="person", object=OBJECT, rank=rank,
            fields=mapped, pulls=mapped, mapping_digest=b"map",
            pushes=mapped if capabilities.condition is Condition.ENFORCED else mapped - {POINTS},
            condition=capabilities.condition.value, version_order=capabilities.version_order.value,
            returns_image=capabilities.returns_image, create_key=capabilities.create_key,
            assigns_key=capabilities.assigns_key,
            late_us=round(capabilities.late_s * 1e6), search_lag_us=round(capabilities.search_lag_s * 1e6),
            read_max_us=round(capabilities.read_max_s * 1e6), pull_is_reading=capabilities.pull_is_reading,
            opt_in=OptIn.BLANK, guards={WriteClass.DELETE: 0.5}, at_least=100,
        )  # fmt: skip
    return EntityRule(
        name="person", fields={number: FIELDS[number] for number in sorted(mapped)}, identify=((EMAIL,),), links=links,
        on_delete=on_delete, first_contact=first_contact, match_text=match_text,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _columns(mapped: frozenset[int]) -> tuple[str, ...]:
    return tuple(name for number in sorted(mapped) for name in FIELDS[number].members or (FIELDS[number].name,))


@lru_cache(maxsize=512)
def _translation(mapped: frozenset[int], pushes: frozenset[int]) -> tuple[ObjectSpec, Translation]:
    """How a table with these fields is linked: the same for many histories, and nothing in it ever changes."""
    fields = [
        MappedField(
            number,
            name,
            FieldTypeOptions(name="text" if FIELDS[number].members else FIELDS[number].type),
            push=number in pushes,
            member=name if FIELDS[number].members else "",
        )
        for number in sorted(mapped)
        for name in FIELDS[number].members or (FIELDS[number].name,)
    ]
    spec = ObjectSpec(OBJECT, "id", _columns(mapped))
    schema = Schema(OBJECT, tuple(Column(name, "any") for name in spec.columns), key_assigned=True)
    return spec, Translation(fields, schema)


def link_of(
    system: System, rules: EntityRule, begin: Callable[[], Moment], scheduler: Scheduler, faults: Faults
) -> Link:
    """The daemon's end of a system, made anew by each process."""
    rule = rules.links[system.name]
    spec, translation = _translation(rule.fields, rule.pushes)
    context = Context(system.name, _NOWHERE, begin, {OBJECT: spec})
    return Link(rule, rules, Desk(context, system.world, faults, scheduler), translation, spec)


_NOWHERE = Path()
