"""Quarantine: what is kept out, why, and how it gets back in."""

from __future__ import annotations

import pytest

from datasyncd.daemon.review import quarantine
from datasyncd.daemon.review.refusal import Misused
from datasyncd.reconcile.effects import Quarantined
from datasyncd.state.transaction import Tx

from .world import World, linked


def dirty(world: World, system: str) -> list[str]:
    return [row.ext_id for row in world.does(lambda tx: tx.readings.dirty(system, f"{system}_contacts", 100))]


def unreadable(world: World, *ext_ids: str) -> None:
    for ext_id in ext_ids:
        world.reads("crm", ext_id, email=f"{ext_id}@example.org", phone="?")


def test_rows_are_grouped_by_cause() -> None:
    world = World()
    unreadable(world, "1", "2")
    world.reads("crm", "3", email="1@example.org")

    causes = world.asks("quarantine")

    assert [(c["kind"], c["system"], c["entity"], c["field"], c["count"]) for c in causes] == [
        ("invalid", "crm", "contact", "phone", 2),
        ("duplicate", "crm", "contact", None, 1),
    ]
    assert causes[0]["reason"] == "a phone number expected"
    assert world.does(lambda tx: quarantine.waiting(tx, world.terms)) == {("crm", "contact"): 3}
    assert [(r["ext_id"], r["key"]) for r in causes[0]["records"]] == [("1", "1@example.org"), ("2", "2@example.org")]


def test_an_unreadable_field_is_read_again_and_nothing_is_written_over_it() -> None:
    world, id = linked(phone="+12015550123")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, phone="?")
    world.reads("crm", "17", phone="+12015550199")
    [cause] = world.asks("quarantine")

    done = world.asks("quarantine.retry", ids=[cause["id"][:8]])

    assert (done["done"], done["links"]) == ([cause["records"][0]["id"]], ["mail.contact"])
    assert dirty(world, "mail") == [mail]
    assert world.delivers("mail")["mail"] == []
    world.reads("mail", mail, phone="+12015550123")
    assert world.asks("quarantine") == []


def test_a_refused_field_is_sent_again() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    world.refuses("mail", "first_name")
    [cause] = world.asks("quarantine")

    world.asks("quarantine.retry", ids=[cause["records"][0]["id"]])

    assert cause["kind"] == "refused"
    assert world.asks("quarantine") == []
    assert world.asks("conflicts") == []
    assert world.delivers("mail")["mail"] == [{"first_name": "Anna"}]


def test_a_refused_create_is_listed_and_sent_again() -> None:
    world = World()
    world.reads("crm", "17", email="ann@example.org")
    world.refuses("mail", create=True)
    assert world.delivers("mail")["mail"] == []
    [cause] = world.asks("quarantine")
    waiting = world.does(lambda tx: quarantine.waiting(tx, world.terms))

    world.asks("quarantine.retry", every=True)

    assert waiting == {("mail", "contact"): 1}
    assert (cause["kind"], cause["system"], cause["records"][0]["key"]) == ("refused", "mail", "ann@example.org")
    assert world.delivers("mail")["mail"] == [{"email": "ann@example.org"}]


def test_a_duplicate_is_looked_at_again_as_if_it_were_new() -> None:
    world = World()
    world.reads("crm", "1", email="ann@example.org")
    world.reads("crm", "2", email="ann@example.org")
    [cause] = world.asks("quarantine")

    world.asks("quarantine.retry", ids=[cause["id"]])

    assert world.asks("quarantine") == []
    assert dirty(world, "crm") == ["2"]


def test_an_orphan_never_comes_back_by_a_retry() -> None:
    world = World()
    late = Quarantined("crm", "crm_contacts", "9", None, "orphan", "made too late", b"row", [], 0)

    def step(tx: Tx) -> None:
        effects = tx.effects("pull")
        effects.quarantined.append(late)
        tx.records.write(effects, tx.run)

    world.does(step)
    [cause] = world.asks("quarantine")

    done = world.asks("quarantine.retry", ids=[cause["id"]])

    assert cause["accepts"] == ["drop"]
    assert done["done"] == []
    assert "delete it in crm" in done["refused"][0][1]


def test_a_dropped_record_stays_out_and_is_told_of_again_when_its_value_changes() -> None:
    world = World()
    world.reads("crm", "1", email="ann@example.org")
    world.reads("crm", "2", email="ann@example.org")
    [cause] = world.asks("quarantine")

    world.asks("quarantine.drop", ids=[cause["id"]])

    assert world.asks("quarantine") == []
    assert world.does(lambda tx: quarantine.waiting(tx, world.terms)) == {}
    assert world.does(lambda tx: tx.records.quarantined_records("crm", "crm_contacts")) == {"2": b"row"}
    assert world.asks("conflicts", every=True) == []

    def changed(tx: Tx) -> None:
        effects = tx.effects("pull")
        effects.quarantined.append(
            Quarantined("crm", "crm_contacts", "2", None, "duplicate", "shares a key", b"another row", [], 0)
        )
        tx.records.write(effects, tx.run)

    world.does(changed)
    assert len(world.asks("quarantine")) == 1


def test_a_dropped_field_stays_unwritten() -> None:
    world, id = linked(phone="+12015550123")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, phone="?")

    world.asks("quarantine.drop", every=True)
    world.reads("crm", "17", phone="+12015550199")
    world.reads("mail", mail, phone="?")

    assert world.asks("quarantine") == []
    assert world.delivers("mail")["mail"] == []


def test_a_raw_value_is_shown_only_when_it_was_kept_and_only_by_show() -> None:
    world = World()

    def step(tx: Tx) -> None:
        effects = tx.effects("pull")
        effects.quarantined.append(
            Quarantined("crm", "crm_contacts", "9", world.numbers["phone"], "invalid", "no number", "call me", [], 0)
        )
        tx.records.write(effects, tx.run)

    world.does(step)
    [cause] = world.asks("quarantine")

    shown = world.asks("quarantine.show", id=cause["records"][0]["id"])

    assert cause["records"][0]["raw"] is None
    assert shown["records"][0]["raw"] == "call me"


@pytest.mark.parametrize("arguments", [{}, {"ids": ["abcd1234"]}, {"ids": ["abcd"], "every": True}, {"ids": [""]}])
def test_what_names_nothing_is_misuse(arguments: dict[str, object]) -> None:
    world = World()
    unreadable(world, "1")

    with pytest.raises(Misused):
        world.asks("quarantine.retry", **arguments)
