"""First contact: records that existed before anybody synchronised them, and a new person's records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from datasyncd.adapters.contract import Outcome, Write, Written

from .world import Contact, World, both, overruled, system, undecided


def met(world: World, /, crm: dict[str, Any], mail: dict[str, Any]) -> Contact:
    """One person who has a record in both systems before the first synchronisation."""
    contact = world.person("crm", email="ann@example.org", **crm)
    contact.recreates("mail", email="ann@Example.org", **mail)
    contact.syncs()
    return contact


def test_a_new_record_is_made_in_the_other_system() -> None:
    world = World("crm", "mail")
    contact = world.person("crm", email="ann@example.org", name="Ann", tags={"a"}, score=7)
    contact.syncs()

    assert contact.exists_in() == {"crm", "mail"}
    assert contact.everywhere("name") == {"Ann"}
    assert (contact.everywhere("tags"), contact.everywhere("score")) == ({frozenset({"a"})}, {7})
    assert [write.op for write in world.sent("mail")] == ["create"]
    contact.is_at_rest()


@pytest.mark.parametrize("form", ["report", "fill_blanks", "newest", "crm", "mail"])
def test_blanks_are_filled_in_every_form_and_equal_values_are_no_conflict(form: str) -> None:
    """Row 36; F51, F52: records meet by their keys in a normal form."""
    contact = met(
        World("crm", "mail", first_contact=form),
        {"name": "Ann", "city": "", "phone": "1"},
        {"name": "Ann", "city": "Rome"},
    )

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Ann"}, {"Rome"})
    assert contact.everywhere("phone") == {"1"}
    assert contact.conflicts() == []
    assert len(contact.world.clusters()) == 1


def test_newest_goes_by_the_time_of_the_edits() -> None:
    """Row 36."""
    world = World(system("crm", edited_at=True), system("mail", edited_at=True), first_contact="newest")
    contact = met(world, {"name": "Ann", "at": -10.0}, {"name": "Anna", "at": -20.0})

    assert contact.everywhere("name") == {"Ann"}
    assert contact.conflicts() == [both("name", crm="Ann", mail="Anna", chosen="Ann")]
    contact.is_at_rest()


@pytest.mark.parametrize("dated", ["crm", "mail", ""])
def test_newest_asks_a_person_where_a_side_does_not_say_when_it_was_edited(dated: str) -> None:
    """Row 36; F18: a missing time is not an old one."""
    world = World(system("crm", edited_at=dated == "crm"), system("mail", edited_at=dated == "mail"))
    contact = met(world, {"name": "Ann"}, {"name": "Anna"})

    assert contact.shows("name") == {"crm": "Ann", "mail": "Anna"}
    assert contact.conflicts() == [undecided("name", crm="Ann", mail="Anna")]
    assert world.writes() == 0


def test_report_holds_differences_until_a_person_chooses() -> None:
    """Row 36; F12, F50."""
    contact = met(World("crm", "mail", first_contact="report"), {"name": "Ann", "city": "Rome"}, {"name": "Anna"})

    assert contact.shows("name") == {"crm": "Ann", "mail": "Anna"}
    assert contact.everywhere("city") == {"Rome"}
    assert contact.conflicts() == [undecided("name", crm="Ann", mail="Anna")]

    contact.chooses("name", "Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_difference_that_was_reported_still_waits_after_one_side_was_edited() -> None:
    contact = met(World("crm", "mail", first_contact="report"), {"name": "Ann"}, {"name": "Anna"})
    contact.edits("crm", name="Annie")
    contact.syncs()

    assert contact.shows("name") == {"crm": "Annie", "mail": "Anna"}
    assert contact.reports(state="open") == [undecided("name", crm="Annie", mail="Anna")]


def test_a_difference_is_over_when_somebody_makes_both_sides_equal() -> None:
    contact = met(World("crm", "mail", first_contact="report"), {"name": "Ann"}, {"name": "Anna"})
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_fill_blanks_leaves_differences_as_they_are_until_a_side_is_edited() -> None:
    """Row 36: they are listed, and hold nothing up."""
    contact = met(World("crm", "mail", first_contact="fill_blanks"), {"name": "Ann"}, {"name": "Anna"})
    assert contact.shows("name") == {"crm": "Ann", "mail": "Anna"}
    assert [(r.values, r.state) for r in contact.conflicts()] == [((("crm", "Ann"), ("mail", "Anna")), "settled")]

    contact.edits("mail", city="Rome")
    contact.syncs()
    assert contact.everywhere("city") == {"Rome"}
    assert contact.shows("name") == {"crm": "Ann", "mail": "Anna"}

    contact.edits("crm", name="Annie")
    contact.syncs()
    assert contact.everywhere("name") == {"Annie"}
    contact.is_at_rest()


@pytest.mark.parametrize("named", ["crm", "mail"])
def test_one_system_counts_and_the_others_are_overruled(named: str) -> None:
    """Row 36: all losing values are reported, once."""
    contact = met(World("crm", "mail", first_contact=named), {"name": "Ann"}, {"name": "Anna"})
    wins = {"crm": "Ann", "mail": "Anna"}[named]

    assert contact.everywhere("name") == {wins}
    assert contact.reports() == [overruled("name", crm="Ann", mail="Anna", chosen=wins)]
    assert contact.world.writes() == 1
    contact.is_at_rest()


def test_what_the_counting_system_has_not_is_taken_from_the_others() -> None:
    world = World("crm", "shop", "mail", first_contact="mail")
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.recreates("shop", email="ann@example.org", name="Anna")
    contact.syncs()

    assert set(contact.everywhere("name")) >= {"Ann", "Anna"}
    assert contact.reports(state="open") == [undecided("name", crm="Ann", shop="Anna")]


@pytest.mark.parametrize("form", ["report", "fill_blanks", "mail"])
def test_fields_with_a_policy_of_their_own_follow_that(form: str) -> None:
    """Authority, consent and sets go by their policy in every form."""
    world = World("billing", "mail", first_contact=form)
    contact = world.person("mail", email="ann@example.org", status="lead", sms_opt_in="in", tags={"a"})
    contact.recreates("billing", email="ann@example.org", status="active", sms_opt_in="out", tags={"b"})
    contact.syncs()

    assert contact.everywhere("status") == {"active"}
    assert contact.everywhere("sms_opt_in") == {"out"}
    assert contact.everywhere("tags") == {frozenset({"a", "b"})}
    contact.is_at_rest()


@pytest.mark.parametrize("form", ["newest", "mail"])
def test_a_third_system_joins_what_two_have_agreed_on(form: str) -> None:
    world = World("crm", "mail", "shop", first_contact=form)
    world.is_down("shop")
    contact = met(world, {"name": "Ann"}, {"name": "Ann"})
    contact.recreates("shop", email="ann@example.org", name="Ann", city="Rome")
    world.is_up("shop")
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Ann"}, {"Rome"})
    assert contact.conflicts() == []
    contact.is_at_rest()


def test_the_most_trusted_key_decides_who_is_who() -> None:
    """F55: two people share a telephone."""
    world = World("crm", "mail")
    world.person("crm", email="ann@example.org", phone="1", name="Ann").syncs()
    world.creates("mail", email="bob@example.org", phone="1", name="Bob")
    world.syncs()

    assert len(world.clusters()) == 2
    assert {world.holds("mail", key)["name"] for key in world.keys("mail")} == {"Ann", "Bob"}  # type: ignore[index]


def test_people_without_any_key_are_people_all_the_same() -> None:
    world = World("crm", "mail")
    contact = world.person("crm", name="Nobody")
    contact.syncs()

    assert contact.everywhere("name") == {"Nobody"}
    assert len(world.keys("mail")) == 1


def test_a_key_that_lost_a_conflict_names_the_person_no_more() -> None:
    """F48, F55: the address that was overwritten may be somebody else's."""
    world = World("crm", "mail", first_contact="newest")
    contact = world.linked(email="old@example.org", name="Ann")
    contact.edits("crm", email="one@example.org")
    contact.edits("mail", email="two@example.org")
    contact.syncs()
    assert contact.everywhere("email") == {"two@example.org"}

    world.creates("crm", email="one@example.org", name="Bob")
    world.syncs()

    assert len(world.clusters()) == 2
    assert world.quarantine() == []


