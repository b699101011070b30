"""Guards: mass changes that are held, and their approval.

An approval names a set: exactly the writes that the guard holds at that moment, while their versions stay as
they are. What comes later is counted and held anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datasyncd.reconcile.effects import Entry
from datasyncd.reconcile.guards import Item
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.rules import Value, WriteClass
from datasyncd.state.guards import Guard
from datasyncd.state.transaction import Tx

from .refusal import Misused, OutOfDate
from .terms import Terms, shown
from .timestamp import timestamp

SAMPLES = 5
ALL_SAMPLES = 200


class Sample(msgspec.Struct):
    """One of the writes that are held."""

    entity: str
    key: str
    field: str | None
    value: Value
    """What would be written; null for a whole record."""


class Held(msgspec.Struct, kw_only=True):
    """A guard as it is shown."""

    id: str
    link: str
    write_class: str = msgspec.field(name="class")
    count: int
    """Writes that are held: of each field one, of a record that is made or deleted one."""
    records: int
    """To which they are: what the limit is about."""
    of: int
    """Records that were bound there."""
    digest: str
    """Of the set that an approval would release."""
    since: str
    samples: list[Sample]
    state: str
    text: str


class Approved(msgspec.Struct, kw_only=True):
    """What an approval released."""

    id: str
    link: str
    write_class: str = msgspec.field(name="class")
    count: int
    records: int
    digest: str
    links: list[str]
    """Links that are looked at again because of it."""


def guards(tx: Tx, terms: Terms, *, every: bool = False) -> list[Held]:
    """The guards that hold something now; `every`: also those that were approved or are over."""
    return [_held(tx, terms, guard, SAMPLES) for guard in tx.guards.all(None if every else "held")]


def guard(tx: Tx, terms: Terms, id: str) -> Held:
    """One guard with up to 200 samples. Raises `Misused`."""
    return _held(tx, terms, _named(tx, id), ALL_SAMPLES)


def approve(tx: Tx, terms: Terms, id: str, *, by: str, digest: str | None = None) -> Approved:
    """Let exactly the held set pass. `digest`: of the set that the person saw. Raises `Misused`, `OutOfDate`."""
    found = _named(tx, id)
    if found.state != "held":
        raise OutOfDate(f"guard {found.id} no longer holds anything; it is {found.state}")
    items = tx.guards.items(found.id)
    now = digest_of(items, terms).hex()
    if digest is not None and digest.casefold() != now:
        raise OutOfDate(f"the held set changed since it was looked at; it is now {now}, with {len(items)} writes")
    tx.guards.set_state(found.id, "approved")
    systems = _systems(terms, found)
    for system in systems:
        tx.outbox.wake(system, found.entity, tx.at)
    cause = f"guard {found.id} approved by {by}"
    approved = sorted({item.cluster_id for item in items})
    tx.records.log([Entry(cluster_id, "approved", found.system, 0, cause) for cluster_id in approved], tx.at, tx.run)
    return Approved(
        id=str(found.id),
        link=f"{found.system}.{found.entity}",
        write_class=found.write_class.name.lower(),
        count=len(items),
        records=len(approved),
        digest=now,
        links=[f"{system}.{found.entity}" for system in systems],
    )


def digest_of(items: Sequence[Item], terms: Terms) -> bytes:
    """Names a set of writes: the same while neither the set nor what it is about changes."""
    return terms.fp([[item.cluster_id, int(item.write_class), item.field, item.contexts] for item in items])


def _named(tx: Tx, id: str) -> Guard:
    known = tx.guards.all(None)
    for guard in known:
        if str(guard.id) == id:
            return guard
    held = [str(guard.id) for guard in known if guard.state == "held"]
    raise Misused(f'no guard "{id}"; ' + (f"held are: {', '.join(held)}" if held else "none holds anything"))


def _systems(terms: Terms, guard: Guard) -> list[str]:
    """Whose writes the guard holds: its own system's, or where a source lost something, those of all."""
    entity = terms.rules.get(guard.entity)
    if not guard.source or entity is None:
        return [guard.system]
    return list(entity.links)


def _held(tx: Tx, terms: Terms, guard: Guard, samples: int) -> Held:
    items = tx.guards.items(guard.id)
    kind = guard.write_class.name.lower()
    lost = "blanked" if guard.write_class is WriteClass.CLEAR else "lost"
    place = f"{guard.system} seems to have {lost}" if guard.source else f"would be written to {guard.system}:"
    writes = f", {guard.count} fields" if guard.count != guard.records else ""
    return Held(
        id=str(guard.id),
        link=f"{guard.system}.{guard.entity}",
        write_class=kind,
        count=guard.count,
        records=guard.records,
        of=guard.bound,
        digest=digest_of(items, terms).hex(),
        since=timestamp(guard.since),
        samples=_samples(tx, terms, guard, items[:samples]),
        state=guard.state,
        text=f"{place} {guard.records} of {guard.bound} records ({kind}{writes})",
    )


def _samples(tx: Tx, terms: Terms, guard: Guard, items: Sequence[Item]) -> list[Sample]:
    clusters = tx.clusters.load({item.cluster_id for item in items})
    out = []
    for item in items:
        cluster = clusters.get(item.cluster_id)
        if cluster is None:
            continue
        entity, rule = terms.rules.get(cluster.entity), terms.rule(item.field)
        value: Value = None
        if entity is not None and rule is not None:
            value = shown(rule, resolve(cluster, cluster.regs.get(rule.number), rule, entity).value)
        out.append(Sample(guard.entity, terms.key_of(cluster), terms.name(item.field), value))
    return out
