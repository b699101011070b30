"""Guards: an approval releases exactly the set that was held, once."""

from __future__ import annotations

import pytest

from datasyncd.daemon.review.refusal import Misused, OutOfDate
from datasyncd.reconcile.delivery import plan
from datasyncd.reconcile.guards import withhold
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state.transaction import Tx

from .world import ENTITY, World


def renamed() -> tuple[World, int]:
    """Three contacts of which mail is owed another first name, which a guard holds."""
    world = World()
    for n in range(3):
        world.reads("crm", f"{n}", email=f"{n}@example.org", first_name="Ann")
    world.delivers("mail", "prefs")
    for n in range(3):
        world.reads("crm", f"{n}", first_name="Anna")
    return world, world.guards("mail", WriteClass.UPDATE)


def passes(world: World) -> int:
    """How many of the writes that are due in mail the guard lets pass."""

    def step(tx: Tx) -> int:
        link = world.rule.links["mail"]
        clusters = tx.clusters.load(tx.outbox.claim("mail", ENTITY, tx.at, 0)).values()
        plans = [plan(cluster, world.rule, link, world.fp, fresh=True) for cluster in clusters]
        held = frozenset({WriteClass.UPDATE})
        return sum(1 for p in plans if p is not None and not withhold(p, held, tx.guards.approved, world.fp))

    return world.does(step)


def test_a_held_set_is_shown_with_its_share_and_samples() -> None:
    world, id = renamed()

    [held] = world.asks("guard")

    assert (held["id"], held["link"], held["class"], held["count"], held["of"]) == (
        str(id), "mail.contact", "update", 3, 3,
    )  # fmt: skip
    assert held["samples"][0] == {"entity": "contact", "key": "0@example.org", "field": "first_name", "value": "Anna"}
    assert world.asks("guard.show", id=str(id))["digest"] == held["digest"]


def test_an_approval_wakes_exactly_what_was_held() -> None:
    world, id = renamed()
    assert passes(world) == 0

    approved = world.asks("guard.approve", id=str(id), digest=world.asks("guard")[0]["digest"])

    assert (approved["count"], approved["links"]) == (3, ["mail.contact"])
    assert passes(world) == 3
    world.reads("crm", "0", first_name="Annie")
    assert passes(world) == 2
    assert world.asks("guard") == []
    assert [held["state"] for held in world.asks("guard", every=True)] == ["approved"]


def test_an_approval_of_another_set_than_was_seen_is_refused() -> None:
    world, id = renamed()
    seen = world.asks("guard")[0]["digest"]
    world.reads("crm", "0", first_name="Annie")
    world.does(lambda tx: tx.outbox.wake("mail", ENTITY, tx.at))
    world.guards("mail", WriteClass.UPDATE)

    def add(tx: Tx) -> None:
        tx.guards.add(id, tx.guards.items(max(guard.id for guard in tx.guards.all())))

    world.does(add)

    with pytest.raises(OutOfDate, match="changed"):
        world.asks("guard.approve", id=str(id), digest=seen)


def test_an_approval_is_given_once() -> None:
    world, id = renamed()
    world.asks("guard.approve", id=str(id))

    with pytest.raises(OutOfDate, match="approved"):
        world.asks("guard.approve", id=str(id))


def test_an_unknown_guard_is_misuse_that_names_those_that_hold() -> None:
    world, id = renamed()

    with pytest.raises(Misused, match=str(id)):
        world.asks("guard.approve", id="x")


def test_a_set_that_a_source_lost_concerns_all_links() -> None:
    world, _id = renamed()
    world.does(lambda tx: tx.guards.hold(tx.next(), "crm", ENTITY, WriteClass.DELETE, True, 3, tx.at))
    lost = next(held for held in world.asks("guard") if held["class"] == "delete")

    approved = world.asks("guard.approve", id=lost["id"])

    assert "seems to have lost" in lost["text"]
    assert approved["links"] == ["crm.contact", "mail.contact", "prefs.contact"]
