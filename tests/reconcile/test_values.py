"""Values that cannot be read, written or seen: each keeps to its field and its record."""

from __future__ import annotations

import pytest

from .system import OBJECT
from .world import Raw, World, both, linked, system


def test_a_value_that_is_not_understood_is_kept_out_and_the_others_go_on() -> None:
    """F87, F103: an unknown option parks the field."""
    contact = linked("crm", "mail", stage="lead", name="Ann")

    contact.edits("crm", stage=Raw("gold"), name="Anna")
    contact.syncs()

    assert contact.shows("stage") == {"crm": Raw("gold"), "mail": "lead"}
    assert contact.everywhere("name") == {"Anna"}
    assert [(row.system, row.field, row.kind) for row in contact.world.quarantine()] == [("crm", 6, "invalid")]


def test_nothing_is_written_over_a_value_that_is_not_understood() -> None:
    """F87: what it means is for somebody to say."""
    contact = linked("crm", "mail", stage="lead")
    contact.edits("crm", stage=Raw("gold"))
    contact.syncs()

    contact.edits("mail", stage="customer")
    contact.syncs()
    assert contact.shows("stage") == {"crm": Raw("gold"), "mail": "customer"}
    assert contact.owed() == set()

    contact.edits("crm", stage="former")
    contact.syncs()
    assert contact.everywhere("stage") == {"former"}
    assert contact.world.quarantine() == []


def test_a_value_that_is_understood_again_and_is_the_old_one_gets_what_it_is_owed() -> None:
    contact = linked("crm", "mail", stage="lead")
    contact.edits("crm", stage=Raw("gold"))
    contact.syncs()
    contact.edits("crm", stage="lead")
    contact.syncs()

    assert contact.everywhere("stage") == {"lead"}
    assert contact.world.quarantine() == []
    contact.is_at_rest()


def test_another_value_that_is_not_understood_is_no_edit_either() -> None:
    contact = linked("crm", "mail", stage="lead")
    for word in ("gold", "silver"):
        contact.edits("crm", stage=Raw(word))
        contact.syncs()

    assert contact.siblings("stage") == ["lead"]
    assert len(contact.world.quarantine()) == 1


def test_a_new_record_with_a_value_that_is_not_understood_is_taken_without_it() -> None:
    world = World("crm", "mail")
    contact = world.person("crm", email="ann@example.org", name="Ann", stage=Raw("gold"))
    contact.syncs()

    assert contact.everywhere("name") == {"Ann"}
    assert contact.shows("stage") == {"crm": Raw("gold"), "mail": ""}
    assert [row.kind for row in world.quarantine()] == ["invalid"]


def test_an_absent_field_is_not_written_over_by_a_precondition_that_nobody_looked_at() -> None:
    """M23, M36: an incomplete reading vouches for nothing."""
    contact = linked("crm", "mail", name="Ann", city="Rome")
    world = contact.world
    contact.edits("mail", city="Bonn")
    world.desks["mail"].absent.add("city")
    world.pages("mail")
    assert world.is_to_be_read("mail") == [contact.key("mail")]

    contact.edits("crm", city="Oslo")
    world.pulls("crm")
    world.desks["mail"].absent.clear()
    world.delivers("mail")
    contact.syncs()

    assert contact.conflicts() == [both("city", crm="Oslo", mail="Bonn", chosen="Bonn")]


def test_a_field_that_the_reading_before_a_write_left_out_is_not_written_yet() -> None:
    """Where nothing refuses a stale write, that reading is all that there is; one without the field shows no edit."""
    contact = linked("crm", system("mail", "none"), city="Bern")
    contact.edits("mail", city="Thun")
    contact.world.desks["mail"].absent.add("city")
    contact.edits("crm", city="Chur")
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    assert contact.shows("city")["mail"] == "Thun"

    contact.world.desks["mail"].absent.clear()
    contact.syncs()

    assert len(contact.everywhere("city")) == 1
    assert [set(values.values) for values in contact.conflicts()] == [{("crm", "Chur"), ("mail", "Thun")}]
    contact.is_at_rest()


def test_a_field_that_stays_absent_is_written_all_the_same() -> None:
    contact = linked("crm", system("mail", "none"), city="Bern")
    contact.world.desks["mail"].absent.add("city")
    contact.edits("crm", city="Chur")
    contact.syncs()

    assert contact.shows("city")["mail"] == "Chur"


