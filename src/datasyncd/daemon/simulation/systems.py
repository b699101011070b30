"""Systems: what each simulated system promises and does, drawn by the seed, and how it is linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

import msgspec

from datasyncd.adapters.contract import (
    Capabilities,
    Column,
    Condition,
    Context,
    Deletions,
    Moment,
    ObjectSpec,
    Outcome,
    Schema,
    Stale,
    VersionOrder,
    Write,
)
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.faults import Faults
from datasyncd.adapters.memory.history import Versioned
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
    unknown: float
    refused: float
    slow: float


def promises(random: Random, faults: bool, count: int) -> list[Promise]:
    """`count` systems, each with its own ways."""
    out = []
    for name in ["a", "b", "c"][:count]:
        enforced = random.random() < 0.6
        embedded, database = ((True, False), (False, enforced), (False, False))[random.randrange(3)]
        capabilities = Capabilities(
            condition=Condition.ENFORCED if enforced else Condition.NONE,
            version_order=random.choice((VersionOrder.COUNTER, VersionOrder.UNIQUE, VersionOrder.DIGEST)),
            returns_image=random.random() < 0.7,
            create_key=random.random() < 0.3 and not database,
            assigns_key=True,
            late_s=0.0 if embedded else 20.0,
            search_lag_s=0.0 if embedded or database else 5.0,
            read_max_s=60.0,
            pull_is_reading=embedded or database,
            incremental=database and random.random() < 0.7,
            deletions=Deletions.TOLD if database else Deletions.ABSENCE,
        )
        if faults:
            out.append(Promise(name, capabilities, random.choice((0.0, 0.1, 0.3)), random.choice((0.0, 0.1)), 0.3))
        else:
            out.append(Promise(name, capabilities, 0.0, 0.0, 0.2))
    return out


class Table(MemorySystem):
    """A world in which each record has all fields, as a table has."""

    def __init__(self, capabilities: Capabilities, columns: tuple[str, ...], lag_s: Callable[[], float]) -> None:
        super().__init__(capabilities, lag_s=lag_s)
        self.columns = columns
        self.covered: dict[tuple[str, object], int] = {}
        """Where writes are not conditional: (field, value) that a write of ours covered, and when."""
        self.seen: Counter[str] = Counter()
        """How often each situation came up here."""

    def advance(self, now: int) -> None:
        waiting = len(self._landings)
        super().advance(now)
        if waiting:
            self.seen["late landing"] += waiting - len(self._landings)

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        held = self.histories(object)[write.key].now.fields if write.key in self.histories(object) else None
        if self.capabilities.condition is Condition.NONE and held is not None:
            # Nothing stops a write that lands on an edit which came after its pre-flight.
            self.covered.update({(name, held[name]): self.now for name in write.fields if name in held})
            if "sms" in write.fields and write.op == "update":
                self.covered["sms", (write.key, held.get("sms"))] = self.now
        if write.op == "create":
            blank = dict.fromkeys(self.columns)
            write = msgspec.structs.replace(write, fields={**blank, **write.fields})
        outcome = super().land(object, write, versioned, image)
        if isinstance(outcome, Stale):
            self.seen["precondition conflict"] += 1
        return outcome


class System:
    """One simulated system: its world outlives every crash of the daemon."""

    def __init__(self, promise: Promise, random: Random, mapped: frozenset[int]) -> None:
        self.promise = promise
        lag = promise.capabilities.search_lag_s
        self.mapped = mapped
        lag_s = (lambda: random.uniform(0, lag)) if lag else (lambda: 0.0)
        self.world = Table(promise.capabilities, _columns(mapped), lag_s)
        self.faults = Faults(
            random, unknown=promise.unknown, refused=promise.refused, slow=promise.slow, longest_s=2.0
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
    adapter = MemoryAdapter(context, system.world, faults, scheduler.pause)
    return Link(rule, rules, adapter, translation, spec)


_NOWHERE = Path()
