"""Deletion: a delete is an edit with a policy, and is concluded only from what proves it."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.adapters.errors import Unreachable
from datasyncd.reconcile.effects import ReportKind
from datasyncd.reconcile.rules import WriteClass

from .world import NAMES, Contact, World, linked, system


@pytest.mark.parametrize(
    ("policy", "stays", "state", "reports"),
    [
        ("propagate", set(), "dead", []),
        ("unlink", {"mail", "shop"}, "live", ["unlinked"]),
        ("ignore", {"mail", "shop"}, "live", []),
        ("archive", {"mail", "shop"}, "live", []),
    ],
)
def test_the_policy_says_what_becomes_of_the_others(
    policy: str, stays: set[str], state: str, reports: list[str]
) -> None:
    """F72, F76."""
    contact = World("crm", "mail", "shop", on_delete=policy).linked(name="Ann")

    contact.deletes("crm")
    contact.syncs()

    assert (contact.exists_in(), contact.state()) == (stays, state)
    assert [r.kind for r in contact.reports()] == reports
    archived = contact.everywhere("archived")
    assert archived == ({True} if policy == "archive" else {""} if stays else set())


@pytest.mark.parametrize("policy", ["unlink", "ignore", "archive"])
def test_the_others_go_on_together_and_nothing_is_made_again(policy: str) -> None:
    """F72, F73: a slot that was used stays used."""
    contact = World("crm", "mail", "shop", on_delete=policy).linked(name="Ann")
    contact.deletes("crm")
    contact.syncs()

    contact.edits("mail", name="Anna")
    contact.syncs()

    assert contact.shows("name") == {"mail": "Anna", "shop": "Anna"}
    assert contact.world.keys("crm") == []
    contact.is_at_rest()


def test_what_is_deleted_in_the_last_system_is_dead() -> None:
    contact = World("crm", "mail", on_delete="unlink").linked(name="Ann")
    contact.deletes("crm")
    contact.deletes("mail")
    contact.syncs()

    assert (contact.state(), contact.owed()) == ("dead", set())


def test_nothing_is_archived_over_an_edit_that_was_not_seen() -> None:
    contact = World("crm", "mail", "shop", on_delete="archive").linked(name="Ann")
    contact.edits("mail", name="Anna")
    contact.world.pulls("mail")
    contact.deletes("crm")
    contact.syncs()

    assert contact.state() == "held"
    assert contact.shows("archived") == {"mail": "", "shop": ""}


def test_a_person_keeps_a_held_record() -> None:
    """F73: it stays where it is, and is not made again where it was deleted."""
    contact = linked("crm", "mail", "shop", name="Ann")
    contact.edits("mail", name="Anna")
    contact.deletes("crm")
    contact.syncs()
    assert contact.shows("name") == {"mail": "Anna", "shop": "Ann"}

    contact.decides("keep")
    contact.syncs()

    assert contact.shows("name") == {"mail": "Anna", "shop": "Anna"}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_held_delete_shows_what_would_be_lost() -> None:
    """Of each field that the deleter had not seen, and of no other."""
    contact = linked("crm", "mail", "shop", name="Ann", city="Rome", email="ann@example.org")
    contact.edits("mail", name="Anna", city="Oslo")
    contact.deletes("crm")
    contact.syncs()

    assert lost(contact) == {("name", "mail", "Anna"), ("city", "mail", "Oslo")}


def test_a_delete_that_is_held_on_its_way_shows_each_edit_that_came_meanwhile() -> None:
    contact = linked("crm", system("mail", "none"), name="Ann", city="Rome")
    contact.deletes("crm")
    contact.world.pulls("crm")
    contact.edits("mail", name="Anna", city="Oslo")
    contact.world.delivers("mail")

    assert lost(contact) == {("name", "mail", "Anna"), ("city", "mail", "Oslo")}


def test_an_overruled_edit_that_holds_a_delete_is_shown() -> None:
    contact = linked("crm", "billing", "mail", status="active")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", status="lead"))
    contact.deletes("crm")
    contact.syncs()

    assert lost(contact) == {("status", "mail", "lead")}


def test_a_delete_that_was_decided_is_held_again_by_the_next_edit() -> None:
    """Each report is about its own edits: a decision about one does not hide the next."""
    mail, shop = system("mail", "none"), system("shop", "none")
    contact = linked("crm", mail, shop, name="Ann")
    contact.deletes("crm")
    contact.world.pulls("crm")
    for name, value in (("mail", "Anna"), ("shop", "Anne")):
        contact.edits(name, name=value)
        contact.world.delivers(name)
        assert lost(contact) >= {("name", name, value)}
        contact.decides("delete")
    contact.syncs()

    assert (contact.exists_in(), contact.state()) == (set(), "dead")


def lost(contact: Contact) -> set[tuple[str, str | None, Any]]:
    """What the open report about a delete shows."""
    [report] = [report for report in contact.stored() if report.state == "open"]
    assert report.kind == ReportKind.DELETE_VS_EDIT
    assert all(candidate.edited_at for candidate in report.body.candidates)
    return {(NAMES[candidate.field or 0], candidate.system, candidate.value) for candidate in report.body.candidates}


def test_a_person_deletes_a_held_record() -> None:
    contact = linked("crm", "mail", "shop", name="Ann")
    contact.edits("mail", name="Anna")
    contact.deletes("crm")
    contact.syncs()

    contact.decides("delete")
    contact.syncs()

    assert (contact.exists_in(), contact.state()) == (set(), "dead")


def test_an_edit_that_was_overruled_holds_a_delete_all_the_same() -> None:
    """Somebody worked on it after it was deleted elsewhere."""
    contact = linked("crm", "billing", "mail", status="active")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", status="lead"))

    contact.deletes("crm")
    contact.syncs()

    assert contact.state() == "held"
    assert "mail" in contact.exists_in()


@pytest.mark.parametrize("condition", ["enforced", "visible", "none"])
def test_a_record_that_everybody_deleted_is_dead(condition: str) -> None:
    """F22, F72: mail's goes while the delete of crm's is on its way."""
    contact = linked("crm", system("mail", condition), name="Ann")
    contact.deletes("crm")
    contact.world.pulls("crm")

    contact.deletes("mail")
    contact.world.delivers("mail")
    contact.syncs()

    assert (contact.exists_in(), contact.state(), contact.reports()) == (set(), "dead", [])


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_record_that_is_gone_when_it_is_written_to_is_looked_for(condition: str) -> None:
    """F54, F73: an update against what is gone makes no record and no loop."""
    contact = linked("crm", system("mail", condition), name="Ann")
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")

    contact.deletes("mail")
    contact.world.delivers("mail")
    contact.syncs()

    assert contact.exists_in() == {"crm"}
    assert contact.state() == "held"
    assert [r.kind for r in contact.reports(state="open")] == [ReportKind.DELETE_VS_EDIT]


def test_a_record_that_a_reading_did_not_find_is_not_written_to_and_not_forgotten() -> None:
    """F75: what is owed is sent once it is there again."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    world, key = contact.world, contact.key("mail")
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.desks["mail"].hides.add(key)
    world.delivers("mail")
    assert (contact.binding("mail").suspect_since > 0, world.sent("mail")) == (True, [])

    world.desks["mail"].hides.clear()
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert contact.binding("mail").suspect_since == 0
    contact.is_at_rest()


