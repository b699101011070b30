"""Groups: fields that move as one value, such as an address."""

from __future__ import annotations

from .world import Raw, World, both, linked, system


def test_a_group_moves_as_one_value() -> None:
    contact = linked("crm", "mail", street="Old St 1", zip="1000")

    contact.edits("crm", street="New St 2", zip="2000")
    contact.syncs()

    assert contact.everywhere("street") == {"New St 2"}
    assert contact.everywhere("zip") == {"2000"}
    contact.is_at_rest()


def test_two_addresses_are_never_mixed() -> None:
    """F: street of one, zip of the other."""
    contact = linked("crm", "mail", street="Old St 1", zip="1000")

    contact.edits("crm", street="New St 2")
    contact.edits("mail", zip="9999")
    contact.syncs()

    assert contact.everywhere("street") == {"Old St 1"}
    assert contact.everywhere("zip") == {"9999"}
    conflict = both("address", crm=("New St 2", "1000"), mail=("Old St 1", "9999"), chosen=("Old St 1", "9999"))
    assert contact.conflicts() == [conflict]


def test_a_group_without_any_value_is_a_blank() -> None:
    contact = linked("crm", "mail", name="Ann")
    assert contact.shows("street") == {"crm": "", "mail": ""}

    contact.edits("mail", zip="1000")
    contact.syncs()
    assert contact.everywhere("zip") == {"1000"}

    contact.edits("crm", zip="")
    contact.syncs()
    assert contact.everywhere("zip") == {""}
    assert contact.siblings("address") == [("", "")]


def test_a_member_that_is_not_understood_keeps_the_group_and_the_rest_goes_on() -> None:
    contact = linked("crm", "mail", street="Old St 1", zip="1000", name="Ann")
    contact.edits("crm", zip=Raw(b"\xff"), street="New St 2", name="Anna")
    contact.syncs()

    assert contact.shows("street") == {"crm": "New St 2", "mail": "Old St 1"}
    assert contact.everywhere("name") == {"Anna"}
    assert [row.kind for row in contact.world.quarantine()] == ["invalid"]


def test_a_person_chooses_a_whole_group() -> None:
    contact = linked("crm", "mail", street="Old St 1", zip="1000")
    contact.edits("crm", street="New St 2")
    contact.edits("mail", zip="9999")
    contact.syncs()

    contact.chooses("address", '{"street": "Third St 3", "zip": "3000"}')
    contact.syncs()

    assert contact.everywhere("street") == {"Third St 3"}
    assert contact.everywhere("zip") == {"3000"}


def test_a_link_that_only_receives_may_take_a_part_of_a_group() -> None:
    world = World("crm", system("ads", only=("email", "zip"), push=("zip",), declared=True))
    contact = world.linked(street="Old St 1", zip="1000")
    contact.edits("crm", street="New St 2")
    contact.syncs()
    assert contact.shows("zip") == {"crm": "1000", "ads": "1000"}

    contact.edits("crm", zip="2000")
    contact.syncs()
    assert contact.everywhere("zip") == {"2000"}
    assert [write.op for write in world.sent("ads")] == ["update"], "its record is written when its part changes"
