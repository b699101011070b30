"""Whole records: a system whose writes replace the record is sent all of it, as it was read just before."""

from __future__ import annotations

import pytest

from .world import NUMBERS, Raw, World, both, linked, system

CONDITIONS = pytest.mark.parametrize("condition", ["enforced", "visible", "none"])


@CONDITIONS
@pytest.mark.parametrize("image", [True, False])
def test_what_we_do_not_change_stays_as_it_is(condition: str, image: bool) -> None:
    """Fields that only come from there, values that cannot be read, and what is not mapped, too."""
    mail = system("mail", condition, image=image, whole_record=True, pull=("phone",))
    contact = linked("crm", mail, name="Ann", city="Rome", tags={"a"}, street="Via 1")
    contact.edits("mail", phone="1", score=Raw("many"))
    contact.syncs()
    before = contact.world.tables["mail"].holds("people")[contact.key("mail")]

    contact.edits("crm", name="Anna")
    contact.syncs()

    after = contact.world.tables["mail"].holds("people")[contact.key("mail")]
    assert after == {**before, "name": "Anna"}
    assert contact.reports() == []
    contact.is_at_rest()


@CONDITIONS
def test_a_save_of_another_field_is_carried_and_not_undone(condition: str) -> None:
    contact = linked("crm", system("mail", condition, whole_record=True), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.edits("mail", city="Bonn")
    contact.world.delivers("mail")
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Bonn"})
    assert len(contact.world.sent("mail")) == 1
    contact.is_at_rest()


def test_a_save_in_the_last_moment_is_refused_and_merged() -> None:
    contact = linked("crm", system("mail", whole_record=True), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", name="Annie", city="Bonn"))
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Annie"}, {"Bonn"})
    assert contact.conflicts() == [both("name", crm="Anna", mail="Annie", chosen="Annie")]
    contact.is_at_rest()


@pytest.mark.parametrize("image", [True, False])
def test_a_save_that_was_covered_is_reported_of_every_field(image: bool) -> None:
    """5.6: all that a write repeats may have covered an edit."""
    mail = system("mail", "visible", image=image, whole_record=True, only=("email", "name", "city"))
    contact = linked("crm", mail, name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", city="Bonn"))
    contact.syncs()

    reported = {r.field for r in contact.reports("possible_overwrite", state="open")}
    assert reported == {"email", "name", "city"}
    contact.is_at_rest()


def test_a_write_that_lands_late_undoes_no_edit_of_another_field() -> None:
    """Row 18, for what the write had only repeated."""
    contact = linked("crm", system("mail", "none", whole_record=True, late_s=60.0), name="Ann", city="Rome")
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    contact.edits("mail", city="Bonn")
    contact.world.pulls("mail")
    contact.world.waits(31)
    assert contact.shows("city")["mail"] == "Rome", "it landed"
    contact.syncs()
    contact.world.waits(61)
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Bonn"})
    contact.is_at_rest()


def test_a_field_that_one_reading_left_out_is_waited_for() -> None:
    """Replacing the record without it would clear it."""
    contact = linked("crm", system("mail", "none", whole_record=True), name="Ann", city="Rome")
    world = contact.world
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.desks["mail"].absent.add("city")
    world.meanwhile("mail", "reading", world.desks["mail"].absent.clear)
    world.delivers("mail")
    assert world.sent("mail") == []
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Rome"})
    contact.is_at_rest()


def test_a_record_that_is_refused_for_what_was_there_already_is_not_sent_over_and_over() -> None:
    """Row 15: what we changed waits, whichever field is at fault."""
    refuses = lambda field, value: "no such city" if value == "Rome" else None  # noqa: E731
    contact = linked("crm", system("mail", whole_record=True, refuses=refuses), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert len(contact.world.sent("mail")) == 1
    assert list(contact.binding("mail").body.blocked) == [NUMBERS["name"]]
    assert [(r.kind, r.field) for r in contact.reports(state="open")] == [("refused", "name")]

    contact.edits("mail", city="Bonn")
    contact.edits("crm", name="Annie")
    contact.syncs()
    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Annie"}, {"Bonn"})
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_an_edit_after_a_write_that_only_repeated_the_field_is_no_reaction() -> None:
    """6.4: our write was not what it answers to."""
    contact = linked("crm", system("mail", whole_record=True), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.syncs()
    contact.edits("mail", city="Bonn")
    contact.world.pulls("mail")

    assert [sib.depth for sib in contact.register("city").sibs] == [0]


@CONDITIONS
def test_a_delete_carries_nothing(condition: str) -> None:
    """What was read before a write is not needed for it."""
    world = World("crm", system("mail", condition, whole_record=True), on_delete="propagate")
    contact = world.linked(name="Ann", city="Rome")
    contact.deletes("crm")
    contact.syncs()

    assert contact.exists_in() == set()
    assert [(write.op, write.fields) for write in world.sent("mail")] == [("delete", {})]