def test_a_field_that_stays_absent_is_read_no_more_for_that() -> None:
    """Twice running it is how the system is now; what is there goes on."""
    contact = linked("crm", "mail", name="Ann", city="Rome")
    contact.world.desks["mail"].absent.add("city")
    contact.edits("mail", name="Anna")
    contact.syncs()

    assert contact.world.is_to_be_read("mail") == []
    assert contact.everywhere("name") == {"Anna"}
    assert contact.siblings("city") == ["Rome"]


def test_a_field_that_comes_back_with_another_value_was_edited() -> None:
    contact = linked("crm", "mail", name="Ann", city="Rome")
    contact.world.desks["mail"].absent.add("city")
    contact.edits("mail", city="Bonn")
    contact.syncs()
    assert contact.siblings("city") == ["Rome"]

    contact.world.desks["mail"].absent.clear()
    contact.syncs()
    assert contact.everywhere("city") == {"Bonn"}
    assert contact.reports() == []


def test_a_refusal_is_over_when_the_edit_is_taken_back() -> None:
    """F90: no write comes, and nothing is left for a person."""
    mail = system("mail", refuses=lambda field, value: "no" if value == "bad" else None)
    contact = linked("crm", mail, name="Ann")
    contact.edits("crm", name="bad")
    contact.syncs()
    assert len(contact.world.quarantine()) == 1

    contact.edits("crm", name="Ann")
    contact.syncs()

    assert contact.world.quarantine() == []
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_refusal_is_over_when_somebody_edits_the_field_there() -> None:
    mail = system("mail", refuses=lambda field, value: "no" if value == "bad" else None)
    contact = linked("crm", mail, name="Ann")
    contact.edits("crm", name="bad")
    contact.syncs()

    contact.edits("mail", name="good")
    contact.syncs()

    assert contact.everywhere("name") == {"good"}
    assert contact.world.quarantine() == []
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_refusal_is_about_what_was_sent_and_not_about_what_came_meanwhile() -> None:
    """A newer value waits for no person because an older one was refused."""
    mail = system("mail", refuses=lambda field, value: "no" if value == "bad" else None)
    contact = linked("crm", mail, name="Ann")
    contact.edits("crm", name="bad")

    def corrected() -> None:
        contact.edits("crm", name="good")
        contact.world.pulls("crm")

    contact.world.meanwhile("mail", "written", corrected)
    contact.syncs()

    assert contact.everywhere("name") == {"good"}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_field_that_is_refused_of_a_new_record_stops_nothing_but_itself(condition: str) -> None:
    """F87, F88: the rest arrives, and the field waits until it changes."""
    world = World("crm", system("mail", condition, refuses=lambda field, value: "no" if value == "bad" else None))
    contact = world.person("crm", email="ann@example.org", name="bad", phone="+12015550123")
    contact.syncs()
    contact.syncs()
    assert contact.shows("name") == {"crm": "bad", "mail": ""}
    assert contact.everywhere("phone") == {"+12015550123"}
    assert [(row.kind, row.reason) for row in world.quarantine()] == [("refused", "mail: no")]
    assert [(r.kind, r.state, r.field is None) for r in contact.reports()] == [("refused", "open", False)]
    assert len(world.sent("mail")) == 2

    contact.edits("crm", name="good")
    contact.syncs()
    assert contact.everywhere("name") == {"good"}
    assert world.quarantine() == []
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_what_a_system_puts_in_the_place_of_a_refused_value_is_nobodys_edit() -> None:
    """F81."""
    refuses = {"bad": "no"}
    world = World("crm", system("mail", "none", image=False, refuses=lambda field, value: refuses.get(value)))
    contact = world.person("crm", email="ann@example.org", name="bad")
    mail = world.tables["mail"]

    def filled() -> None:
        (key,) = mail.holds(OBJECT)
        mail.edit(OBJECT, key, name="a default")

    world.meanwhile("mail", "written", lambda: None)
    world.meanwhile("mail", "written", filled)
    contact.syncs()
    contact.syncs()

    assert contact.shows("name") == {"crm": "bad", "mail": "a default"}
    assert [row.kind for row in world.quarantine()] == ["refused"]

    contact.edits("mail", name="good")
    contact.syncs()
    assert contact.everywhere("name") == {"good"}
    assert world.quarantine() == []
    contact.is_at_rest()


