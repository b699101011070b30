"""Merging: what each policy makes of edits that did not see each other, end to end."""

from __future__ import annotations

from typing import Any

import pytest

from .world import Contact, Raw, World, both, linked, overruled, system, undecided


def test_an_edit_that_had_seen_the_other_one_is_no_conflict_whatever_the_clocks_say() -> None:
    """F16, F19, F111: order by what was seen, then by time."""
    contact = linked(system("crm", edited_at=True), system("mail", edited_at=True), name="Ann")
    contact.edits("crm", at=+100_000.0, name="first")
    contact.syncs()

    contact.edits("mail", at=-100_000.0, name="second")
    contact.syncs()

    assert contact.everywhere("name") == {"second"}
    assert contact.reports() == []


def test_fields_are_merged_each_by_itself() -> None:
    """F14, F20, F25."""
    contact = linked("crm", "mail", name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.edits("mail", city="Bonn")
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Bonn"})
    assert contact.reports() == []


def test_three_who_edit_at_once_see_one_winner_and_one_report_of_all() -> None:
    """F22."""
    contact = linked("crm", "mail", "shop", name="Ann")
    for name, value in (("crm", "one"), ("mail", "two"), ("shop", "three")):
        contact.edits(name, name=value)
    contact.syncs()

    assert contact.everywhere("name") == {"three"}
    assert contact.conflicts()[-1] == both("name", crm="one", mail="two", shop="three", chosen="three")
    assert contact.world.writes() == 2
    contact.is_at_rest()


def test_a_conflict_never_comes_back_by_itself() -> None:
    """F05: the winner has seen its rivals."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="one")
    contact.edits("mail", name="two")
    contact.syncs()

    contact.edits("crm", name="three")
    contact.syncs()

    assert len(contact.conflicts()) == 1
    assert contact.everywhere("name") == {"three"}


# Authority


def test_an_edit_beside_the_authority_is_overruled() -> None:
    contact = linked("billing", "crm", status="active")
    contact.edits("billing", status="cancelled")
    contact.syncs()

    contact.edits("crm", status="lead")
    contact.syncs()

    assert contact.everywhere("status") == {"cancelled"}
    assert contact.reports() == [overruled("status", billing="cancelled", crm="lead", chosen="cancelled")]
    contact.is_at_rest()


def test_without_a_record_of_the_authority_every_edit_counts() -> None:
    world = World("billing", "crm", "mail")
    world.is_down("billing")
    contact = world.person("crm", email="ann@example.org", status="lead")
    contact.syncs()
    contact.edits("mail", status="active")
    contact.syncs()
    assert contact.everywhere("status") == {"active"}
    assert contact.reports() == []

    contact.recreates("billing", email="ann@example.org", status="cancelled")
    world.is_up("billing")
    contact.syncs()
    assert contact.everywhere("status") == {"cancelled"}
    contact.is_at_rest()


def test_the_authority_wins_over_an_earlier_edit_that_it_had_not_seen() -> None:
    """Concurrent, and the other one was seen first: a conflict that the authority wins."""
    contact = linked("billing", "crm", status="")
    contact.edits("billing", status="active")
    contact.edits("crm", status="lead")
    contact.world.pulls("crm")
    contact.syncs()

    assert contact.everywhere("status") == {"active"}
    contact.is_at_rest()


def test_what_was_overruled_and_equals_the_winner_is_no_matter() -> None:
    contact = linked("billing", "crm", status="active")
    contact.edits("billing", status="cancelled")
    contact.world.pulls("billing")
    contact.edits("crm", status="cancelled")
    contact.syncs()

    assert (contact.reports(), contact.world.writes()) == ([], 0)
    contact.is_at_rest()


# Blanks


def test_a_field_that_is_never_cleared_is_filled_again() -> None:
    world = World("crm", "mail", never_clear=["name"])
    contact = world.linked(name="Ann")
    contact.edits("mail", name="")
    contact.syncs()

    assert contact.everywhere("name") == {"Ann"}
    assert [(r.kind, r.chosen) for r in contact.reports()] == [("overruled", "Ann")]
    contact.is_at_rest()


def test_an_edit_after_an_overruled_one_does_not_claim_what_its_author_never_saw() -> None:
    """The record was blanked, which does not count, and then set lower: the larger value must come back."""
    world = World("crm", "mail", never_clear=["score"])
    contact = world.person("mail", email="ann@example.org", score=1)
    contact.syncs()
    contact.edits("mail", score=10)
    contact.syncs()
    contact.edits("mail", score="")
    world.pulls("mail")

    contact.edits("mail", score=5)
    contact.syncs()

    assert contact.everywhere("score") == {10}
    contact.is_at_rest()


# Largest and smallest


def test_the_largest_of_concurrent_values_wins() -> None:
    contact = linked("crm", "mail", score=1, floor=9)
    contact.edits("crm", score=7, floor=3)
    contact.edits("mail", score=5, floor=5)
    contact.syncs()

    assert (contact.everywhere("score"), contact.everywhere("floor")) == ({7}, {3})
    contact.is_at_rest()


def test_whoever_has_seen_the_largest_may_lower_it() -> None:
    contact = linked("crm", "mail", score=7, floor=3)
    contact.edits("mail", score=2, floor=8)
    contact.syncs()

    assert (contact.everywhere("score"), contact.everywhere("floor")) == ({2}, {8})
    assert contact.reports() == []


# Sets


def test_what_was_added_and_removed_elsewhere_meets() -> None:
    """F08: elements, not lists."""
    contact = linked("crm", "mail", tags={"a", "b"})
    contact.edits("crm", tags={"a", "b", "c"})
    contact.edits("mail", tags={"b", "d"})
    contact.syncs()

    assert contact.everywhere("tags") == {frozenset({"b", "c", "d"})}
    assert contact.reports() == []
    contact.is_at_rest()


def test_who_adds_wins_over_who_removes_without_having_seen_it() -> None:
    contact = linked("crm", "mail", tags={"a"})
    contact.edits("crm", tags=set())
    contact.world.pulls("crm")
    contact.edits("crm", tags={"a"})
    contact.world.pulls("crm")
    contact.edits("mail", tags=set())
    contact.syncs()

    assert contact.everywhere("tags") == {frozenset({"a"})}
    contact.is_at_rest()


def test_a_removal_that_had_seen_the_element_removes_it_everywhere() -> None:
    contact = linked("crm", "mail", "shop", tags={"a", "b"})
    contact.edits("mail", tags={"b"})
    contact.syncs()
    assert contact.everywhere("tags") == {frozenset({"b"})}

    contact.edits("shop", tags=set())
    contact.syncs()
    assert contact.everywhere("tags") == {frozenset()}
    contact.is_at_rest()


def test_the_order_of_elements_is_no_difference() -> None:
    """F08."""
    contact = linked("crm", "mail", tags={"a", "b"})
    contact.edits("mail", tags=Raw("b;a"))
    contact.syncs()

    assert contact.world.writes() == 0
    assert contact.reports() == []


# A person chooses


def differing() -> Contact:
    contact = linked("crm", "mail", "shop", language="en")
    contact.edits("crm", language="de")
    contact.edits("mail", language="fr")
    contact.syncs()
    return contact


def test_a_manual_field_stays_as_it_is_everywhere_until_a_person_chooses() -> None:
    """F12: parked in every direction."""
    contact = differing()

    assert contact.shows("language") == {"crm": "de", "mail": "fr", "shop": "en"}
    assert contact.conflicts() == [undecided("language", crm="de", mail="fr")]
    assert contact.owed() == set()


@pytest.mark.parametrize("how", [{"value": "it"}, {"source": "mail"}])
def test_a_choice_is_an_edit_that_has_seen_everything(how: dict[str, Any]) -> None:
    contact = differing()
    contact.chooses("language", **how)
    contact.syncs()

    assert contact.everywhere("language") == {how.get("value", "fr")}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_choice_about_what_has_changed_meanwhile_is_refused() -> None:
    """Its digest names the versions that the person saw."""
    contact = differing()
    old = contact.versions("language")
    contact.edits("shop", language="es")
    contact.syncs()

    outcome = contact.chooses("language", "de", digest=old)

    assert (len(outcome.resolved), [r.reason.split(";")[0] for r in outcome.refused]) == (
        0, ["it changed since it was looked at"],
    )  # fmt: skip
    assert contact.reports(state="open") == [undecided("language", crm="de", mail="fr", shop="es")]
    contact.chooses("language", "de", digest=contact.versions("language"))
    contact.syncs()
    assert contact.everywhere("language") == {"de"}


def test_an_edit_that_had_not_seen_the_choice_is_a_new_conflict() -> None:
    contact = differing()
    contact.chooses("language", "it")
    contact.edits("shop", language="es")
    contact.syncs()

    assert contact.reports(state="open") == [undecided("language", person="it", shop="es")]


def test_what_the_policy_chose_can_be_chosen_again() -> None:
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Annie")
    contact.syncs()
    assert contact.everywhere("name") == {"Annie"}

    contact.chooses("name", source="crm")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


def test_manual_edits_that_come_one_after_the_other_need_nobody() -> None:
    contact = linked("crm", "mail", language="en")
    contact.edits("crm", language="de")
    contact.syncs()
    contact.edits("mail", language="fr")
    contact.syncs()

    assert contact.everywhere("language") == {"fr"}
    assert contact.reports() == []


def test_of_booleans_the_one_that_permits_or_restricts_most_wins() -> None:
    contact = linked("crm", "mail", catalogue=False, blocked=True)
    contact.edits("crm", catalogue=True, blocked=False)
    contact.syncs()
    assert (contact.everywhere("catalogue"), contact.everywhere("blocked")) == ({True}, {False}), (
        "an edit that had seen"
    )

    contact.edits("crm", catalogue=False, blocked=True)
    contact.edits("mail", catalogue="", blocked="")
    contact.syncs()
    assert (contact.everywhere("catalogue"), contact.everywhere("blocked")) == ({False}, {True})

    contact.edits("mail", catalogue=True, blocked=False)
    contact.syncs()
    contact.edits("crm", catalogue="", blocked=True)
    contact.edits("mail", catalogue=False, blocked="")
    contact.syncs()
    assert (contact.everywhere("catalogue"), contact.everywhere("blocked")) == ({False}, {True})
