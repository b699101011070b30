"""Direction and `where`: what a link may say, what it is given, and which records it gets at all."""

from __future__ import annotations

import pytest

from .world import World, both, linked, overruled, system


def test_a_field_that_only_goes_there_is_written_back_when_somebody_changes_it() -> None:
    contact = linked("crm", system("mail", push=("city",)), city="Rome")
    contact.edits("crm", city="Oslo")
    contact.syncs()

    contact.edits("mail", city="Bonn")
    contact.syncs()

    assert contact.everywhere("city") == {"Oslo"}
    assert contact.reports() == [overruled("city", crm="Oslo", mail="Bonn", chosen="Oslo")]
    contact.is_at_rest()


def test_a_field_that_only_comes_from_there_is_never_written_there() -> None:
    contact = linked("crm", system("shop", pull=("city",)), city="Rome")

    contact.edits("shop", city="Bonn")
    contact.syncs()
    assert contact.everywhere("city") == {"Bonn"}

    contact.edits("crm", city="Oslo")
    contact.syncs()
    assert contact.shows("city") == {"crm": "Oslo", "shop": "Bonn"}
    assert contact.world.sent("shop") == []
    assert contact.owed() == set()


def test_an_edit_where_a_field_only_comes_from_has_not_seen_the_others() -> None:
    """It never got what the others hold: a conflict, not an overwrite."""
    contact = linked("crm", system("shop", pull=("city",)), city="Rome")
    contact.edits("crm", city="Oslo")
    contact.syncs()
    contact.edits("shop", city="Bonn")
    contact.syncs()

    assert contact.everywhere("city") == {"Bonn"}
    assert [(r.kind, r.chosen) for r in contact.reports()] == [("conflict", "Bonn")]
    assert contact.siblings("city") == ["Bonn"]


def test_a_field_that_only_comes_from_there_is_not_told_what_it_shows_by_chance() -> None:
    contact = linked("crm", system("shop", pull=("city",)), city="Rome")
    for city in ("Oslo", "Rome"):
        contact.edits("crm", city=city)
        contact.syncs()
    contact.edits("shop", name="Anna")
    contact.syncs()

    contact.edits("shop", city="Bonn")
    contact.syncs()

    assert contact.conflicts() == [both("city", crm="Rome", shop="Bonn", chosen="Bonn")]


def test_a_one_way_target_never_makes_a_person() -> None:
    world = World("crm", system("mail", push=("email", "name"), only=("email", "name")))
    world.creates("mail", email="stranger@example.org", name="Stranger")
    world.syncs()

    assert (world.keys("crm"), world.clusters()) == ([], [])


def test_a_value_that_stands_in_a_one_way_target_before_is_replaced() -> None:
    world = World("crm", system("mail", push=("email", "name"), only=("email", "name")))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.recreates("mail", email="ann@example.org", name="stale")
    contact.syncs()

    assert contact.everywhere("name") == {"Ann"}
    contact.is_at_rest()


def customers(values: object) -> bool:
    return values["stage"] == "customer"  # type: ignore[index, no-any-return]


def test_a_filter_decides_who_gets_a_record() -> None:
    world = World("crm", system("mail", where=customers))
    lead = world.person("crm", email="lead@example.org", stage="lead")
    customer = world.person("crm", email="customer@example.org", stage="customer")
    world.syncs()
    assert (lead.exists_in(), customer.exists_in()) == ({"crm"}, {"crm", "mail"})

    lead.edits("crm", stage="customer")
    world.syncs()
    assert lead.exists_in() == {"crm", "mail"}


def test_a_record_that_leaves_a_filter_stays_and_is_owed_nothing() -> None:
    """F67, F74: it is not deleted, and gets everything when it comes back."""
    contact = linked("crm", system("mail", where=customers), stage="customer", name="Ann")

    contact.edits("crm", stage="former", name="Anna")
    contact.syncs()
    assert contact.shows("name") == {"crm": "Anna", "mail": "Ann"}
    assert contact.owed() == set()

    contact.edits("crm", stage="customer")
    contact.syncs()
    assert (contact.everywhere("name"), contact.everywhere("stage")) == ({"Anna"}, {"customer"})
    contact.is_at_rest()


def test_edits_in_a_record_outside_the_filter_count() -> None:
    """F74: a filter gates what is written, never what is read."""
    contact = linked("crm", system("mail", where=customers), stage="customer", name="Ann")
    contact.edits("crm", stage="former")
    contact.syncs()

    contact.edits("mail", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}


@pytest.mark.parametrize("said", ["out", "deleted"])
def test_opt_outs_and_deletes_pass_every_filter(said: str) -> None:
    """F67, F74."""
    contact = linked("crm", system("mail", where=customers), stage="customer", sms_opt_in="in")
    contact.edits("crm", stage="former")
    contact.syncs()

    if said == "out":
        contact.edits("crm", sms_opt_in="out")
        contact.syncs()
        assert contact.everywhere("sms_opt_in") == {"out"}
    else:
        contact.deletes("crm")
        contact.syncs()
        assert contact.exists_in() == set()
