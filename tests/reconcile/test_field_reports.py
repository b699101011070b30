"""What went wrong in other tools of this kind, and must not here, where no test of a rule says it already.

The numbers are those of docs/reference/failure-reports.md.
"""

from __future__ import annotations

import pytest

from datasyncd.adapters.contract import Native
from datasyncd.adapters.errors import Transient

from .world import World, both, linked, system


def shouting(field: str, value: Native) -> Native:
    return value.upper() if field == "name" and isinstance(value, str) else value


def short(field: str, value: Native) -> Native:
    return value[:6] if field == "name" and isinstance(value, str) else value


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("image", [False, True])
def test_one_new_record_between_systems_that_each_keep_another_form_comes_to_rest(declared: bool, image: bool) -> None:
    """F01: by a handful of writes, where each system makes something else of what it is sent."""
    world = World(
        "crm",
        system("mail", stored_form=shouting, declared=declared, image=image),
        system("shop", stored_form=short, declared=declared, image=image),
    )
    person = world.person("crm", email="ann@example.org", name="Ann Lovelace")

    person.syncs()

    assert world.writes() <= 2 + (0 if declared or image else 6)
    before = world.writes()
    for name in world.plans:
        world.hears(name, person.key(name))
        world.reads(name)
    person.syncs()
    assert world.writes() == before


def test_a_date_of_change_that_moves_alone_is_no_change() -> None:
    """F06: a nightly run touches every record, and changes no value."""
    world = World(system("crm", edited_at=True), "mail")
    people = [world.linked(email=f"p{n}@example.org", name="Ann") for n in range(20)]
    lines = world.db.execute("SELECT count(*) FROM journal").fetchone()

    for person in people:
        person.edits("crm", name="Ann")
    world.syncs()

    assert world.writes() == 0
    assert world.db.execute("SELECT count(*) FROM journal").fetchone() == lines


def test_all_fields_of_one_save_go_in_one_write() -> None:
    """F07."""
    contact = linked("crm", "mail", name="Ann", city="Rome", phone="1")

    contact.edits("crm", name="Anna", city="Bonn", phone="2")
    contact.syncs()

    assert [write.fields for write in contact.world.sent("mail")] == [{"name": "Anna", "city": "Bonn", "phone": "2"}]


def test_edits_within_what_clocks_can_tell_are_a_conflict_and_never_silent() -> None:
    """F10: which of two came later is not known from times that lie within the time between two readings."""
    contact = linked(system("crm", edited_at=True), system("mail", edited_at=True), name="Ann")

    contact.edits("crm", at=10.0, name="Anna")
    contact.edits("mail", at=10.001, name="Annie")
    contact.syncs()

    assert [report.kind for report in contact.conflicts()] == ["conflict"]
    assert len(contact.everywhere("name")) == 1


def test_what_one_side_owes_does_not_depend_on_how_far_it_was_read() -> None:
    """F11: read to its end, while the other side could not be written; edited on both sides meanwhile."""
    world = World(system("crm", incremental=True), system("mail", incremental=True))
    contact = world.linked(name="Ann", city="Rome")

    contact.edits("crm", name="Anna")
    contact.edits("mail", city="Bonn")
    world.desks["mail"].script.failures.append(Transient("busy"))
    world.pulls("crm")
    with pytest.raises(Transient):
        world.pulls("mail")
    world.pulls("crm")
    world.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Bonn"})


def test_who_wins_in_one_record_does_not_depend_on_another_record() -> None:
    """F14: of one batch, and with the latest edit of all in one of them."""
    world = World(system("crm", edited_at=True), system("mail", edited_at=True))
    one, other = world.linked(name="Ann"), world.linked(name="Bob")

    one.edits("mail", name="by mail")
    other.edits("crm", name="by crm")
    one.edits("crm", name="by crm, later")
    other.edits("mail", name="by mail, latest")
    world.syncs()

    assert (one.everywhere("name"), other.everywhere("name")) == ({"by crm, later"}, {"by mail, latest"})


def test_a_record_deleted_on_both_sides_and_made_again_on_one_is_the_same_everywhere() -> None:
    """F17: a delete is about the record that it deleted, and not about the next one of that name."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann")

    contact.deletes("crm")
    contact.deletes("mail")
    contact.recreates("mail", email="ann@example.org", name="Anna")
    world.syncs()

    assert [len(world.keys(name)) for name in ("crm", "mail")] == [1, 1]
    shown = [world.holds(name, key) for name in ("crm", "mail") for key in world.keys(name)]
    assert [record and record["name"] for record in shown] == ["Anna", "Anna"]


def test_a_record_that_was_edited_often_wins_nothing_by_that() -> None:
    """F20: counters are compared within one field alone, and never by size."""
    contact = linked(system("crm", edited_at=True), system("mail", edited_at=True), name="Ann", city="Rome")
    for n in range(20):
        contact.edits("mail", name=f"Ann {n}", city=f"Rome {n}")
        contact.syncs()

    contact.edits("mail", city="often")
    contact.edits("crm", city="seldom")
    contact.syncs()

    assert contact.everywhere("city") == {"seldom"}
    assert contact.conflicts() == [both("city", crm="seldom", mail="often", chosen="seldom")]


def test_a_third_system_gets_what_two_others_say_alike() -> None:
    """F21: that their values are equal is no reason to pass nothing on."""
    world = World("crm", "mail", "shop")
    contact = world.linked(name="Ann")

    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert [len(world.sent(name)) for name in ("crm", "mail", "shop")] == [0, 0, 1]
    contact.is_at_rest()


def test_a_first_sync_that_breaks_off_goes_on_and_makes_everybody_once() -> None:
    """F41: what is done is known by record, whatever page or batch it broke off in."""
    world = World(system("crm", page=10), system("mail", batch=7))
    for n in range(40):
        world.person("crm", email=f"p{n}@example.org", name=f"Ann {n}")
    world.pulls("crm")
    world.meanwhile("mail", "writing", lambda: None)
    world.meanwhile("mail", "writing", lambda: world.is_down("mail", Transient("busy")))
    with pytest.raises(Transient):
        world.delivers("mail")
    assert 0 < len(world.keys("mail")) < 40

    world.syncs()
    assert "mail" in world.failed, "it is not told as done"
    world.is_up("mail")
    world.waits(600)
    world.syncs()

    records = [world.holds("mail", key) for key in world.keys("mail")]
    assert sorted(str(record and record["email"]) for record in records) == sorted(
        f"p{n}@example.org" for n in range(40)
    )
    assert world.failed == {}


def test_what_was_refused_is_still_owed_and_goes_with_the_next_edit() -> None:
    """F97: only what a system took counts as being there."""
    refused = {"Anna"}
    world = World("crm", system("mail", refuses=lambda field, value: "no such name" if value in refused else None))
    contact = world.linked(name="Ann", city="Rome")

    contact.edits("crm", name="Anna", city="Bonn")
    contact.syncs()
    assert (contact.shows("name")["mail"], contact.shows("city")["mail"]) == ("Ann", "Bonn")
    assert [report.kind for report in contact.reports(state="open")] == ["refused"]
    contact.edits("crm", city="Oslo")
    contact.syncs()
    assert contact.shows("name")["mail"] == "Ann"

    contact.edits("crm", name="Annie")
    contact.syncs()

    assert (contact.everywhere("name"), contact.reports(state="open")) == ({"Annie"}, [])
