"""A world for reviews: contacts in three systems, read and written through the pure core over a real state.

world = World()
world.reads("crm", "17", email="ann@example.org", phone="1")
world.delivers("mail")
world.asks("conflicts")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from datasyncd.adapters.translate import FieldTypeOptions, match_text
from datasyncd.adapters.translate.types import reader
from datasyncd.daemon.review import commands
from datasyncd.daemon.review.terms import Terms
from datasyncd.reconcile import answer, deletion
from datasyncd.reconcile.cluster import Binding, BindingBody, Cluster, ClusterBody
from datasyncd.reconcile.delivery import Step, attempt_of, plan
from datasyncd.reconcile.effects import Quarantined, ReportKind
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.guards import item_of
from datasyncd.reconcile.identity import Verdict, identify, keys_of_values
from datasyncd.reconcile.observe import Observer
from datasyncd.reconcile.reading import Reading
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, OnDelete, OptIn, Policy, Value, WriteClass
from datasyncd.state.database import migrate
from datasyncd.state.outbox import HELD
from datasyncd.state.store import InlineStore
from datasyncd.state.transaction import Tx

T = TypeVar("T")

START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""
SECOND = 1_000_000
ENTITY = "contact"

TYPES = {
    "email": FieldTypeOptions(name="email"),
    "phone": FieldTypeOptions(name="phone", region="US"),
    "first_name": FieldTypeOptions(name="text"),
    "status": FieldTypeOptions(name="enum", values=("lead", "active", "cancelled")),
    "sms_opt_in": FieldTypeOptions(name="consent"),
    "tags": FieldTypeOptions(name="set"),
    "language": FieldTypeOptions(name="text"),
}
POLICIES: dict[str, dict[str, Any]] = {
    "status": {"policy": Policy.AUTHORITY, "authority": ("crm",)},
    "sms_opt_in": {"policy": Policy.MOST_RESTRICTIVE, "authorised": ("prefs",)},
    "tags": {"policy": Policy.UNION},
    "language": {"policy": Policy.MANUAL},
}


class World:
    """Contacts in `crm`, `mail` and `prefs`, all both ways, all with conditional writes unless a test says so."""

    def __init__(self, *, on_delete: OnDelete = OnDelete.PROPAGATE, **links: dict[str, Any]) -> None:
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db)
        self.at = START
        self.store = InlineStore(db, self._now)
        self.fp = self.store.fingerprints
        self.numbers = self.does(lambda tx: {name: tx.field_number(ENTITY, name) for name in TYPES})
        every = frozenset(self.numbers.values())
        self.rule = EntityRule(
            name=ENTITY,
            fields={
                number: FieldRule(
                    number=number,
                    name=name,
                    type=TYPES[name].name,
                    **(POLICIES.get(name) or {"policy": Policy.LATEST}),
                )
                for name, number in self.numbers.items()
            },
            identify=((self.numbers["email"],), (self.numbers["phone"],)),
            links={
                system: _link(system, rank, every, links.get(system, {}))
                for rank, system in enumerate(("crm", "mail", "prefs"))
            },
            on_delete=on_delete,
            first_contact="newest",
            match_text=match_text,
        )
        self._terms()

    def _terms(self) -> None:
        readers = {number: reader(TYPES[name]) for name, number in self.numbers.items()}
        self.terms = Terms({ENTITY: self.rule}, self.fp, readers)

    def takes(self, name: str, policy: Policy) -> None:
        """The config gives a field another policy."""
        number = self.numbers[name]
        field = msgspec.structs.replace(self.rule.fields[number], policy=policy)
        self.rule = msgspec.structs.replace(self.rule, fields={**self.rule.fields, number: field})
        self._terms()

    def _now(self) -> int:
        self.at += SECOND
        return self.at

    def does(self, step: Callable[[Tx], T]) -> T:
        """One transaction."""
        try:
            self.store.transact(step).send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result
        raise AssertionError("the store waited")

    def asks(self, command: str, **arguments: Any) -> Any:
        """A command, as the socket or the shell gives it."""
        return self.does(commands.step(command, {"by": "ann", **arguments}, self.terms))

    # What happens in systems

    def reads(self, system: str, ext_id: str, **values: Value) -> int:
        """A reading of one record; returns its cluster. Fields that are not named are as they were, or blank."""
        return self.does(lambda tx: self._read(tx, system, ext_id, values))

    def _read(self, tx: Tx, system: str, ext_id: str, values: dict[str, Value]) -> int:
        link, effects = self.rule.links[system], tx.effects("pull")
        canonical = {self.numbers[name]: value for name, value in values.items()}
        known = tx.cluster_of(system, link.object, ext_id)
        contact = False
        if known is None:
            keys = keys_of_values(canonical, self.rule, self.fp)
            found = tx.clusters.matching([digest for _kind, digest in keys])
            clusters = tx.clusters.load({id for ids in found.values() for id in ids})
            match = identify(ext_id, keys, list(clusters.values()), [], link)
            if match.verdict in (Verdict.DUPLICATE, Verdict.AMBIGUOUS):
                held = match.cluster.id if match.cluster is not None else 0
                effects.quarantined.append(
                    Quarantined(system, link.object, ext_id, None, match.verdict, "shares a key", b"row", keys, held)
                )
                tx.records.write(effects, tx.run)
                return held
            contact = match.cluster is not None
            cluster = match.cluster or Cluster(tx.next(), ENTITY, ClusterBody({}, []), new=True, bindings=[])
            binding = Binding(tx.next(), cluster.id, system, link.object, ext_id, BindingBody({}), new=True)
            cluster.bindings = [*cluster.bindings, binding]
        else:
            cluster = tx.clusters.load([known])[known]
            binding = next(b for b in cluster.bindings if b.system == system and b.ext_id == ext_id)
        invalid = {n: (b"raw", "a phone number expected", "call me") for n, v in canonical.items() if v == "?"}
        valid = {n: v for n, v in canonical.items() if n not in invalid}
        if known is None:
            valid = {**{n: None for n in self.numbers.values() if n not in invalid}, **valid}
        reading = Reading(
            ext_id, valid, f"{valid}{invalid}".encode(), tx.sequence, tx.at, tx.at, tx.at, 1, invalid, by_id=True
        )
        Observer(cluster, binding, reading, self.rule, self.fp, effects, contact=contact).run()
        finish(cluster, self.rule, self.fp, effects)
        tx.clusters.save([cluster], tx.stamp)
        tx.records.write(effects, tx.run)
        return cluster.id

    def loses(self, system: str, ext_id: str) -> None:
        """A record is proven to be gone."""

        def step(tx: Tx) -> None:
            cluster, effects = self._cluster(tx, system, ext_id), tx.effects("pull")
            binding = next(b for b in cluster.bindings if b.system == system and b.ext_id == ext_id)
            deletion.gone(cluster, binding, self.rule, self.fp, effects, tx.stamp)
            finish(cluster, self.rule, self.fp, effects)
            tx.clusters.save([cluster], tx.stamp)
            tx.records.write(effects, tx.run)

        self.does(step)

    def delivers(self, *systems: str) -> dict[str, list[dict[str, Value]]]:
        """All that is due is written and accepted as it was sent; what was sent, by system."""
        return {system: self.does(partial(self._deliver, system=system)) for system in systems}

    def _deliver(self, tx: Tx, system: str) -> list[dict[str, Value]]:
        link, effects, sent = self.rule.links[system], tx.effects("push"), []
        clusters = tx.clusters.load(tx.outbox.claim(system, ENTITY, tx.at, 0))
        for cluster in clusters.values():
            planned = plan(cluster, self.rule, link, self.fp, fresh=True, searched=True)
            if planned is None or planned.step is not Step.SEND:
                continue
            attempt = attempt_of(planned, tx.next(), self.store.fingerprints)
            cluster.attempts = [*cluster.attempts, attempt]
            values = {number: field.value for number, field in planned.fields.items()}
            ext_id = planned.binding.ext_id if planned.binding is not None else f"{system}-{attempt.id}"
            everything = {**(dict.fromkeys(link.fields) if planned.binding is None else {}), **values}
            image = answer.Image(everything, b"", 1)
            answer.accepted(cluster, attempt, ext_id, image, link, self.rule, self.fp, effects, tx.stamp)
            finish(cluster, self.rule, self.fp, effects)
            sent.append({self.rule.fields[number].name: value for number, value in values.items()})
        tx.clusters.save(clusters.values(), tx.stamp)
        tx.records.write(effects, tx.run)
        return sent

    def refuses(self, system: str, *fields: str, create: bool = False) -> None:
        """What is due in a system is refused: these fields, or the creation of the record."""

        def step(tx: Tx) -> None:
            link, effects = self.rule.links[system], tx.effects("push")
            numbers = frozenset(self.numbers[name] for name in fields)
            for cluster in tx.clusters.load(tx.outbox.claim(system, ENTITY, tx.at, 0)).values():
                binding = cluster.binding_in(system)
                if (binding is None) != create:
                    continue
                answer.block(
                    cluster, binding, numbers, f"{system}: too long", ReportKind.REFUSED, link, self.fp, effects
                )
                finish(cluster, self.rule, self.fp, effects)
                tx.clusters.save([cluster], tx.stamp)
            tx.records.write(effects, tx.run)

        self.does(step)

    def guards(self, system: str, write_class: WriteClass) -> int:
        """A guard holds what is due in a system."""

        def step(tx: Tx) -> int:
            link, guard = self.rule.links[system], tx.next()
            tx.guards.hold(guard, system, ENTITY, write_class, False, tx.clusters.bound(system, link.object), tx.at)
            claimed = tx.outbox.claim(system, ENTITY, tx.at, 0)
            for cluster in tx.clusters.load(claimed).values():
                planned = plan(cluster, self.rule, link, self.fp, fresh=True, searched=True)
                assert planned is not None
                whole = write_class in (WriteClass.CREATE, WriteClass.DELETE)
                numbers = [None] if whole else list(planned.fields)
                tx.guards.add(guard, [item_of(planned, write_class, number, self.fp) for number in numbers])
            tx.outbox.postpone(system, claimed, HELD)
            return guard

        return self.does(step)

    # What is there

    def _cluster(self, tx: Tx, system: str, ext_id: str) -> Cluster:
        id = tx.cluster_of(system, self.rule.links[system].object, ext_id)
        assert id is not None
        return tx.clusters.load([id])[id]

    def cluster(self, id: int) -> Cluster:
        return self.does(lambda tx: tx.clusters.load([id])[id])

    def owes(self, id: int) -> list[str]:
        """Systems that are owed something."""
        return sorted(self.cluster(id).outbox)

    def link(self, system: str, **changes: Any) -> None:
        """Change the rule of a link."""
        links = self.rule.links
        assert isinstance(links, dict)
        links[system] = msgspec.structs.replace(links[system], **changes)


def _link(system: str, rank: int, every: frozenset[int], changes: dict[str, Any]) -> LinkRule:
    rule = LinkRule(
        system=system,
        entity=ENTITY,
        object=f"{system}_contacts",
        rank=rank,
        fields=every,
        pulls=every,
        pushes=every,
        condition="enforced",
        mapping_digest=b"map",
        late_us=0,
        search_lag_us=0,
        opt_in=OptIn.BLANK,
    )
    return msgspec.structs.replace(rule, **changes)


def linked(**values: Value) -> tuple[World, int]:
    """A world with one contact that all three systems hold alike."""
    world = World()
    id = world.reads("crm", "17", email="ann@example.org", **values)
    world.delivers("mail", "prefs")
    return world, id
