"""The words in which the tests of the core are written: people, their records, and what the systems do.

    contact = linked("crm", "mail", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"out"}

Everything below these words is real: pull, hints, delivery, the reconciler and the state (SQLite in memory).
Only the systems are tables of `system.py`, and time passes when the test says so.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from datasyncd.adapters.contract import Context, Moment, ObjectSpec, Record, Write
from datasyncd.adapters.errors import AdapterError, Unreachable
from datasyncd.adapters.memory.faults import Fate
from datasyncd.adapters.translate import FieldTypeOptions, MappedField, Translation, match_text
from datasyncd.adapters.translate.types import reader
from datasyncd.daemon.engine import recover, sweep_is_due
from datasyncd.daemon.link import Counts, Link
from datasyncd.daemon.puller import next_reading, pull, read_dirty
from datasyncd.daemon.pusher import Delivery
from datasyncd.daemon.review import guards as approvals
from datasyncd.daemon.review.conflicts import versions_digest
from datasyncd.daemon.review.settle import Resolution, Way, resolve
from datasyncd.daemon.review.terms import Terms, group_reader
from datasyncd.reconcile.cluster import Binding, Cluster
from datasyncd.reconcile.effects import ReportKind
from datasyncd.reconcile.register import Reg
from datasyncd.reconcile.rules import Derived, EntityRule, FieldRule, LinkRule, OnDelete, Policy, Value
from datasyncd.state.database import migrate
from datasyncd.state.records import QuarantineRow, StoredReport
from datasyncd.state.store import InlineStore
from datasyncd.state.transaction import Tx

from .system import OBJECT, Desk, Interruption, Plan, Script, Table, system

T = TypeVar("T")

NOON = 1_750_000_000_000_000
SECOND = 1_000_000
ENTITY = "contact"

FIELDS: dict[str, tuple[FieldTypeOptions, Policy]] = {
    "customer": (FieldTypeOptions(name="text"), Policy.LATEST),
    "email": (FieldTypeOptions(name="email"), Policy.LATEST),
    "phone": (FieldTypeOptions(name="text"), Policy.LATEST),
    "name": (FieldTypeOptions(name="text"), Policy.LATEST),
    "city": (FieldTypeOptions(name="text"), Policy.LATEST),
    "stage": (FieldTypeOptions(name="enum", values=("lead", "customer", "former")), Policy.LATEST),
    "status": (FieldTypeOptions(name="enum", values=("lead", "active", "cancelled")), Policy.AUTHORITY),
    "sms_opt_in": (FieldTypeOptions(name="consent"), Policy.MOST_RESTRICTIVE),
    "tags": (FieldTypeOptions(name="set"), Policy.UNION),
    "score": (FieldTypeOptions(name="integer"), Policy.MAX),
    "floor": (FieldTypeOptions(name="integer"), Policy.MIN),
    "language": (FieldTypeOptions(name="text"), Policy.MANUAL),
    "archived": (FieldTypeOptions(name="boolean"), Policy.LATEST),
    "points": (FieldTypeOptions(name="integer"), Policy.COUNTER),
    "balance": (FieldTypeOptions(name="decimal"), Policy.COUNTER),
    "catalogue": (FieldTypeOptions(name="boolean"), Policy.MOST_PERMISSIVE),
    "blocked": (FieldTypeOptions(name="boolean"), Policy.MOST_RESTRICTIVE),
    "street": (FieldTypeOptions(name="text"), Policy.LATEST),
    "zip": (FieldTypeOptions(name="text"), Policy.LATEST),
    "greeting": (FieldTypeOptions(name="text"), Policy.LATEST),
}
GROUPS = {"address": ("street", "zip")}
"""Fields that move as one value."""
GROUP_OF = {member: group for group, members in GROUPS.items() for member in members}
DERIVED = {"greeting"}
NUMBERS = {name: number for number, name in enumerate([*(f for f in FIELDS if f not in GROUP_OF), *GROUPS], start=1)}
NAMES = {number: name for name, number in NUMBERS.items()}


def _greeting(values: Mapping[str, Value]) -> Value:
    """What `greeting` is computed from."""
    name, language = values.get("name"), values.get("language")
    return None if name is None else f"{'Hallo' if language == 'de' else 'Hello'} {name}"


class Raw(NamedTuple):
    """A value as it stands in the system, where no canonical value says it."""

    native: Any


class Conflict(NamedTuple):
    """A report as the tests compare it."""

    kind: str
    field: str | None
    values: tuple[tuple[str, Any], ...]
    chosen: Any = None
    state: str = "settled"


def both(field: str, *, chosen: Any, **values: Any) -> Conflict:
    """A conflict that the policy settled: who said what, and what was chosen."""
    return Conflict("conflict", field, tuple(sorted(values.items())), chosen)


def undecided(field: str, **values: Any) -> Conflict:
    """A conflict that waits for a person."""
    return Conflict("conflict", field, tuple(sorted(values.items())), None, "open")


def overruled(field: str, *, chosen: Any, **values: Any) -> Conflict:
    """An edit that the policy refused on arrival."""
    return Conflict("overruled", field, tuple(sorted(values.items())), chosen)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits for anything, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waited for something")


class Crash(BaseException):
    """The process dies here."""


class World:
    """Some systems that hold contacts, and the daemon between them."""

    def __init__(
        self,
        *plans: Plan | str,
        on_delete: str = "propagate",
        first_contact: str = "newest",
        never_clear: Iterable[str] = (),
        derives: bool = False,
    ) -> None:
        self.now = NOON
        self.plans = {plan.name: plan for plan in (p if isinstance(p, Plan) else system(p) for p in plans)}
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.db)
        self.store = InlineStore(self.db, self._time)
        self.tables = {name: Table(plan) for name, plan in self.plans.items()}
        self.failed: dict[str, str] = {}
        """Systems that raised an error in the last cycle."""
        self._ticks = 0
        self._links_rules: dict[str, LinkRule] = {}
        never = frozenset(never_clear)
        self.rules = EntityRule(
            name=ENTITY,
            fields={
                **{
                    NUMBERS[name]: self._field(name, options, policy, never)
                    for name, (options, policy) in FIELDS.items()
                    if name not in GROUP_OF
                },
                **{
                    NUMBERS[group]: FieldRule(NUMBERS[group], group, "group", Policy.LATEST, members=members)
                    for group, members in GROUPS.items()
                },
            },
            derived=(Derived(NUMBERS["greeting"], frozenset({"name", "language"}), _greeting),) if derives else (),
            identify=tuple((NUMBERS[name],) for name in ("customer", "email", "phone")),
            links=self._links_rules,
            on_delete=OnDelete(on_delete),
            archive=(NUMBERS["archived"], True) if on_delete == "archive" else None,
            first_contact=first_contact,
            match_text=match_text,
        )
        members = {group: {name: reader(FIELDS[name][0]) for name in names} for group, names in GROUPS.items()}
        self.terms = Terms({ENTITY: self.rules}, self.store.fingerprints, {
            **{NUMBERS[name]: reader(options) for name, (options, _) in FIELDS.items() if name not in GROUP_OF},
            **{NUMBERS[group]: group_reader(readers) for group, readers in members.items()},
        })  # fmt: skip
        self.desks: dict[str, Desk] = {}
        self.links: dict[str, Link] = {}
        self._open()

    @staticmethod
    def _field(name: str, options: FieldTypeOptions, policy: Policy, never_clear: frozenset[str]) -> FieldRule:
        return FieldRule(
            number=NUMBERS[name],
            name=name,
            type=options.name,
            policy=policy,
            authority=("billing",) if policy is Policy.AUTHORITY else (),
            authorised=("prefs",),
            never_clear=name in never_clear,
            derive="a greeting" if name in DERIVED else "",
        )

    def _open(self) -> None:
        for rank, (name, plan) in enumerate(self.plans.items()):
            mapped = [field for field in FIELDS if not plan.only or field in plan.only]
            self.tables[name].blank = dict.fromkeys(mapped)
            spec = ObjectSpec(OBJECT, plan.key, tuple(mapped), "edited" if plan.edited_at else None)
            script = self.desks[name].script if name in self.desks else Script()
            context = Context(name, Path(), self.begin, {OBJECT: spec})
            sent = self.desks[name].sent if name in self.desks else []
            desk = self.desks[name] = Desk(context, self.tables[name], script, plan.page)
            desk.sent = sent
            schema = drive(desk.describe(OBJECT))
            fields = [
                MappedField(
                    NUMBERS[GROUP_OF.get(f, f)],
                    f,
                    FIELDS[f][0],
                    pull=f not in plan.push and f not in DERIVED,
                    push=f not in plan.pull,
                    member=f if f in GROUP_OF else "",
                    whole=f not in GROUP_OF or set(GROUPS[GROUP_OF[f]]) <= set(mapped),
                )
                for f in mapped
            ]
            translation = Translation(fields, schema, edited_at=spec.edited_at)
            assert translation.problems() == []
            rule = self._link_rule(plan, rank, fields, translation)
            self._links_rules[name] = rule
            self.links[name] = Link(rule, self.rules, desk, translation, spec)

    def _link_rule(self, plan: Plan, rank: int, fields: Sequence[MappedField], translation: Translation) -> LinkRule:
        promised = plan.capabilities

        def stored(number: int, value: Value) -> Value:
            native, _refused = translation.native({number: value})
            made = {name: plan.stored_form(name, raw) for name, raw in native.items()}
            if NAMES[number] in GROUPS:
                read = {name: reader(FIELDS[name][0])(raw) for name, raw in sorted(made.items())}
                return read if any(part is not None for part in read.values()) else None
            return reader(FIELDS[NAMES[number]][0])(next(iter(made.values())))

        return LinkRule(
            system=plan.name,
            entity=ENTITY,
            object=OBJECT,
            rank=rank,
            fields=frozenset(field.number for field in fields),
            pulls=frozenset(field.number for field in fields if field.pull),
            pushes=frozenset(field.number for field in fields if field.push),
            key_field=NUMBERS.get(plan.key),
            mapping_digest=b"map",
            condition=promised.condition.value,
            version_order=promised.version_order.value,
            returns_image=promised.returns_image,
            assigns_key=promised.assigns_key,
            create_key=promised.create_key,
            forward=promised.forward,
            stale_us=round(promised.stale_s * SECOND),
            late_us=round(promised.late_s * SECOND),
            search_lag_us=round(promised.search_lag_s * SECOND),
            read_max_us=round(promised.read_max_s * SECOND),
            pull_is_reading=promised.pull_is_reading,
            whole_record=promised.whole_record,
            opt_in=plan.opt_in,
            has_edited_at=plan.edited_at,
            stored=stored if plan.declared else None,
            where=plan.where,
            guards=plan.guards,
            at_least=plan.at_least,
        )

    # Time

    def _time(self) -> int:
        """The daemon's clock: each moment once."""
        self._ticks += 1
        assert self._ticks < 20_000, "the daemon goes round in circles"
        self.now += 1
        for table in self.tables.values():
            table.advance(self.now)
        return self.now

    def begin(self) -> Moment:
        return Moment(self.store.sequence, self._time())

    def waits(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * SECOND)
        for table in self.tables.values():
            table.advance(self.now)

    # The daemon

    def transact(self, step: Callable[[Tx], T]) -> T:
        return drive(self.store.transact(step))

    def pulls(self, name: str) -> None:
        """One system is pulled, and what was hinted is read."""
        self._ticks = 0
        link = self.links[name]
        drive(pull(link, self.store, self.begin))
        drive(read_dirty(link, self.store, self.begin))

    def pages(self, name: str) -> None:
        """One system is pulled; what was hinted is left."""
        drive(pull(self.links[name], self.store, self.begin))

    def reads(self, name: str) -> None:
        """What was hinted is read."""
        drive(read_dirty(self.links[name], self.store, self.begin))

    def delivers(self, name: str, *, pulled: bool = True) -> Counts:
        """One system gets what it is owed."""
        self._ticks = 0
        return drive(Delivery(self.links[name], self.store, self.begin, pulled).run())

    def hears(self, name: str, key: str) -> None:
        """A webhook says that a record may have changed."""
        self.transact(lambda tx: tx.readings.hint(name, OBJECT, [key], tx.stamp, tx.at))

    def cycle(self) -> bool:
        """Pull everything, then deliver everything; whether anything happened."""
        busy = False
        self.failed = {}
        for name in self.links:
            with self._notes(name):
                self._ticks = 0
                counts = drive(pull(self.links[name], self.store, self.begin)).counts
                counts.add(drive(read_dirty(self.links[name], self.store, self.begin)))
                busy = busy or bool(counts.changed)
        for name in self.links:
            if name not in self.failed:
                with self._notes(name):
                    counts = self.delivers(name)
                    busy = busy or bool(counts.created + counts.updated + counts.deleted)
        return busy

    @contextmanager
    def _notes(self, name: str) -> Iterator[None]:
        try:
            yield
        except AdapterError as error:
            self.failed[name] = str(error)

    def syncs(self, patience_s: float = 2.0) -> None:
        """Cycles until nothing is left to do; then one more, which must find nothing."""
        for _ in range(30):
            busy = self.cycle()
            soonest = self._soonest()
            if soonest is not None and self.now < soonest <= self.now + round(patience_s * SECOND):
                self.waits((soonest - self.now) / SECOND)
            elif not busy and (soonest is None or soonest > self.now) and not self._unread():
                break
        else:
            raise AssertionError("it never comes to rest")
        before = (self.writes(), self._told())
        self.cycle()
        assert (self.writes(), self._told()) == before, "a cycle with nothing to do writes or reports"
        counted = "SELECT system, count(*) FROM binding WHERE life = 0 GROUP BY system"
        kept = "SELECT system, n FROM bound WHERE n > 0"
        assert dict(self.db.execute(kept)) == dict(self.db.execute(counted)), "the number of records is kept right"

    def _soonest(self) -> int | None:
        """When the next write is due, or the next reading."""
        due = [
            at
            for name, link in self.links.items()
            if name not in self.failed
            for at in self.transact(lambda tx, k=link: (tx.outbox.next_due(k.system, ENTITY), next_reading(tx, k)))  # type: ignore[misc]
            if at
        ]
        return min(due) if due else None

    def _unread(self) -> bool:
        """Whether a hint waits that can be read, and was not in vain before."""
        return any(
            at is not None and at <= self.now
            for name, link in self.links.items()
            if name not in self.failed
            for at in (self.transact(lambda tx, k=link: next_reading(tx, k)),)  # type: ignore[misc]
        )

    def _told(self) -> int:
        """How often anything was reported or put into quarantine."""
        reports = self.db.execute("SELECT coalesce(sum(count), 0) FROM report").fetchone()[0]
        quarantined = self.db.execute("SELECT coalesce(sum(tries), 0) FROM quarantine").fetchone()[0]
        return int(reports + quarantined)

    def dies(self, name: str, moment: str) -> None:
        """The daemon is killed in the middle of a call, and started again."""

        def die() -> None:
            raise Crash

        self.meanwhile(name, moment, die)
        try:
            self.syncs()
        except Crash:
            self.restarts()
        else:
            raise AssertionError(f"there was no {moment} in {name}")

    def restarts(self) -> None:
        """A new process with the same state."""
        self.store = InlineStore(self.db, self._time)
        self._open()
        self.transact(recover)
        for link in self.links.values():
            link.wants_full = self.transact(partial(sweep_is_due, link=link))

    def is_to_be_read(self, name: str) -> list[str]:
        """Records that are hinted."""
        return [row.ext_id for row in self.transact(lambda tx: tx.readings.dirty(name, OBJECT, 100))]

    def forgets_hints(self, name: str) -> None:
        """What was hinted was read."""
        self.transact(lambda tx: tx.readings.done(name, OBJECT, tx.readings.generations(name, OBJECT).items()))

    # The systems

    def meanwhile(self, name: str, moment: str, act: Interruption) -> None:
        """Something happens in the middle of the next call of this kind."""
        waiting = self.desks[name].waiting
        waiting.setdefault(moment, deque()).append(act)

    def is_down(self, name: str, error: AdapterError | None = None) -> None:
        self.desks[name].script.down = error or Unreachable(f"{name}: it is not there")

    def is_up(self, name: str) -> None:
        self.desks[name].script.down = None

    def writes(self) -> int:
        """How many writes were ever sent."""
        return sum(len(desk.sent) for desk in self.desks.values())

    def sent(self, name: str) -> list[Write]:
        """The writes that one system was sent."""
        return self.desks[name].sent

    def native(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields as they stand in this system."""
        translation = self.links[name].translation
        out: dict[str, Any] = {}
        for field, value in fields.items():
            if isinstance(value, Raw):
                out[field] = value.native
                continue
            if field in GROUP_OF:
                out[field] = canonical(field, value)
                continue
            native, refused = translation.native({NUMBERS[field]: canonical(field, value)})
            assert not refused
            out.update(native)
        return out

    def creates(self, name: str, /, *, key: str | None = None, at: float | None = None, **fields: Any) -> str:
        """Somebody makes a record; its key."""
        self.waits(1)
        plan = self.plans[name]
        made = {**self.tables[name].blank, **self.native(name, fields), **self._edited(at)}
        if key is None and plan.key in FIELDS:
            key = str(fields[plan.key])
        key = key or f"{name}-{len(self.tables[name].histories(OBJECT)) + 1}"
        return self.tables[name].create(OBJECT, made, key)

    def _edited(self, at: float | None) -> dict[str, str]:
        moment = datetime.fromtimestamp(self.now / SECOND, UTC) if at is None else NOON_UTC + timedelta(seconds=at)
        return {"edited": moment.isoformat()}

    def holds(self, name: str, key: str) -> dict[str, Any] | None:
        """What a record holds, in the words of the tests; None: it is gone."""
        native = self.tables[name].holds(OBJECT).get(key)
        return None if native is None else {field: said(field, native[field]) for field in FIELDS if field in native}

    def record(self, name: str, key: str) -> Record:
        """A record as the system answers it now."""
        (answer,) = drive(self.desks[name].read(OBJECT, [key]))
        assert isinstance(answer, Record)
        return answer

    def keys(self, name: str) -> list[str]:
        """Records that are there."""
        return list(self.tables[name].holds(OBJECT))

    # People

    def person(self, name: str, /, *, key: str | None = None, at: float | None = None, **fields: Any) -> Contact:
        """Somebody whose record is made in one system."""
        made = self.creates(name, key=key, at=at, **fields)
        return Contact(self, {name: made})

    def linked(self, **fields: Any) -> Contact:
        """Somebody with an equal record in each system, at rest."""
        number = self.db.execute("SELECT count(*) FROM cluster").fetchone()[0] + 1
        fields.setdefault("email", f"ann{number}@example.org" if number > 1 else "ann@example.org")
        keys = {}
        for name, plan in self.plans.items():
            own = {field: value for field, value in fields.items() if not plan.only or field in plan.only}
            keys[name] = self.creates(name, at=0.0, **own)
        contact = Contact(self, keys)
        self.syncs()
        assert not self.failed
        return contact

    def quarantine(self) -> list[QuarantineRow]:
        return self.transact(lambda tx: tx.records.quarantined())

    def drifts(self) -> list[tuple[str | None, str, str]]:
        """Reports about fields that a system no longer shows: system, field, state."""
        reports = self.transact(lambda tx: tx.records.reports())
        return [(r.system, NAMES[r.field or 0], r.state) for r in reports if r.kind == ReportKind.SCHEMA_DRIFT]

    def guards(self) -> list[approvals.Held]:
        return self.transact(lambda tx: approvals.guards(tx, self.terms))

    def approves(self, guard: approvals.Held) -> approvals.Approved:
        """A person lets a held set pass."""
        return self.transact(lambda tx: approvals.approve(tx, self.terms, guard.id, by="ann", digest=guard.digest))

    def clusters(self) -> list[Cluster]:
        ids = [row[0] for row in self.db.execute("SELECT id FROM cluster ORDER BY id")]
        return list(self.transact(lambda tx: tx.clusters.load(ids)).values())


NOON_UTC = datetime.fromtimestamp(NOON / SECOND, UTC)


class Contact:
    """One person, and the records about them."""

    def __init__(self, world: World, keys: dict[str, str]) -> None:
        self.world = world
        self._keys = keys
        self._cluster_id: int | None = None

    # What people do

    def edits(self, name: str, /, *, at: float | None = None, **fields: Any) -> None:
        """Somebody saves the record in one system. `at`: when, as that system says it, in seconds since noon."""
        world = self.world
        world.waits(1)
        native = world.native(name, fields)
        table, key = world.tables[name], self.key(name)
        renamed = native.get(table.key)
        if renamed is not None and renamed != key:
            table.rename(OBJECT, key, renamed)
            self._keys[name] = key = renamed
        table.edit(OBJECT, key, **native, **world._edited(at))

    def deletes(self, name: str) -> None:
        self.world.waits(1)
        self.world.tables[name].delete(OBJECT, self.key(name))

    def is_merged_into(self, other: Contact, name: str) -> None:
        """Somebody merges the record of one system into another person's there."""
        self.world.waits(1)
        self.world.tables[name].merge(OBJECT, self.key(name), other.key(name))

    def recreates(self, name: str, /, **fields: Any) -> None:
        """Somebody makes a new record of the same person."""
        self._keys[name] = self.world.creates(name, **fields)

    def chooses(
        self, field: str, value: Any = None, *, source: str | None = None, digest: str | None = None
    ) -> Resolution:
        """A person settles what is reported of a field."""
        ids = [r.digest.hex() for r in self.stored() if r.field == NUMBERS[field] and r.state != "resolved"]
        way = Way(use=value, source=source) if source is None else Way(source=source)
        return self.world.transact(
            lambda tx: resolve(tx, self.world.terms, way, by="ann", ids=ids[-1:], digest=digest)
        )  # fmt: skip

    def decides(self, word: str) -> Resolution:
        """A person says what becomes of a held record: delete or keep."""
        ids = [r.digest.hex() for r in self.stored() if r.field is None and r.state == "open"]
        return self.world.transact(lambda tx: resolve(tx, self.world.terms, Way(use=word), by="ann", ids=ids))

    # What the daemon and the systems do

    def syncs(self) -> None:
        self.world.syncs()

    def loses_answer(self, name: str, *, landed: bool = True, late_s: float | None = None) -> None:
        """The answer to the next write is lost; the write lands at once, never, or after `late_s`."""
        script = self.world.desks[name].script
        if late_s is not None:
            script.late_by_s = late_s
            script.fates.append(Fate.LATE)
        else:
            script.fates.append(Fate.LOST_AFTER if landed else Fate.NEVER)

    # What is seen

    @property
    def cluster(self) -> Cluster:
        id = self._cluster_id
        if id is None:
            for name, key in self._keys.items():
                id = self.world.transact(lambda tx, n=name, k=key: tx.cluster_of(n, OBJECT, k))  # type: ignore[misc]
                if id is not None:
                    break
        assert id is not None, "nobody knows this person yet"
        self._cluster_id = id
        return self.world.transact(lambda tx: tx.clusters.load([id]))[id]

    def binding(self, name: str) -> Binding:
        """The latest binding in a system."""
        return [binding for binding in self.cluster.bindings if binding.system == name][-1]

    def key(self, name: str) -> str:
        """Key of the record in a system: the bound one, else the one that was made last."""
        known = self._keys.get(name)
        if known is not None and known in self.world.tables[name].holds(OBJECT):
            return known
        if self._cluster_id is not None or any(self._known(n) for n in self._keys):
            for binding in self.cluster.bindings:
                if binding.system == name and binding.state == "live":
                    return binding.ext_id
        assert known is not None, f"there is no record in {name}"
        return known

    def _known(self, name: str) -> bool:
        key = self._keys[name]
        return self.world.transact(lambda tx: tx.cluster_of(name, OBJECT, key)) is not None

    def shows(self, field: str) -> dict[str, Any]:
        """What each system's record holds; systems without one are left out."""
        out = {}
        for name in self.world.plans:
            bound = [b.ext_id for b in self.cluster.bindings if b.system == name and b.state == "live"]
            record = self.world.holds(name, bound[-1] if bound else self._keys.get(name, ""))
            if record is not None and field in record:
                out[name] = record[field]
        return out

    def everywhere(self, field: str) -> set[Any]:
        """The values that the systems hold."""
        return set(self.shows(field).values())

    def exists_in(self) -> set[str]:
        """Systems that have a record of this person."""
        return set(self.shows("email"))

    def register(self, field: str) -> Reg:
        return self.cluster.regs[NUMBERS[field]]

    def siblings(self, field: str) -> list[Any]:
        """Values that nobody who had seen them has overwritten."""
        return sorted((said_canonical(field, sib.val) for sib in self.register(field).sibs), key=repr)

    def origins(self, field: str) -> list[str]:
        """Whose edits the siblings are."""
        cluster = self.cluster
        return sorted(cluster.origin(sib.actor) or "person" for sib in cluster.regs[NUMBERS[field]].sibs)

    def versions(self, field: str) -> str:
        """Names the versions of a field as a person sees them."""
        return versions_digest(self.cluster, NUMBERS[field], self.world.store.fingerprints).hex()

    def context(self, name: str, field: str) -> dict[int, int]:
        """What a record is known to embody."""
        return self.cluster.context_of(self.binding(name), NUMBERS[field])

    def state(self) -> str:
        return self.cluster.state

    def ghosts(self) -> int:
        """Writes whose effect nobody knows."""
        return len(self.cluster.attempts)

    def owed(self) -> set[str]:
        """Systems that a write waits for."""
        return set(self.cluster.outbox)

    def stored(self) -> list[StoredReport]:
        """Reports about this person as they are kept."""
        id = self.cluster.id
        return self.world.transact(lambda tx: tx.records.reports(cluster_id=id))

    def reports(self, *kinds: str, state: str | None = None) -> list[Conflict]:
        """Reports about this person, oldest first."""
        return [
            _conflict(report)
            for report in self.stored()
            if (not kinds or report.kind in kinds) and state in (None, report.state)
        ]

    def conflicts(self) -> list[Conflict]:
        return self.reports(ReportKind.CONFLICT)

    def is_at_rest(self) -> None:
        """Nothing is under way, and nothing is kept longer than it is needed."""
        cluster = self.cluster
        live = list(cluster.live())
        assert cluster.attempts == []
        assert cluster.outbox == {}
        for number, reg in cluster.regs.items():
            assert len(reg.sibs) <= 1, NAMES[number]
            assert len(reg.ctx) <= len(live) + 1, NAMES[number]
            for binding in live:
                shadow = binding.body.shadow.get(number)
                assert shadow is None or shadow.ctx is None, (NAMES[number], binding.system)


def linked(*systems: Plan | str, **fields: Any) -> Contact:
    """Somebody with an equal record in each of these systems, at rest."""
    return World(*systems).linked(**fields)


def canonical(field: str, value: Any) -> Value:
    """A value of the tests as the core has it."""
    if value == "" or (value == "unknown" and FIELDS[field][0].name == "consent"):
        return None
    return sorted(value) or None if isinstance(value, set | frozenset) else value


def said(field: str, native: Any) -> Any:
    """A native value in the words of the tests."""
    try:
        return said_canonical(field, reader(FIELDS[field][0])(native))
    except ValueError:
        return Raw(native)


def said_canonical(field: str, value: Value) -> Any:
    if field in GROUPS:
        return tuple(said_canonical(name, (value or {}).get(name)) for name in GROUPS[field])
    kind = FIELDS[field][0].name
    if kind == "set":
        return frozenset(value or ())
    if value is None:
        return "unknown" if kind == "consent" else ""
    return value


def _conflict(report: StoredReport) -> Conflict:
    field = NAMES[report.field] if report.field is not None else None
    body = report.body
    values = tuple(
        sorted(
            {(c.system or "person", said_canonical(field, c.value) if field else c.value) for c in body.candidates},
            key=repr,
        )
    )
    chosen = said_canonical(field, body.chosen) if field and body.has_choice else None
    return Conflict(report.kind, field, values, chosen, report.state)


__all__ = ["Conflict", "Contact", "Raw", "World", "both", "linked", "overruled", "system", "undecided"]
