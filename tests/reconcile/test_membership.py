"""Membership: what a person joins is one, and what a person takes apart stays apart."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.daemon.review import identity
from datasyncd.daemon.review.refusal import Unable

from .world import ENTITY, Contact, World, both, undecided


def merges(world: World, key: str, other: str) -> identity.Merged:
    return world.transact(lambda tx: identity.merge(tx, world.terms, ENTITY, key, other, by="ann"))


def splits(world: World, record: str) -> identity.Split:
    return world.transact(lambda tx: identity.split(tx, world.terms, ENTITY, record, by="ann"))


def apart(crm: dict[str, Any], mail: dict[str, Any]) -> tuple[World, Contact, Contact]:
    """Two records of one person that nothing tells to be one, each in a system of its own."""
    world = World("crm", "mail", "shop")
    for name, link in world.links.items():
        world._links_rules[name] = link.rule
    one = world.person("crm", key="c1", email="ann@example.org", **crm)
    world.pulls("crm")
    other = world.person("mail", key="m1", email="ann.b@example.org", **mail)
    world.pulls("mail")
    return world, one, other


def test_what_two_records_know_is_united_and_differences_are_conflicts() -> None:
    """Row 31."""
    world, one, _other = apart(
        {"name": "Ann", "city": "Rome", "language": "de", "tags": {"a"}},
        {"name": "Anna", "phone": "1", "language": "en", "tags": {"b"}},
    )
    answer = merges(world, "ann@example.org", "mail:m1")
    world.syncs()

    assert (answer.records, answer.conflicts) == (["crm:c1", "mail:m1"], 1)
    assert [cluster.state for cluster in world.clusters()] == ["live", "dead"]
    assert one.everywhere("name") == {"Anna"}, "the later one"
    assert one.everywhere("city") == {"Rome"}
    assert one.everywhere("phone") == {"1"}
    assert one.everywhere("tags") == {frozenset({"a", "b"})}
    assert both("name", crm="Ann", mail="Anna", chosen="Anna") in one.conflicts()
    assert undecided("language", crm="de", mail="en") in one.conflicts()
    assert one.shows("language") == {"crm": "de", "mail": "en"} | (
        {"shop": ""} if "shop" in one.shows("language") else {}
    )
    assert len(world.keys("shop")) == 1, "a system that had neither gets one record"

    one.edits("crm", name="Annie")
    one.syncs()
    assert one.everywhere("name") == {"Annie"}


def test_an_opt_out_of_either_holds_for_both() -> None:
    """Row 31; 6.2(i): a merge never raises a consent."""
    world, one, _other = apart({"sms_opt_in": "in"}, {"sms_opt_in": "out"})
    merges(world, "crm:c1", "mail:m1")
    world.syncs()
    assert one.everywhere("sms_opt_in") == {"out"}


def test_two_with_a_record_in_the_same_system_are_not_merged() -> None:
    """Row 31: nobody could say which of the records is theirs."""
    world = World("crm", "mail")
    world.linked(email="ann@example.org")
    world.linked(email="ben@example.org")
    with pytest.raises(Unable, match="both have a record in crm, mail"):
        merges(world, "ann@example.org", "ben@example.org")


def test_a_write_of_unknown_outcome_is_waited_for() -> None:
    """7.7: only without attempts."""
    world, one, _other = apart({"name": "Ann"}, {})
    one.loses_answer("shop", late_s=100.0)
    world.delivers("shop")
    with pytest.raises(Unable, match="unknown outcome"):
        merges(world, "crm:c1", "mail:m1")


def test_after_a_split_no_edit_crosses() -> None:
    """Row 32; P11: the record knows what it shows itself, and nothing that others said."""
    world = World("crm", "mail", "shop")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    contact.edits("crm", city="Oslo")
    world.pulls("crm")
    answer = splits(world, f"mail:{contact.key('mail')}")
    world.syncs()

    assert answer.left == [f"crm:{contact.key('crm')}", f"shop:{contact.key('shop')}"]
    kept, alone = world.clusters()
    assert [binding.system for binding in kept.live()] == ["crm", "shop"]
    assert [binding.system for binding in alone.live()] == ["mail"]
    mail = contact.key("mail")
    assert (world.holds("mail", mail) or {})["city"] == "Rome", "what was on its way to it is not its own"
    assert {(world.holds(n, contact.key(n)) or {})["city"] for n in ("crm", "shop")} == {"Oslo"}

    world.tables["mail"].edit("people", mail, name="Hanna")
    contact.edits("crm", name="Annie")
    world.syncs()
    assert (world.holds("mail", mail) or {})["name"] == "Hanna"
    assert {(world.holds(n, contact.key(n)) or {})["name"] for n in ("crm", "shop")} == {"Annie"}
    assert [len(world.keys(name)) for name in ("crm", "mail", "shop")] == [1, 1, 1], "nothing is made for either"


def test_what_was_split_can_be_merged_again_and_lives_as_before() -> None:
    """7.7: a person may change their mind."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    mail = contact.key("mail")
    splits(world, f"mail:{mail}")
    world.syncs()
    world.tables["mail"].edit("people", mail, city="Oslo")
    world.syncs()
    merges(world, f"crm:{contact.key('crm')}", f"mail:{mail}")
    world.syncs()

    (live,) = [cluster for cluster in world.clusters() if cluster.state == "live"]
    assert not live.no_create
    assert contact.everywhere("city") == {"Oslo"}
    contact.edits("mail", name="Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}


def test_the_last_record_is_not_split() -> None:
    world = World("crm", "mail", on_delete="unlink")
    contact = world.linked(email="ann@example.org")
    contact.deletes("mail")
    contact.syncs()
    with pytest.raises(Unable, match="nothing to take it out of"):
        splits(world, f"crm:{contact.key('crm')}")
