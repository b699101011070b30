"""Purge: what has been over for long is forgotten, and nothing that somebody is owed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from datasyncd.daemon import purge as purging
from datasyncd.daemon.purge import Purged, purge
from datasyncd.reconcile.effects import Quarantined
from datasyncd.state.transaction import Tx

from .world import World, linked

DAY = 86_400_000_000


def purged(world: World, *, days: float = 0) -> Purged:
    """The daily purge, so many days later."""
    world.at += int(days * DAY)
    try:
        purge(world.store, world.terms).send(None)
    except StopIteration as stop:
        found: Purged = stop.value
        return found
    raise AssertionError("the store waited")


def rows(world: World, table: str, where: str = "1") -> int:
    found: int = world.does(lambda tx: tx._db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])
    return found


def dead(**values: Any) -> tuple[World, int]:
    """A person who was deleted everywhere."""
    world, id = linked(**values)
    for binding in world.cluster(id).bindings:
        world.loses(binding.system, binding.ext_id)
    assert world.cluster(id).state == "dead"
    return world, id


def test_the_dead_are_remembered_for_90_days_and_then_forgotten_but_for_the_evidence_of_consents() -> None:
    world, id = dead(first_name="Ann", sms_opt_in="out")
    other = world.reads("crm", "18", email="bob@example.org")

    assert purged(world, days=89).clusters == 0
    assert world.cluster(id).state == "dead"
    evidence = rows(world, "act", f"cluster_id = {id}")
    assert purged(world, days=2) == Purged(clusters=1)

    tables = ("binding", "match_key", "journal", "report", "outbox")
    assert {table: rows(world, table, f"cluster_id = {id}") for table in tables} == dict.fromkeys(tables, 0)
    assert rows(world, "cluster", f"id = {id}") == 0
    assert rows(world, "act", f"cluster_id = {id}") == evidence > 0
    assert world.cluster(other).state == "live"
    assert world.reads("crm", "19", email="ann@example.org") not in (id, other)


def test_the_dead_are_remembered_longer_where_a_system_may_still_tell_of_them() -> None:
    world, _id = dead()
    world.link("mail", late_us=100 * DAY, search_lag_us=10 * DAY)

    assert purged(world, days=109).clusters == 0
    assert purged(world, days=2).clusters == 1


def test_the_living_are_never_forgotten() -> None:
    world, id = linked(first_name="Ann")

    assert purged(world, days=4000) == Purged()
    assert world.asks("explain", entity="contact", key="ann@example.org")["id"] == id


def test_reports_that_are_over_are_kept_for_400_days() -> None:
    world, id = linked(language="en", first_name="Ann")
    mail = next(binding.ext_id for binding in world.cluster(id).bindings if binding.system == "mail")
    for field, values in {"language": ("de", "fr"), "first_name": ("Anna", "Annie")}.items():
        world.reads("crm", "17", **{field: values[0]})
        world.reads("mail", mail, **{field: values[1]})
    assert sorted(report["state"] for report in world.asks("conflicts", every=True)) == ["open", "settled"]

    assert purged(world, days=399).reports == 0
    assert purged(world, days=2).reports == 1

    [left] = world.asks("conflicts", every=True)
    assert (left["field"], left["state"]) == ("language", "open")
    world.asks("resolve", ids=[left["id"]], use="it")
    assert purged(world, days=399).reports == 0
    assert purged(world, days=2).reports == 1


def test_what_was_dropped_stays_dropped_for_as_long_as_it_is_there() -> None:
    world = World()

    def keeps_out(tx: Tx) -> None:
        effects = tx.effects("pull")
        effects.quarantined.append(Quarantined("crm", "crm_contacts", "2", None, "duplicate", "shares a key", b"row"))
        tx.records.write(effects, tx.run)

    world.does(keeps_out)
    world.asks("quarantine.drop", every=True)

    assert purged(world, days=500).reports == 0
    assert world.asks("quarantine") == []
    world.does(lambda tx: tx.records.release("crm", "crm_contacts", "2", None))
    assert purged(world).reports == 1


def test_mass_changes_that_are_over_or_approved_go_and_held_ones_stay() -> None:
    world, _id = linked()
    held, over, approved = world.does(lambda tx: (tx.next(), tx.next(), tx.next()))

    def holds(tx: Tx) -> None:
        for number, state in ((held, "held"), (over, "over"), (approved, "approved")):
            tx._db.execute("INSERT INTO guard VALUES (?, 'mail', 'contact', 8, 0, 10, ?, ?)", (number, tx.at, state))
            tx._db.execute("INSERT INTO guard_item VALUES (?, 1, 8, -1, x'00')", (number,))

    world.does(holds)
    purged(world, days=401)

    assert [guard.id for guard in world.does(lambda tx: tx.guards.all(None))] == [held]
    assert (rows(world, "guard_item", f"guard_id = {held}"), rows(world, "guard_item")) == (1, 1)


def test_hints_of_what_no_link_reads_any_more_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    world, _id = linked()

    def hints(tx: Tx) -> None:
        tx.readings.hint("crm", "crm_contacts", ["1", "2"], tx.stamp, tx.at)
        tx.readings.hint("crm", "crm_orders", ["1", "2", "3"], tx.stamp, tx.at)
        tx.readings.hint("erp", "crm_contacts", ["1"], tx.stamp, tx.at)

    world.does(hints)
    purged(world)

    assert rows(world, "dirty") == rows(world, "dirty", "system = 'crm' AND object = 'crm_contacts'") == 2


def test_starts_are_forgotten_once_the_journal_holds_nothing_of_them() -> None:
    world, _id = linked()
    (used,) = world.does(lambda tx: tx._db.execute("SELECT min(run) FROM journal").fetchone())

    def starts(tx: Tx) -> None:
        tx._db.execute("DELETE FROM run")
        for number in (used - 1, used, used + 1):
            tx._db.execute("INSERT INTO run VALUES (?, ?, 'run', x'00')", (number, tx.at))

    world.does(starts)
    purged(world, days=399)
    assert rows(world, "run") == 3
    purged(world, days=2)

    assert world.does(lambda tx: tx._db.execute("SELECT id FROM run").fetchall()) == [(used,), (used + 1,)]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_purge_goes_in_bounded_parts(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", batch)
    world = World()
    for n in range(5):
        world.reads("crm", f"{n}", email=f"{n}@example.org")
        if n % 2 == 0:
            world.loses("crm", f"{n}")

    assert purged(world, days=91) == Purged(clusters=3)
    assert rows(world, "cluster") == 2


def test_a_purge_of_nothing_writes_nothing() -> None:
    world, id = linked(first_name="Ann")
    before = msgspec.msgpack.encode(world.cluster(id))
    sequence = world.store.sequence

    purged(world, days=1)

    assert (msgspec.msgpack.encode(world.cluster(id)), world.store.sequence) == (before, sequence)
