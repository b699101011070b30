"""Systems: what each simulated system promises and does, drawn by the seed, and how it is linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path
from random import Random

import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Clash,
    Column,
    Condition,
    Context,
    Deletions,
    Key,
    Moment,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Schema,
    Stale,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.memory.adapter import MemoryAdapter, columns_of
from datasyncd.adapters.memory.faults import Faults
from datasyncd.adapters.memory.history import State as VersionedState
from datasyncd.adapters.memory.history import Versioned, versioned
from datasyncd.adapters.memory.world import Image, MemorySystem
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation, match_text
from datasyncd.daemon.link import Link
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, OnDelete, OptIn, Policy, Value, WriteClass

from .scheduler import Scheduler

OBJECT = "people"
EDITED = "edited"
BROKEN = "n/a?"
"""What no number is."""
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


class Form(Enum):
    """What a system makes of a name."""

    AS_SENT = "it stays as it is"
    DECLARED = "capital letters, as the link says"
    UNDECLARED = "capital letters, and nobody says so"


class Drift(Enum):
    """What becomes of a field of all records for a while."""

    NEVER = "nothing"
    GONE = "it is not there"
    BROKEN = "it holds what cannot be read"


class Clock(Enum):
    """When a system says that a record was edited."""

    NONE = "it does not say"
    TRUE = "as it was"
    AHEAD = "thirty days later"
    BEHIND = "thirty days before"
    COARSE = "the same for all of a day"
    SOMETIMES = "not always"


class Trait(Enum):
    """What makes a system unlike others: most have none, and none has several."""

    FORM = "it keeps names in a form of its own"
    STALE = "its readings by key may be old"
    WHOLE = "a write replaces the record"
    FORWARD = "merged records name their survivor"
    UNIQUE = "no two records have the same score"
    PAGES = "it has small pages"
    THROTTLED = "it takes so many calls at a time"
    DRIFT = "fields vanish for a while, or their values break"
    CLOCK = "it says when records were edited"


class Promise(msgspec.Struct, frozen=True):
    """What one seed makes of one system."""

    name: str
    capabilities: Capabilities
    unknown: float = 0.0
    refused: float = 0.0
    slow: float = 0.0
    absent: float = 0.0
    throttled: float = 0.0
    robot: bool = False
    """Something there marks each city that we write."""
    fights: bool = False
    """Something there writes each city that we write in its own way, again and again."""
    form: Form = Form.AS_SENT
    page: int = 100
    as_one: bool = False
    """A batch of writes of which one is stale is refused as a whole."""
    drifts: Drift = Drift.NEVER
    clock: Clock = Clock.NONE


def promises(random: Random, faults: bool, count: int) -> list[Promise]:
    """`count` systems, each with its own ways."""
    out = []
    fight = count > 1 and random.random() < 0.03
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
            usual = Promise(
                name, capabilities, unknown, refused, 0.3, random.choice((0, 0, 0.03)), robot=robot,
                as_one=enforced and random.random() < 0.4,
            )  # fmt: skip
        else:
            usual = Promise(name, capabilities, slow=0.2, robot=robot)
        out.append(_with(_trait(random, faults), usual, random) if not fight else _fighting(usual))
    return out


_TRAITS = [*Trait, Trait.UNIQUE, Trait.DRIFT]
"""Some are seldom met with unless many have them."""
_FAULTY = frozenset({Trait.THROTTLED, Trait.DRIFT})


def _trait(random: Random, faults: bool) -> Trait | None:
    trait = random.choice(_TRAITS) if random.random() < 0.4 else None
    return None if trait in _FAULTY and not faults else trait


def _fighting(usual: Promise) -> Promise:
    return msgspec.structs.replace(usual, fights=True, robot=False)


def _with(trait: Trait | None, usual: Promise, random: Random) -> Promise:
    """The same system, with one trait."""
    with_, promised = partial(msgspec.structs.replace, usual), usual.capabilities
    promise = partial(msgspec.structs.replace, promised)
    if trait is Trait.FORM:
        return with_(form=random.choice((Form.DECLARED, Form.UNDECLARED)))
    if trait is Trait.STALE and promised.condition is not Condition.NONE:
        return with_(capabilities=promise(
            stale_s=4.0, version_order=VersionOrder.COUNTER, pull_is_reading=False, tells_unchanged=False,
        ))  # fmt: skip
    if trait is Trait.WHOLE:
        return with_(capabilities=promise(whole_record=True))
    if trait is Trait.FORWARD:
        return with_(capabilities=promise(forward=True))
    if trait is Trait.UNIQUE:
        return with_(capabilities=promise(unique=("score",)))
    if trait is Trait.PAGES:
        return with_(page=random.choice((1, 2)))
    if trait is Trait.THROTTLED:
        return with_(throttled=0.2)
    if trait is Trait.DRIFT:
        return with_(drifts=random.choice((Drift.GONE, Drift.BROKEN)))
    if trait is Trait.CLOCK:
        return with_(clock=random.choice([clock for clock in Clock if clock is not Clock.NONE]))
    return usual


def plain(value: object) -> object:
    """A value whatever form a system keeps it in: so it names its edit."""
    return value.lower() if isinstance(value, str) else value


class Table(MemorySystem):
    """A world in which each record has all fields, as a table has."""

    def __init__(self, promise: Promise, columns: tuple[str, ...], lag_s: Callable[[], float]) -> None:
        if promise.form is Form.AS_SENT:
            super().__init__(promise.capabilities, lag_s=lag_s)
        else:
            super().__init__(promise.capabilities, lag_s=lag_s, stored_form=capitals)
        self.columns = columns
        self.clock = promise.clock
        self.lost: tuple[str, Drift] | None = None
        """A field that all records lack or hold broken now."""
        self.ever_lost: set[str] = set()
        """Fields that no reading showed for a while: who writes them has not looked."""
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

    def _write(self, object: str, key: Key, fields: Mapping[str, Native] | None) -> VersionedState:
        if fields is not None and self.clock is not Clock.NONE:
            fields = {**fields, EDITED: _told(self.clock, self.now)}
        return super()._write(object, key, fields)

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        held = self.histories(object)[write.key].now.fields if write.key in self.histories(object) else None
        if write.op == "create":
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
        elif isinstance(outcome, Clash) and write.op == "update":
            self.seen["update clash"] += 1
        elif isinstance(outcome, Written):
            if write.op == "update" and write.key is not None and held is not None:
                self.wrote.append((write.key, held, write.fields))
            blind = self.capabilities.condition is not Condition.ENFORCED or self.ever_lost
            if blind and held is not None and write.op != "create":
                # Nothing stops a write that lands on an edit which came after its pre-flight, or which was not shown.
                based = self.based.get(write.idem_key, self.now)
                written = write.fields if write.op == "update" else held
                if self.capabilities.whole_record:
                    written = held
                looked = {name: 0 if name in self.ever_lost else based for name in written if name in held}
                self.covered.update({(name, plain(held[name])): at for name, at in looked.items()})
                if "sms" in written:
                    self.covered["sms", (write.key, held.get("sms"))] = based
            self.landed(write)
        return outcome


def capitals(field: str, value: Native) -> Native:
    """The form in which some systems keep names."""
    return value.upper() if field == "name" and isinstance(value, str) else value


DAY_US = 86_400_000_000


def _told(clock: Clock, now: int) -> str | None:
    """When a record was edited, as a system says it."""
    if clock is Clock.SOMETIMES and now % 2:
        return None
    off = {Clock.AHEAD: 30 * DAY_US, Clock.BEHIND: -30 * DAY_US, Clock.COARSE: -now}.get(clock, 0)
    return (EPOCH + timedelta(microseconds=now + off)).isoformat()


EPOCH = datetime.fromtimestamp(0, UTC)


class Desk(MemoryAdapter):
    """What the daemon calls. Notes which state each delivery had read before it wrote."""

    def __init__(
        self, context: Context, world: Table, faults: Faults, scheduler: Scheduler, page: int, as_one: bool
    ) -> None:
        super().__init__(context, world, faults, scheduler.pause, page)
        self._as_one = as_one
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
        if state.fields is not None and (len(record.fields) < len(columns_of(spec)) or key in self._left_out):
            shown = {"email", *self._left_out.get(key, ())}  # a field that is left out twice is gone for good
            record.fields |= {name: value for name, value in state.fields.items() if name in shown}
            self._left_out[key] = [name for name in spec.columns if name not in record.fields]
            read = {name: value for name, value in state.fields.items() if name in record.fields}
            self._vouch(spec, record, state, read)
        return self._drifted(spec, record, state)

    def _whole(self, spec: ObjectSpec, key: Key, state: VersionedState) -> Record:
        return self._drifted(spec, super()._whole(spec, key, state), state)

    def _vouch(self, spec: ObjectSpec, record: Record, state: VersionedState, read: Mapping[str, Native]) -> None:
        """A digest is one of what is shown."""
        if self._table.capabilities.version_order is VersionOrder.DIGEST:
            part = msgspec.structs.replace(state, fields=read)
            record.version = versioned(spec, VersionOrder.DIGEST)(part)

    def _drifted(self, spec: ObjectSpec, record: Record, state: VersionedState) -> Record:
        """The record as it is shown while a field of all records is gone or broken."""
        if self._table.lost is not None:
            name, how = self._table.lost
            if how is Drift.GONE:
                record.fields.pop(name, None)
            elif record.fields.get(name) is not None:
                record.fields[name] = BROKEN
            self._vouch(spec, record, state, {k: v for k, v in record.fields.items() if k != spec.key})
        return record

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        task = self._scheduler.task
        for write in writes:
            if write.key is not None:
                self._table.based[write.idem_key] = self._looked.get((task, write.key), 1 << 62)
        if self._as_one and len(writes) > 1 and any(self._is_stale(object, write) for write in writes):
            await self._scheduler.pause(self._faults.pause_s())
            self._table.seen["batch refused as a whole"] += 1
            return [Stale() for _ in writes]
        return await super().push(object, writes)

    def _is_stale(self, object: str, write: Write) -> bool:
        if write.key not in self._table.histories(object) or write.version is None:
            return False
        state = self._table.histories(object)[write.key].now
        version = versioned(self._spec(object), self._table.capabilities.version_order)
        return state.fields is None or version(state) != write.version


class System:
    """One simulated system: its world outlives every crash of the daemon."""

    def __init__(self, promise: Promise, random: Random, mapped: frozenset[int]) -> None:
        self.promise = promise
        lag = promise.capabilities.search_lag_s
        self.mapped = mapped
        lag_s = (lambda: random.uniform(0, lag)) if lag else (lambda: 0.0)
        self.world = Table(promise, _columns(mapped), lag_s)
        self.faults = Faults(
            random, unknown=promise.unknown, refused=promise.refused, slow=promise.slow,
            absent=promise.absent, throttled=promise.throttled, longest_s=2.0,
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
            unique=frozenset({SCORE}) if capabilities.unique else frozenset(), forward=capabilities.forward,
            stale_us=round(capabilities.stale_s * 1e6), whole_record=capabilities.whole_record,
            has_edited_at=system.promise.clock is not Clock.NONE,
            stored=_stored if system.promise.form is Form.DECLARED else None,
            opt_in=OptIn.BLANK, guards={WriteClass.DELETE: 0.5}, at_least=100,
        )  # fmt: skip
    return EntityRule(
        name="person", fields={number: FIELDS[number] for number in sorted(mapped)}, identify=((EMAIL,),), links=links,
        on_delete=on_delete, first_contact=first_contact, match_text=match_text,
    )  # fmt: skip


def _stored(number: int, value: Value) -> Value:
    return capitals(FIELDS[number].name, value)


@lru_cache(maxsize=512)
def _columns(mapped: frozenset[int]) -> tuple[str, ...]:
    return tuple(name for number in sorted(mapped) for name in FIELDS[number].members or (FIELDS[number].name,))


@lru_cache(maxsize=512)
def _translation(mapped: frozenset[int], pushes: frozenset[int], dated: bool) -> tuple[ObjectSpec, Translation]:
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
    spec = ObjectSpec(OBJECT, "id", _columns(mapped), EDITED if dated else None)
    schema = Schema(OBJECT, tuple(Column(name, "any") for name in spec.columns), key_assigned=True)
    return spec, Translation(fields, schema, edited_at=spec.edited_at)


def link_of(
    system: System, rules: EntityRule, begin: Callable[[], Moment], scheduler: Scheduler, faults: Faults
) -> Link:
    """The daemon's end of a system, made anew by each process."""
    rule = rules.links[system.name]
    spec, translation = _translation(rule.fields, rule.pushes, rule.has_edited_at)
    context = Context(system.name, _NOWHERE, begin, {OBJECT: spec})
    desk = Desk(context, system.world, faults, scheduler, system.promise.page, system.promise.as_one)
    return Link(rule, rules, desk, translation, spec)


_NOWHERE = Path()
