"""A record's own key that is also a mapped field: whoever changes it, the person stays the same."""

from __future__ import annotations

from typing import Any

from datasyncd.reconcile.effects import ReportKind

from .world import NAMES, Contact, World, system


def keyed(**fields: Any) -> Contact:
    """A person in crm, and in a file that is keyed by the address."""
    return World("crm", system("file", key="email", assigns_key=False)).linked(email="ann@example.org", **fields)


def test_our_own_change_of_a_key_is_one_write() -> None:
    contact = keyed(name="Ann")

    contact.edits("crm", email="anna@example.org", name="Anna")
    contact.syncs()

    assert contact.world.keys("file") == ["anna@example.org"]
    assert (len(contact.world.sent("file")), len(contact.world.clusters())) == (1, 1)
    assert contact.binding("file").ext_id == "anna@example.org"
    contact.is_at_rest()


def test_their_change_of_a_key_is_a_rename_when_all_else_is_equal() -> None:
    """F48."""
    contact = keyed(name="Ann")

    contact.edits("file", email="anna@example.org")
    contact.syncs()

    assert contact.everywhere("email") == {"anna@example.org"}
    assert (contact.state(), len(contact.world.clusters()), contact.reports()) == ("live", 1, [])
    contact.is_at_rest()


def test_a_key_and_another_field_changed_at_once_cannot_be_told_from_a_delete_and_a_new_person() -> None:
    """F48, F72: nothing is deleted before somebody has looked."""
    contact = keyed(name="Ann")

    contact.edits("file", email="anna@example.org", name="Anna")
    contact.syncs()

    assert contact.state() == "held"
    assert [(r.kind, r.state) for r in contact.reports()] == [(ReportKind.RENAME_OR_DELETE, "open")]
    assert contact.world.holds("crm", contact.key("crm")) is not None


def test_a_held_rename_shows_what_the_missing_record_had_not_seen() -> None:
    contact = keyed(name="Ann", city="Rome")
    contact.edits("crm", city="Oslo")
    contact.world.pulls("crm")

    contact.edits("file", email="anna@example.org", name="Anna")
    contact.world.pulls("file")

    [report] = [report for report in contact.stored() if report.state == "open"]
    assert report.kind == ReportKind.RENAME_OR_DELETE
    assert [(NAMES[c.field or 0], c.system, c.value) for c in report.body.candidates] == [("city", "crm", "Oslo")]


def test_two_who_look_alike_are_not_told_apart() -> None:
    world = World("crm", system("file", key="email", assigns_key=False))
    ann, bob = world.linked(email="ann@example.org"), world.linked(email="bob@example.org")

    ann.edits("file", email="new-ann@example.org")
    bob.edits("file", email="new-bob@example.org")
    world.syncs()

    assert {ann.state(), bob.state()} == {"held"}
    assert len(world.keys("crm")) >= 2


def test_a_person_says_that_it_was_a_delete() -> None:
    contact = keyed(name="Ann")
    contact.edits("file", email="anna@example.org", name="Anna")
    contact.syncs()

    contact.decides("delete")
    contact.syncs()

    assert contact.state() == "dead"
    assert contact.world.keys("file") == ["anna@example.org"]


def test_a_person_says_that_the_record_stays() -> None:
    contact = keyed(name="Ann")
    contact.edits("file", email="anna@example.org", name="Anna")
    contact.syncs()

    contact.decides("keep")
    contact.syncs()

    assert contact.state() == "live"
    assert contact.reports(state="open") == []
    assert contact.world.holds("crm", contact.key("crm")) is not None


def test_a_new_person_beside_a_deleted_one_that_differs_is_held() -> None:
    contact = keyed(name="Ann")

    contact.deletes("file")
    contact.world.creates("file", email="bob@example.org", name="Bob")
    contact.syncs()

    assert contact.state() == "held"
    assert {h["email"] for k in contact.world.keys("crm") if (h := contact.world.holds("crm", k))} == {
        "ann@example.org", "bob@example.org",
    }  # fmt: skip


def test_a_record_that_is_kept_out_does_not_hold_every_later_delete() -> None:
    """It was there before, so that it is not the other half of a rename."""
    world = World("crm", system("file", key="email", assigns_key=False))
    ann = world.linked(email="ann@example.org", customer="1", name="Ann")
    bob = world.linked(email="bob@example.org", customer="2", name="Bob")
    world.creates("file", email="second@example.org", customer="1", name="Ann's second")
    world.syncs()
    assert [row.kind for row in world.quarantine()] == ["duplicate"]

    bob.deletes("file")
    world.syncs()

    assert (ann.state(), bob.state()) == ("live", "dead")
    assert len(world.keys("crm")) == 1


def test_a_swap_of_two_keys_is_two_edits_of_everything_else() -> None:
    """Whoever has a key is that record: a rename is seen only where one goes and another one comes."""
    world = World("crm", system("file", key="email", assigns_key=False))
    ann = world.linked(email="ann@example.org", name="Ann")
    bob = world.linked(email="bob@example.org", name="Bob")
    table = world.tables["file"]

    table.edit("people", "ann@example.org", name="Bob")
    table.edit("people", "bob@example.org", name="Ann")
    world.syncs()

    assert (ann.everywhere("name"), bob.everywhere("name")) == ({"Bob"}, {"Ann"})
