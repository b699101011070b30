"""Existence: records that come again, come too late, or are one too many."""

from __future__ import annotations

import pytest

from datasyncd.daemon.review import identity

from .system import OBJECT
from .world import ENTITY, World, linked, system


def test_a_record_made_again_by_a_person_is_bound_to_the_one_they_know() -> None:
    """Row 26: the others stayed (`unlink`), so the new record joins them as at first contact."""
    world = World("crm", "mail", on_delete="unlink")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    contact.deletes("crm")
    contact.syncs()
    assert contact.exists_in() == {"mail"}
    assert world.keys("crm") == [], "a place that was used is not filled by us"

    contact.recreates("crm", email="ann@example.org", name="Ann")
    contact.syncs()

    assert len(world.clusters()) == 1
    assert contact.everywhere("name") == {"Ann"}
    assert contact.everywhere("city") == {"Rome"}, "what the new record leaves blank is filled"
    contact.is_at_rest()


def test_a_record_made_again_after_all_were_deleted_is_somebody_new() -> None:
    """Row 27: nothing flows out of the dead."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann", sms_opt_in="in")
    contact.deletes("crm")
    contact.syncs()
    assert world.keys("mail") == []

    world.creates("crm", email="ann@example.org", city="Oslo")
    world.syncs()

    old, new = world.clusters()
    assert (old.state, new.state) == ("dead", "live")
    (key,) = world.keys("mail")
    made = world.holds("mail", key)
    assert made is not None
    assert (made["name"], made["city"], made["sms_opt_in"]) == ("", "Oslo", "unknown")


def test_a_record_made_again_while_the_old_one_is_being_deleted_waits() -> None:
    """Row 27: deferred while the delete is on its way."""
    world = World("crm", "mail", "shop")
    contact = world.linked(email="ann@example.org", name="Ann")
    world.is_down("shop")
    contact.deletes("crm")
    contact.syncs()
    world.creates("mail", email="ann@example.org", name="Anna")
    world.syncs()
    assert [cluster.state for cluster in world.clusters()] == ["deleting"]

    world.is_up("shop")
    world.waits(600)
    world.syncs()
    assert sorted(cluster.state for cluster in world.clusters()) == ["dead", "live"]
    assert len(world.keys("shop")) == len(world.keys("crm")) == len(world.keys("mail")) == 1


def test_a_create_of_ours_that_appears_after_its_person_was_deleted_is_an_orphan() -> None:
    """Row 28: it is kept out and reported, and founds nobody."""
    world = World("crm", system("mail", "none", late_s=600.0, search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail", late_s=300.0)
    contact.syncs()
    contact.deletes("crm")
    contact.syncs()
    world.waits(310)
    world.syncs()

    assert len(world.keys("mail")) == 1, "it landed"
    assert [row.kind for row in world.quarantine()] == ["orphan"]
    assert world.keys("crm") == [], "nobody is brought back"
    assert [cluster.state for cluster in world.clusters()] == ["deleting"]

    world.waits(700)
    world.links["mail"].wants_full = True
    world.syncs()
    assert [cluster.state for cluster in world.clusters()] == ["dead"], "nothing more can come"


def test_nobody_is_made_beside_a_record_that_is_kept_out() -> None:
    """Also where the complete pull of the same cycle serves as the search."""
    world = World("crm", system("mail", "none", late_s=600.0, search_lag_s=30.0, pull_is_reading=False))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail", late_s=300.0)
    contact.syncs()
    contact.deletes("crm")
    contact.syncs()
    for _ in range(3):
        world.waits(700)
        world.links["mail"].wants_full = True
        world.syncs()
    [orphan] = world.quarantine()

    again = world.person("crm", email="ann@example.org", name="Ann")
    world.syncs()

    assert world.keys("mail") == [orphan.ext_id]
    assert [(report.kind, report.state) for report in again.reports()] == [("clash", "open")]


def test_a_record_that_a_person_makes_while_a_lost_create_is_waited_for_arrives() -> None:
    """Row 27: it waits until nothing more can come of the deleted one, and no longer."""
    world = World("crm", system("mail", "none", late_s=100.0))
    contact = world.person("crm", key="c1", email="ann@example.org")
    world.pulls("crm")
    contact.loses_answer("mail", landed=False)
    world.delivers("mail")
    contact.edits("crm", email="new@example.org")
    world.pulls("crm")
    contact.deletes("crm")
    world.pulls("crm")
    world.creates("mail", key="u1", email="new@example.org")
    for _ in range(12):
        world.waits(100)
        world.links["mail"].wants_full = True
        world.cycle()
    assert sorted(cluster.state for cluster in world.clusters()) == ["dead", "live"]
    assert len(world.keys("crm")) == 1


def test_a_merge_in_a_system_that_says_nothing_of_it_is_a_delete() -> None:
    """Row 30: the counterparts of the record that is gone follow it, by the policy."""
    world = World("crm", "mail")
    one, other = world.linked(email="ann@example.org", name="Ann"), world.linked(email="a.b@example.org", name="Ann B")
    other.deletes("crm")
    world.syncs()

    assert one.exists_in() == {"crm", "mail"}
    assert [cluster.state for cluster in world.clusters()] == ["live", "dead"]


def test_a_value_that_another_record_has_blocks_that_field_alone() -> None:
    """Row 34: other fields are written; the report names the record that has it."""
    world = World("crm", system("mail", unique=("phone",)))
    contact = world.linked(email="ann@example.org", name="Ann", phone="1")
    world.creates("mail", key="other", email="zed@example.org", phone="2", name="Zed")
    world.syncs()
    contact.edits("crm", phone="2", name="Anna")
    contact.syncs()

    assert contact.shows("name") == {"crm": "Anna", "mail": "Anna"}
    assert contact.shows("phone") == {"crm": "2", "mail": "1"}
    (report,) = [r for r in contact.stored() if r.kind == "clash"]
    assert (report.state, report.field is not None) == ("open", True)
    assert "other" in report.body.text

    world.tables["mail"].edit("people", "other", phone="3")
    contact.edits("crm", phone="22")
    contact.syncs()
    assert contact.everywhere("phone") == {"22"}
    assert contact.reports("clash", state="open") == []


def test_a_create_that_clashes_with_a_record_nobody_had_seen_binds_it() -> None:
    """Row 35: it is read, and is theirs."""
    world = World("crm", system("mail", unique=("email",), search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.meanwhile("mail", "writing", lambda: world.creates("mail", email="ann@example.org", city="Rome"))
    contact.syncs()
    world.waits(60)
    contact.syncs()

    assert len(world.keys("mail")) == 1
    assert len(world.clusters()) == 1
    assert contact.everywhere("city") == {"Rome"}
    assert contact.everywhere("name") == {"Ann"}


def test_a_create_that_clashes_with_somebody_elses_record_is_blocked() -> None:
    """Row 35: bound elsewhere, so that it stays theirs; the report names it."""
    world = World("crm", system("mail", unique=("phone",)))
    ben = world.linked(email="ben@example.org", phone="1", name="Ben")
    world.tables["mail"].edit("people", ben.key("mail"), phone="7")
    world.syncs()
    ann = world.person("crm", email="ann@example.org", name="Ann", phone="7")
    world.syncs()

    assert ben.exists_in() == {"crm", "mail"}
    assert ben.everywhere("name") == {"Ben"}
    assert [c.kind for c in ann.reports() if c.state == "open"] != []


def test_what_is_linked_stays_linked_when_nothing_happens() -> None:
    """The tests above begin at rest."""
    linked("crm", "mail", email="ann@example.org").is_at_rest()


@pytest.mark.parametrize("seen", ["complete pull", "told", "hint", "write"])
def test_a_record_that_was_merged_away_is_not_deleted_elsewhere(seen: str) -> None:
    """Row 29; M21: the counterparts stay and are reported as duplicates, whichever way it is found out."""
    told = seen == "told"
    crm = system("crm", forward=True, pull_is_reading=seen != "write", incremental=told, tells_deletes=told)
    world = World(crm, "mail")
    ann, twin = world.linked(name="Ann"), world.linked(name="Anna")
    ann.is_merged_into(twin, "crm")
    if seen == "hint":
        world.hears("crm", ann.key("crm"))
        world.reads("crm")
        assert ann.binding("crm").state == "moved"
    elif seen == "write":
        ann.edits("mail", name="Annie")
        world.pulls("mail")
        world.delivers("crm")
    world.syncs()

    assert (ann.state(), ann.binding("crm").state, ann.exists_in()) == ("live", "moved", {"mail"})
    assert (len(world.keys("mail")), twin.exists_in()) == (2, {"crm", "mail"})
    assert [(r.kind, r.state) for r in ann.reports()] == [("possible_duplicate", "open")]
    assert ann.stored()[0].body.text.startswith(f"merged into {twin.key('crm')} in crm; the records in mail stay")
    assert all(write.op == "update" for name in ("crm", "mail") for write in world.sent(name))
    ann.edits("mail", city="Bonn")
    world.syncs()
    assert len(world.keys("crm")) == 1, "it is not made again"
    ann.is_at_rest()


def test_what_has_no_other_record_ends_with_the_merge() -> None:
    """Row 29: nothing is left to be reported, or to be made."""
    world = World(system("crm", forward=True), "mail")
    world.is_down("mail")
    ann = world.person("crm", email="ann@example.org", name="Ann")
    twin = world.person("crm", email="twin@example.org", name="Anna")
    world.syncs()
    ann.is_merged_into(twin, "crm")
    world.is_up("mail")
    world.waits(600)
    world.syncs()

    assert (ann.state(), ann.reports()) == ("dead", [])
    assert [write.fields["name"] for write in world.sent("mail")] == ["Anna"]


def test_no_record_is_made_for_the_duplicate_of_a_survivor() -> None:
    """Row 29: what was still to be made elsewhere would be one more duplicate."""
    world = World(system("crm", forward=True), "mail", "shop")
    world.is_down("shop")
    ann = world.person("crm", email="ann@example.org", name="Ann")
    twin = world.person("crm", email="twin@example.org", name="Anna")
    world.syncs()
    ann.is_merged_into(twin, "crm")
    world.pulls("crm")
    world.is_up("shop")
    world.waits(600)
    world.syncs()

    assert [write.fields["name"] for write in world.sent("shop")] == ["Anna"]
    assert ann.owed() == set()


def test_people_are_one_after_their_counterparts_were_merged_there_too() -> None:
    """Row 29: the report is over when its duplicates are gone."""
    world = World(system("crm", forward=True), system("mail", forward=True))
    ann, twin = world.linked(name="Ann"), world.linked(name="Anna")
    ann.is_merged_into(twin, "crm")
    world.syncs()
    ann.is_merged_into(twin, "mail")
    world.syncs()

    assert (ann.state(), ann.reports(state="open")) == ("dead", [])
    assert (len(world.keys("crm")), len(world.keys("mail"))) == (1, 1)
    twin.is_at_rest()


def test_a_survivor_that_nobody_knew_takes_the_place() -> None:
    """Row 29: it is the same person, who goes on under another id, and records are made as before."""
    world = World(system("crm", forward=True), "mail", "shop")
    world.is_down("shop")
    ann = world.person("crm", email="ann@example.org", name="Ann")
    world.syncs()
    survivor = world.creates("crm", email="ann@example.org", name="Ann")
    world.tables["crm"].merge(OBJECT, ann.key("crm"), survivor)
    world.is_up("shop")
    world.waits(600)
    world.syncs()

    (cluster,) = (cluster for cluster in world.clusters() if cluster.state == "live")
    assert {b.system: b.ext_id for b in cluster.live()}["crm"] == survivor
    assert ann.reports(state="open") == []
    assert (len(world.keys("mail")), len(world.keys("shop"))) == (1, 1)


@pytest.mark.parametrize("survivor_first", [True, False])
def test_a_person_says_that_the_duplicate_is_the_survivors(survivor_first: bool) -> None:
    """Row 29: that is what the report was about, and records are made again."""
    world = World(system("crm", forward=True), "mail", "shop")
    world.is_down("shop")
    ann = world.person("crm", email="ann@example.org", name="Ann")
    world.syncs()
    world.is_down("mail")
    twin = world.person("crm", email="twin@example.org", name="Anna")
    world.syncs()
    ann.is_merged_into(twin, "crm")
    world.pulls("crm")
    assert [r.kind for r in ann.reports(state="open")] == ["possible_duplicate"]

    names = [f"crm:{twin.key('crm')}", f"mail:{ann.key('mail')}"]
    key, other = names if survivor_first else reversed(names)
    world.transact(lambda tx: identity.merge(tx, world.terms, ENTITY, key, other, by="ann"))
    for name in ("mail", "shop"):
        world.is_up(name)
    world.waits(600)
    world.syncs()

    (cluster,) = (cluster for cluster in world.clusters() if cluster.state == "live")
    assert sorted(binding.system for binding in cluster.live()) == ["crm", "mail", "shop"]
    reports = world.transact(lambda tx: tx.records.reports())
    assert [r.kind for r in reports if r.state == "open"] == []


def test_what_no_deleter_had_seen_waits_for_a_person_when_no_record_is_left() -> None:
    """Row 24: also when the last hope was a create of ours, and it never landed."""
    world = World("crm", "shop", system("mail", "none", late_s=60.0, search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", language="de")
    world.creates("shop", email="ann@example.org", language="en")
    contact.loses_answer("mail", landed=False)
    contact.syncs()
    assert contact.ghosts() == 1
    contact.deletes("crm")
    contact.syncs()
    world.tables["shop"].delete(OBJECT, world.keys("shop")[0])
    contact.syncs()
    world.waits(100)
    world.links["mail"].wants_full = True
    contact.syncs()

    assert (contact.ghosts(), contact.state(), contact.exists_in()) == (0, "held", set())
    assert [r.kind for r in contact.reports("delete_vs_edit", state="open")] == ["delete_vs_edit"]
    refused = contact.decides("keep").refused
    assert [r.reason.split(";")[0] for r in refused if r.kind == "delete_vs_edit"] == ["no record is left to be kept"]
    contact.decides("delete")
    contact.syncs()
    assert (contact.state(), contact.reports(state="open")) == ("dead", [])


def test_a_held_record_that_somebody_deleted_who_had_seen_all_is_dead() -> None:
    """Row 24: there is nothing left to decide."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("mail", name="Anna")
    contact.deletes("crm")
    contact.syncs()
    assert contact.state() == "held"
    contact.deletes("mail")
    contact.syncs()

    assert (contact.state(), contact.reports(state="open")) == ("dead", [])