@pytest.mark.parametrize("at_once", [True, False])
def test_an_address_may_go_from_one_person_to_another(at_once: bool) -> None:
    """F48: an edit of a key never makes one person of two, and the address is free afterwards."""
    world = World("crm", "mail")
    ann = world.linked(email="office@example.org", name="Ann")

    ann.edits("crm", email="ann@example.org")
    if not at_once:
        world.syncs()
    world.creates("crm", email="office@example.org", name="Bob")
    world.syncs()

    assert world.quarantine() == []
    held = [world.holds("mail", key) for key in world.keys("mail")]
    assert sorted((h["email"], h["name"]) for h in held if h) == [
        ("ann@example.org", "Ann"), ("office@example.org", "Bob"),
    ]  # fmt: skip


def test_a_record_that_is_listed_twice_is_one_record() -> None:
    """F27, F29: every record at least once is all that a listing promises."""
    world = World("crm", "mail")
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.desks["crm"].twice = True
    contact.syncs()
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert (len(world.clusters()), world.quarantine()) == (1, [])
    assert contact.everywhere("name") == {"Anna"}


def test_what_was_made_meanwhile_is_found_before_a_record_is_made() -> None:
    """F43, F49, F50: also where a pull has looked before."""
    world = World("crm", "mail")
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.pulls("crm")
    world.pulls("mail")
    world.creates("mail", email="ann@example.org", city="Rome")

    world.delivers("mail", pulled=False)
    world.syncs()

    assert len(world.keys("mail")) == 1
    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Ann"}, {"Rome"})