def test_a_listing_that_lacks_a_record_that_is_there_deletes_nothing() -> None:
    """F35, F75: the listing is late; the reading by key finds it."""
    mail = system("mail", search_lag_s=300.0, lag_s=200.0, pull_is_reading=False)
    world = World("crm", mail)
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.syncs()
    assert contact.exists_in() == {"crm", "mail"}

    world.waits(1)
    world.links["mail"].wants_full = True
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("live", {"crm", "mail"})


def test_a_listing_that_broke_off_deletes_nothing() -> None:
    """F75: no conclusion without the end of the listing."""
    world = World(system("crm", page=1), "mail")
    people = [world.linked(name="A") for _ in range(3)]
    people[0].deletes("crm")
    world.meanwhile("crm", "page", lambda: world.is_down("crm", Unreachable("crm: gone")))
    world.syncs()
    assert {person.state() for person in people} == {"live"}
    assert len(world.keys("mail")) == 3

    world.is_up("crm")
    world.syncs()
    assert [person.state() for person in people] == ["dead", "live", "live"]


def test_an_edit_that_arrives_before_the_delete_is_sent_holds_it() -> None:
    """The precondition of a delete, where nothing refuses a stale one: a reading before it."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    contact.deletes("crm")
    contact.world.pulls("crm")

    contact.edits("mail", name="Anna")
    contact.world.delivers("mail")

    assert (contact.state(), contact.exists_in()) == ("held", {"mail"})


def test_a_delete_without_a_known_version_is_not_sent_blindly() -> None:
    """A system that enforces versions, of whose record we know none yet."""
    world = World("crm", system("mail", image=False))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.pulls("crm")
    world.delivers("mail")
    contact.edits("mail", name="Anna")
    contact.deletes("crm")
    world.pulls("crm")

    world.delivers("mail")
    contact.syncs()

    assert (contact.state(), contact.shows("name")) == ("held", {"mail": "Anna"})


def test_a_system_that_only_tells_does_not_decide_about_the_others() -> None:
    """A one-way target cannot delete anybody."""
    world = World("crm", system("mail", pull=(), push=("email", "name"), only=("email", "name")))
    contact = world.linked(name="Ann")
    contact.deletes("mail")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("live", {"crm"})
    assert [r.kind for r in contact.reports()] == ["unlinked"]


def test_a_delete_is_held_where_the_link_of_the_other_record_only_reads() -> None:
    world = World("crm", system("shop", pull=("email", "name"), only=("email", "name")))
    contact = world.linked(name="Ann")
    contact.deletes("crm")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("held", {"shop"})
    assert [(r.kind, r.state) for r in contact.reports()] == [("delete_vs_edit", "open")]


def test_the_dead_stay_dead_and_a_new_record_is_a_new_person() -> None:
    """F03, F71: nothing flows out of a tombstone."""
    contact = linked("crm", "mail", name="Ann", city="Rome")
    contact.deletes("crm")
    contact.syncs()
    contact.world.hears("mail", "mail-1")
    contact.syncs()
    assert contact.state() == "dead"

    again = contact.world.person("crm", email="ann@example.org", name="Anna")
    again.syncs()

    assert contact.state() == "dead"
    assert (again.everywhere("name"), again.everywhere("city")) == ({"Anna"}, {""})
    again.is_at_rest()


TELLING = system("crm", incremental=True, tells_deletes=True)


def test_a_told_delete_is_followed_by_an_increment_alone() -> None:
    contact = World(TELLING, "mail", on_delete="propagate").linked(name="Ann")
    world = contact.world
    complete = world.links["crm"].complete_began

    contact.deletes("crm")
    world.pulls("crm")
    world.delivers("mail")

    assert contact.exists_in() == set()
    assert world.links["crm"].complete_began == complete


def test_what_a_reading_did_not_find_is_looked_for_again_after_a_restart() -> None:
    """Only a complete pull says whether it is gone; increments would not show it until the next sweep."""
    contact = World(system("crm", incremental=True), "mail", on_delete="propagate").linked(name="Ann")
    world, key = contact.world, contact.key("crm")
    contact.deletes("crm")
    world.hears("crm", key)
    world.reads("crm")
    world.restarts()
    world.syncs()

    assert (contact.state(), contact.exists_in()) == ("dead", set())


def test_a_second_record_takes_the_place_of_the_first_as_soon_as_that_is_gone() -> None:
    """Increments would not show it again, since nobody changed it."""
    contact = World(TELLING, "mail", on_delete="unlink").linked(name="Ann")
    world = contact.world
    second = world.creates("crm", email="ann@example.org", name="Ann", city="Rome")
    world.person("crm", email="ben@example.org", name="Ben")
    world.syncs()
    assert [row.ext_id for row in world.quarantine()] == [second]

    contact.deletes("crm")
    world.syncs()

    assert world.quarantine() == []
    assert contact.shows("city") == {"crm": "Rome", "mail": "Rome"}


def test_a_delete_that_is_told_again_writes_nothing_to_the_state() -> None:
    """All that stands at the cursor is told once more by each pull."""
    contact = World(TELLING, "mail", on_delete="propagate").linked(name="Ann")
    world = contact.world
    contact.deletes("crm")
    world.syncs()

    written = world.db.total_changes
    world.pulls("crm")
    assert world.db.total_changes == written


def test_a_told_delete_of_a_record_that_somebody_edited_destroys_nothing() -> None:
    """M22."""
    contact = World(TELLING, "mail", on_delete="propagate").linked(name="Ann")
    contact.edits("mail", name="Anna")
    contact.world.pulls("mail")
    contact.deletes("crm")
    contact.world.pulls("crm")
    contact.syncs()

    assert contact.shows("name") == {"mail": "Anna"}
    assert [r.kind for r in contact.reports()] == ["delete_vs_edit"]


def test_a_record_that_is_told_to_be_deleted_and_is_there_again_stays() -> None:
    contact = World(TELLING, "mail", on_delete="propagate").linked(name="Ann")
    contact.deletes("crm")
    contact.recreates("crm", name="Ann")
    contact.world.pulls("crm")
    contact.syncs()

    assert contact.exists_in() == {"crm", "mail"}


def test_a_mass_of_told_deletes_is_held_until_a_person_lets_it_pass() -> None:
    guarded = system("crm", incremental=True, tells_deletes=True, guards={WriteClass.DELETE: 0.1}, at_least=10)
    world = World(guarded, "mail", on_delete="propagate")
    contacts = [world.linked(email=f"{n}@example.org", name="Ann") for n in range(40)]
    for contact in contacts[:20]:
        contact.deletes("crm")
    for _ in range(3):
        world.syncs()
    assert len(world.keys("mail")) == 40
    (guard,) = world.guards()
    assert guard.count == 20

    world.approves(guard)
    world.syncs()

    assert len(world.keys("mail")) == 20
    world.waits(3_700)
    contacts[30].deletes("crm")
    world.pulls("crm")
    world.delivers("mail")
    assert len(world.keys("mail")) == 19