def test_a_create_that_is_refused_waits_until_the_person_changes() -> None:
    """F87, F91."""
    world = World("crm", system("mail", refuses=lambda field, value: "no" if value == "bad@example.org" else None))
    contact = world.person("crm", email="bad@example.org", name="Ann")
    contact.syncs()
    contact.syncs()
    assert [(r.kind, r.state) for r in contact.reports()] == [("refused", "open")]
    assert len(world.sent("mail")) == 1

    contact.edits("crm", email="good@example.org")
    contact.syncs()
    assert contact.everywhere("email") == {"good@example.org"}
    assert contact.reports(state="open") == []


def test_one_refused_record_does_not_stop_the_others() -> None:
    """F88, F89, F90."""
    world = World("crm", system("mail", refuses=lambda field, value: "no" if value == "bad" else None))
    people = [world.linked(email=f"{n}@example.org", name="Ann") for n in range(5)]
    for number, person in enumerate(people):
        person.edits("crm", name="bad" if number == 2 else "Anna")
    world.syncs()

    assert [person.shows("name")["mail"] for person in people] == ["Anna", "Anna", "Ann", "Anna", "Anna"]
    assert len(world.sent("mail")) == 5, "and none of them is sent again because of it"


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_record_that_cannot_be_read_does_not_stop_the_others(condition: str) -> None:
    """F88, F90: neither the pull, nor the reading before a write."""
    world = World("crm", system("mail", condition))
    ann, bob = (world.linked(email=f"{n}@example.org", name="Ann") for n in range(2))
    world.desks["mail"].malformed.add(ann.key("mail"))
    ann.edits("crm", name="Anna")
    bob.edits("crm", name="Bob")
    world.cycle()
    world.cycle()

    assert bob.everywhere("name") == {"Bob"}
    assert [(row.system, row.kind) for row in world.quarantine()] == [("mail", "invalid")]
    assert (ann.state(), ann.exists_in()) == ("live", {"crm", "mail"})

    world.desks["mail"].malformed.clear()
    world.waits(10)
    world.syncs()
    assert ann.everywhere("name") == {"Anna"}
    assert world.quarantine() == []


def test_a_new_record_that_could_not_be_read_is_taken_once_it_can() -> None:
    """F90: it was kept out for how it was written, not for who it is."""
    world = World(system("crm", incremental=True), "mail")
    world.creates("crm", email="ann@example.org", name="Ann", key="crm-1")
    world.desks["crm"].malformed.add("crm-1")
    world.syncs()
    assert world.clusters() == []

    world.desks["crm"].malformed.clear()
    world.tables["crm"].edit("people", "crm-1", city="Rome")
    world.syncs()

    assert len(world.clusters()) == 1
    assert len(world.keys("mail")) == 1
    assert world.quarantine() == []


def test_a_reading_that_took_too_long_is_no_ground_for_a_write() -> None:
    """The reading before a write is repeated where it is older than it may be."""
    contact = linked("crm", system("mail", "none", read_max_s=60.0), name="Ann")
    world = contact.world
    contact.edits("crm", name="Anna")
    world.pulls("crm")

    def slow() -> None:
        world.waits(120)
        contact.edits("mail", name="Annie")

    world.meanwhile("mail", "reading", slow)
    world.delivers("mail")

    assert world.sent("mail") == []
    contact.syncs()
    assert contact.everywhere("name") == {"Annie"}
    assert [r.kind for r in contact.reports()] == ["conflict"]


def test_a_reading_that_answers_an_older_version_is_no_ground_for_a_write() -> None:
    contact = linked("crm", system("mail", "visible"), name="Ann")
    world, key = contact.world, contact.key("mail")
    older = world.record("mail", key)
    contact.edits("mail", city="Rome")
    contact.syncs()
    contact.edits("crm", name="Anna")
    world.pulls("crm")

    world.desks["mail"].replays.append(older)
    world.delivers("mail")

    assert world.sent("mail") == []
    contact.syncs()
    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Rome"})


def test_a_written_form_that_comes_back_longer_than_it_was_sent_is_an_edit_once() -> None:
    """A form that nobody declared travels once and comes to rest: it is what the record holds."""
    contact = linked(
        "crm", system("mail", image=False, stored_form=lambda f, v: v.upper() if f == "name" and v else v), name="ANN"
    )
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"ANNA"}
    contact.is_at_rest()
