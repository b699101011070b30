"""Stale reads: a system whose readings by key may show what was there a while ago. Its versions count, and tell."""

from __future__ import annotations

import pytest

from .system import Plan
from .world import Contact, World, both, linked, system


def stale(name: str, condition: str = "enforced", *, late_s: float = 0.0, image: bool = True) -> Plan:
    """A system whose readings by key are up to half a minute old, and whose pulls are searches."""
    return system(name, condition, stale_s=30.0, pull_is_reading=False, late_s=late_s, image=image)


def rests(contact: Contact) -> None:
    """All that was to be read once more is read."""
    contact.world.waits(31)
    contact.syncs()
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "visible"])
def test_a_hint_is_not_used_up_by_a_reading_that_may_be_older_than_it(condition: str) -> None:
    """M44: the reading shows what was there before the edit, with the version that is known."""
    contact = linked("crm", stale("mail", condition), name="Ann")
    world, key = contact.world, contact.key("mail")
    world.waits(31)
    world.syncs()
    assert world.is_to_be_read("mail") == []

    world.desks["mail"].script.old_s = 20.0
    contact.edits("mail", name="Anna")
    world.hears("mail", key)
    world.desks["mail"].reads.clear()
    world.reads("mail")
    world.reads("mail")
    assert (contact.siblings("name"), world.is_to_be_read("mail")) == (["Ann"], [key])
    assert world.desks["mail"].reads == [[key]], "it is read once more when that is of use"

    world.waits(30)
    world.reads("mail")
    assert (contact.siblings("name"), world.is_to_be_read("mail")) == (["Anna"], [])
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}


def test_an_edit_that_a_reading_shows_at_once_need_not_wait() -> None:
    """The hint stays all the same: another edit may have come before it."""
    contact = linked("crm", stale("mail"), name="Ann")
    contact.edits("mail", name="Anna")
    contact.world.hears("mail", contact.key("mail"))
    contact.world.reads("mail")
    contact.world.delivers("crm")

    assert contact.everywhere("name") == {"Anna"}
    assert contact.world.is_to_be_read("mail") == [contact.key("mail")]
    rests(contact)
    assert contact.world.is_to_be_read("mail") == []


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("condition", ["enforced", "visible"])
def test_a_state_from_before_our_write_is_no_edit_that_takes_it_back(condition: str, image: bool) -> None:
    contact = linked("crm", stale("mail", condition, image=image), name="Ann")
    world = contact.world
    world.desks["mail"].script.old_s = 20.0
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.delivers("mail")
    for _ in range(3):
        world.hears("mail", contact.key("mail"))
        world.reads("mail")
        world.waits(2)
    contact.syncs()

    assert (contact.everywhere("name"), contact.origins("name")) == ({"Anna"}, ["crm"])
    assert (world.writes(), contact.reports()) == (1, [])
    rests(contact)


def test_a_save_that_no_reading_shows_yet_is_seen_by_the_one_before_a_write() -> None:
    """4.8: the reading before a write is never old."""
    contact = linked("crm", stale("mail", "visible"), name="Ann")
    world = contact.world
    world.desks["mail"].script.old_s = 20.0
    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Annie")
    world.pulls("crm")
    world.delivers("mail")
    contact.syncs()
    rests(contact)

    assert contact.everywhere("name") == {"Annie"}
    assert contact.conflicts() == [both("name", crm="Anna", mail="Annie", chosen="Annie")]


def test_a_value_is_acknowledged_by_a_reading_of_now() -> None:
    """Row 2: both made the same edit; a write is not needed, and neither is a stale reading believed."""
    contact = linked("crm", stale("mail"), name="Ann")
    world = contact.world
    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Anna")
    contact.syncs()
    rests(contact)
    assert world.writes() == 0

    contact.edits("crm", name="Annie")
    world.pulls("crm")
    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Ann")
    world.desks["mail"].script.old_s = 20.0
    contact.syncs()
    rests(contact)
    assert contact.everywhere("name") == {"Ann"}


def test_a_new_record_that_a_reading_does_not_find_yet_is_not_gone() -> None:
    """8.1: what is not there is asked for once more, as it is now."""
    world = World("crm", stale("mail", image=False))
    world.desks["mail"].script.old_s = 20.0
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.syncs()

    assert contact.binding("mail").suspect_since == 0
    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    rests(contact)


def test_a_deleted_record_that_a_reading_still_finds_is_deleted_everywhere() -> None:
    """8.1: deletes are concluded from readings of now."""
    contact = linked("crm", stale("mail"), name="Ann")
    contact.world.desks["mail"].script.old_s = 20.0
    contact.deletes("mail")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("dead", set())


def test_a_record_that_we_deleted_and_a_reading_still_shows_is_nobody_new() -> None:
    """The person would come back everywhere, and be deleted there once more."""
    contact = linked("crm", "shop", stale("mail"), name="Ann")
    world, key = contact.world, contact.key("mail")
    world.waits(31)
    world.syncs()
    contact.deletes("crm")
    world.syncs()
    assert contact.exists_in() == set()
    before = len(world.clusters())

    world.desks["mail"].script.old_s = 29.0
    world.hears("mail", key)
    world.reads("mail")
    assert world.is_to_be_read("mail") == [key]
    world.waits(31)
    world.syncs()

    assert len(world.clusters()) == before
    assert [world.keys(name) for name in ("crm", "shop", "mail")] == [[], [], []]
    assert world.is_to_be_read("mail") == []


@pytest.mark.parametrize("landed", [True, False])
def test_a_write_of_unknown_outcome_is_ended_by_a_reading_of_now(landed: bool) -> None:
    """9.3: an old state says nothing of what may have landed since."""
    contact = linked("crm", stale("mail", "visible", late_s=10.0), name="Ann")
    world = contact.world
    world.desks["mail"].script.old_s = 29.0
    contact.loses_answer("mail", landed=landed)
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.delivers("mail")
    world.waits(11)
    began = len(world.desks["mail"].reads)
    world.reads("mail")
    assert contact.ghosts() == 0
    assert len(world.desks["mail"].reads) > began
    contact.syncs()
    rests(contact)

    assert (contact.everywhere("name"), contact.reports()) == ({"Anna"}, [])
    assert len(world.sent("mail")) == (1 if landed else 2)