@pytest.mark.parametrize("assigns_key", [True, False])
def test_a_record_that_somebody_makes_while_ours_is_made_is_a_second_one(assigns_key: bool) -> None:
    """F02, F43: the answer decides who has the place; there is never more than one."""
    world = World("crm", system("mail", assigns_key=assigns_key))
    contact = world.person("crm", email="ann@example.org", name="Ann")

    def makes_one() -> None:
        world.creates("mail", key="theirs", email="ann@example.org", name="Annie")
        world.pulls("mail")

    world.meanwhile("mail", "writing", makes_one)
    world.syncs()

    assert [binding.system for binding in contact.cluster.live()] == ["crm", "mail"]
    assert [(row.ext_id, row.kind) for row in world.quarantine()] == [("theirs", "duplicate")]
    assert contact.everywhere("name") == {"Ann"}


def test_no_record_is_made_beside_one_that_is_kept_out() -> None:
    """F02, F58: it is reported as a clash, and everything else goes on."""
    world = World("crm", "mail")
    world.creates("mail", email="ann@example.org", customer="1")
    world.creates("mail", email="ann@example.org", customer="1", name="Another")
    world.syncs()
    assert [row.kind for row in world.quarantine()] == ["duplicate"]

    assert len(world.keys("crm")) == 1
    assert len(world.keys("mail")) == 2


def test_a_create_that_answers_with_somebody_elses_record_is_a_clash() -> None:
    """Row 35; F58: an upsert found Bob by his telephone. Nothing breaks, and the create is blocked."""
    world = World("crm", "mail")
    bob = world.linked(email="bob@example.org", phone="1")
    ann = world.person("crm", email="ann@example.org", phone="1")
    desk, push = world.desks["mail"], world.desks["mail"].push

    async def upserts(object: str, writes: Sequence[Write]) -> list[Outcome]:
        return [Written(bob.key("mail")) for _ in writes]

    desk.push = upserts  # type: ignore[method-assign]
    world.cycle()
    desk.push = push  # type: ignore[method-assign]
    world.syncs()

    assert ann.exists_in() == {"crm"}
    assert [r.kind for r in ann.reports(state="open")] == ["clash"]


@pytest.mark.parametrize("mode", ["report", "fill_blanks", "newest"])
def test_a_key_in_two_spellings_stays_as_it_is_in_each_system(mode: str) -> None:
    """F52: nobody has to choose, nobody's form is written over, and a new record gets the one that was there first."""
    world = World("crm", "mail", "shop", first_contact=mode)
    contact = world.person("crm", email="Ann@example.org", name="Ann")
    contact.recreates("mail", email="ann@example.org", name="Ann")
    contact.syncs()

    assert contact.reports() == []
    assert contact.shows("email") == {"crm": "Ann@example.org", "mail": "ann@example.org", "shop": "Ann@example.org"}
    assert world.sent("crm") == world.sent("mail") == []

    contact.edits("mail", email="ann@example.com")
    contact.syncs()
    assert contact.everywhere("email") == {"ann@example.com"}
    assert contact.reports() == []


@pytest.mark.parametrize(("mode", "counts"), [("crm", "Ann@example.org"), ("mail", "ann@example.org")])
def test_the_spelling_of_the_system_that_counts_goes_to_the_others(mode: str, counts: str) -> None:
    world = World("crm", "mail", first_contact=mode)
    contact = world.person("crm", email="Ann@example.org", name="Ann")
    contact.recreates("mail", email="ann@example.org", name="Ann")
    contact.syncs()

    assert contact.everywhere("email") == {counts}


def test_the_newest_spelling_counts_where_both_sides_say_when() -> None:
    world = World(system("crm", edited_at=True), system("mail", edited_at=True), first_contact="newest")
    contact = world.person("crm", at=-10.0, email="Ann@example.org", name="Ann")
    contact.recreates("mail", email="ann@example.org", name="Ann")
    contact.syncs()

    assert contact.everywhere("email") == {"ann@example.org"}
