"""Systems: what each simulated system promises, drawn by the seed, and how it is linked."""

from __future__ import annotations

from collections.abc import Callable
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
COLUMNS = tuple(name for rule in FIELDS.values() for name in rule.members or (rule.name,))
SPEC = ObjectSpec(OBJECT, "id", COLUMNS)


class Promise(msgspec.Struct, frozen=True):
    """What one seed makes of one system."""

    name: str
    capabilities: Capabilities
    unknown: float
    refused: float
    slow: float


def promises(random: Random, faults: bool) -> list[Promise]:
    """Two or three systems, each with its own ways."""
    out = []
    for name in ["a", "b", "c"][: random.choice((2, 2, 3))]:
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

    covered: dict[tuple[str, object], int]
    """Where writes are not conditional: (field, value) that a write of ours covered, and when."""

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        held = self.holds(object).get(write.key or "", {})
        if self.capabilities.condition is Condition.NONE:
            # Nothing stops a write that lands on an edit which came after its pre-flight.
            self.covered.update({(name, held[name]): self.now for name in write.fields if name in held})
            if "sms" in write.fields and write.op == "update":
                self.covered["sms", (write.key, held.get("sms"))] = self.now
        if write.op == "create":
            blank = dict.fromkeys(SPEC.fields)
            write = msgspec.structs.replace(write, fields={**blank, **write.fields})
        return super().land(object, write, versioned, image)


class System:
    """One simulated system: its world outlives every crash of the daemon."""

    def __init__(self, promise: Promise, random: Random) -> None:
        self.promise = promise
        lag = promise.capabilities.search_lag_s
        self.world = Table(promise.capabilities, lag_s=lambda: random.uniform(0, lag) if lag else 0.0)
        self.world.covered = {}
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
    for rank, system in enumerate(systems):
        capabilities = system.promise.capabilities
        links[system.name] = LinkRule(
            system=system.name, entity="person", object=OBJECT, rank=rank,
            fields=EVERYTHING, pulls=EVERYTHING, mapping_digest=b"map",
            pushes=EVERYTHING if capabilities.condition is Condition.ENFORCED else EVERYTHING - {POINTS},
            condition=capabilities.condition.value, version_order=capabilities.version_order.value,
            returns_image=capabilities.returns_image, create_key=capabilities.create_key,
            assigns_key=capabilities.assigns_key,
            late_us=round(capabilities.late_s * 1e6), search_lag_us=round(capabilities.search_lag_s * 1e6),
            read_max_us=round(capabilities.read_max_s * 1e6), pull_is_reading=capabilities.pull_is_reading,
            opt_in=OptIn.BLANK, guards={WriteClass.DELETE: 0.5}, at_least=100,
        )  # fmt: skip
    return EntityRule(
        name="person", fields=FIELDS, identify=((EMAIL,),), links=links, on_delete=on_delete,
        first_contact=first_contact, match_text=match_text,
    )  # fmt: skip


def link_of(
    system: System, rules: EntityRule, begin: Callable[[], Moment], scheduler: Scheduler, faults: Faults
) -> Link:
    """The daemon's end of a system, made anew by each process."""
    context = Context(system.name, Path(), begin, {OBJECT: SPEC})
    adapter = MemoryAdapter(context, system.world, faults, scheduler.pause)
    fields = [
        MappedField(
            number,
            name,
            FieldTypeOptions(name="text" if rule.members else rule.type),
            push=number in rules.links[system.name].pushes,
            member=name if rule.members else "",
        )
        for number, rule in sorted(FIELDS.items())
        for name in rule.members or (rule.name,)
    ]
    schema = Schema(OBJECT, tuple(Column(name, "any") for name in SPEC.columns), key_assigned=True)
    return Link(rules.links[system.name], rules, adapter, Translation(fields, schema), SPEC)
