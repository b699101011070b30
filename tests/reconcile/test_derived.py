"""Derived fields: computed from others, pushed, and nobody's to edit."""

from __future__ import annotations

from .world import Contact, World, overruled


def world(*systems: str) -> World:
    return World(*systems, derives=True)


def test_a_derived_field_follows_what_it_is_computed_from() -> None:
    contact = world("crm", "mail").linked(name="Ann")
    assert contact.everywhere("greeting") == {"Hello Ann"}

    contact.edits("mail", name="Anna")
    contact.syncs()
    assert contact.everywhere("greeting") == {"Hello Anna"}
    contact.is_at_rest()


def test_an_edit_of_a_derived_field_is_written_over_and_told() -> None:
    contact = world("crm", "mail").linked(name="Ann")
    contact.edits("crm", greeting="Hi")
    contact.syncs()

    assert contact.everywhere("greeting") == {"Hello Ann"}
    assert contact.reports("overruled") == [overruled("greeting", crm="Hi", person="Hello Ann", chosen="Hello Ann")]


def test_a_derived_field_whose_input_waits_for_a_person_stays_as_it_is() -> None:
    contact = world("crm", "mail").linked(name="Ann", language="en")
    contact.edits("crm", language="fr")
    contact.edits("mail", language="de")
    contact.syncs()
    assert contact.everywhere("greeting") == {"Hello Ann"}

    contact.chooses("language", "de")
    contact.syncs()
    assert contact.everywhere("greeting") == {"Hallo Ann"}


def test_a_derived_field_is_blank_when_it_cannot_be_computed() -> None:
    contact: Contact = world("crm", "mail").linked(name="Ann")
    contact.edits("crm", name="")
    contact.syncs()
    assert contact.everywhere("greeting") == {""}


def test_a_conflict_of_an_input_gives_the_value_that_its_policy_chose() -> None:
    contact = world("crm", "mail").linked(name="Ann")
    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Annie")
    contact.syncs()
    assert contact.everywhere("greeting") == {"Hello Annie"}


def test_nobody_chooses_what_is_computed() -> None:
    contact = world("crm", "mail").linked(name="Ann")
    contact.edits("crm", greeting="Hi")
    contact.syncs()

    said = contact.chooses("greeting", "Hi")
    assert ["is computed" in refused.reason for refused in said.refused] == [True]
    assert contact.everywhere("greeting") == {"Hello Ann"}