def test_a_lost_create_is_made_again_beside_a_record_that_was_kept_out_before_it() -> None:
    """9.3: nobody knows whose that one is, but no create made it that was sent later."""
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0, pull_is_reading=False))
    first, second = (world.person("crm", email=f"{n}@example.org", phone=n) for n in ("1", "2"))
    world.syncs()
    for person in (first, second):
        person.edits("crm", phone="7")
    world.creates("mail", phone="7")
    world.waits(200)
    world.syncs()
    assert [row.kind for row in world.quarantine()] == ["ambiguous"]

    new = world.person("crm", email="new@example.org", name="New")
    new.loses_answer("mail", landed=False)
    world.syncs()
    assert new.ghosts() == 1
    for _ in range(3):
        world.waits(200)
        world.syncs()
    assert new.shows("name") == {"crm": "New", "mail": "New"}
    assert (new.ghosts(), len(world.keys("mail"))) == (0, 4)


def test_a_lost_create_waits_for_a_record_that_was_kept_out_after_it() -> None:
    """9.3: it may be the one that the create made, whose key somebody changed."""
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0, pull_is_reading=False))
    first, second = (world.person("crm", email=f"{n}@example.org", phone="7") for n in ("1", "2"))
    world.syncs()
    new = world.person("crm", email="new@example.org", name="New")
    new.loses_answer("mail", landed=False)
    world.syncs()
    world.creates("mail", phone="7")
    for _ in range(3):
        world.waits(200)
        world.syncs()

    assert [row.kind for row in world.quarantine()] == ["ambiguous"]
    assert (new.ghosts(), new.exists_in()) == (1, {"crm"})
    assert first.state() == second.state() == "live"


@pytest.mark.parametrize("pull_is_reading", [True, False])
def test_a_record_that_was_kept_out_as_a_second_one_is_bound_to_whom_its_key_belongs_now(pull_is_reading: bool) -> None:
    """It has not changed itself, so that no reading tells of it."""
    world = World("crm", system("mail", pull_is_reading=pull_is_reading))
    ann = world.linked(email="ann@example.org", name="Ann")
    twin = world.creates("mail", email="ann@example.org", name="Bob")
    world.syncs()
    assert [(row.ext_id, row.kind) for row in world.quarantine()] == [(twin, "duplicate")]

    ann.edits("crm", email="ann@example.com")
    world.syncs()
    bob = world.person("crm", email="ann@example.org", name="Bob")
    world.syncs()

    assert world.quarantine() == []
    assert bob.key("mail") == twin
    assert len(world.keys("mail")) == 2


@pytest.mark.parametrize("at_once", [False, True])
def test_a_second_record_takes_the_place_of_one_that_is_deleted(at_once: bool) -> None:
    """The person is still there, so nobody is deleted elsewhere, and an opt-out stands."""
    contact = linked("crm", "mail", "prefs", email="ann@example.org", name="Ann", sms_opt_in="in")
    world = contact.world
    contact.edits("mail", sms_opt_in="out")
    world.syncs()
    old = contact.key("crm")
    twin = "" if at_once else world.creates("crm", email="ann@example.org", name="Ann", sms_opt_in="in")
    if not at_once:
        world.syncs()
        assert [(row.ext_id, row.kind) for row in world.quarantine()] == [(twin, "duplicate")]

    world.tables["crm"].delete("people", old)
    twin = twin or world.creates("crm", email="ann@example.org", name="Ann", sms_opt_in="in")
    world.syncs()

    assert world.quarantine() == []
    assert contact.cluster.binding_in("crm") is not None
    assert [len(world.keys(name)) for name in ("crm", "mail", "prefs")] == [1, 1, 1]
    assert {(world.holds(name, world.keys(name)[0]) or {})["sms_opt_in"] for name in ("crm", "mail", "prefs")} == {
        "out"
    }
    assert world.keys("crm") == [twin]


def test_a_second_record_whose_person_was_deleted_elsewhere_waits_for_somebody_who_knows() -> None:
    """It is no new person by itself: whoever deleted them may not want them back. Taken for one, its opt-out stands."""
    contact = linked("crm", "mail", email="ann@example.org", name="Ann", sms_opt_in="out")
    world = contact.world
    twin = world.creates("crm", email="ann@example.org", name="Ann", sms_opt_in="in")
    world.syncs()
    contact.deletes("mail")
    world.syncs()

    assert [world.keys(name) for name in ("crm", "mail")] == [[twin], []]
    (row,) = world.quarantine()
    assert (row.ext_id, row.kind, "were deleted since" in row.reason) == (twin, "duplicate", True)

    world.transact(lambda tx: tx.records.release("crm", "people", twin, None))
    world.syncs()
    assert {(world.holds(name, world.keys(name)[0]) or {})["sms_opt_in"] for name in ("crm", "mail")} == {"out"}
