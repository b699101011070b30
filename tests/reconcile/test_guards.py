"""Guards: a mass change waits for a person, who lets exactly that one pass, once."""

from __future__ import annotations

import pytest

from datasyncd.reconcile.rules import WriteClass

from .world import Contact, World, system


def guarded(number: int = 10, **limits: float) -> tuple[World, list[Contact]]:
    """People in crm and mail; mail's guards hold more than these shares."""
    guards = {WriteClass[name.upper()]: share for name, share in limits.items()}
    world = World("crm", system("mail", guards=guards, at_least=3))
    return world, [world.linked(email=f"{n}@example.org", name="Ann", city="Rome") for n in range(number)]


def test_a_mass_of_updates_waits() -> None:
    """F64, F104: nothing of the class is written, and the rest of it is known."""
    world, people = guarded(update=0.5)
    for person in people[:8]:
        person.edits("crm", name="Anna")
    world.syncs()

    assert world.sent("mail") == []
    assert [(held.link, held.write_class, held.count, held.of) for held in world.guards()] == [
        ("mail.contact", "update", 8, 10)
    ]


@pytest.mark.parametrize("number", [5, 2])
def test_what_is_within_the_limits_passes(number: int) -> None:
    world, people = guarded(update=0.5)
    for person in people[:number]:
        person.edits("crm", name="Anna")
    world.syncs()

    assert len(world.sent("mail")) == number
    assert world.guards() == []


def test_a_small_number_is_no_mass_whatever_its_share() -> None:
    world, people = guarded(number=2, update=0.1)
    for person in people:
        person.edits("crm", name="Anna")
    world.syncs()

    assert len(world.sent("mail")) == 2


def test_an_approval_lets_exactly_the_held_set_pass_once() -> None:
    """F105."""
    world, people = guarded(update=0.5)
    for person in people[:8]:
        person.edits("crm", name="Anna")
    world.syncs()
    [held] = world.guards()

    people[0].edits("crm", name="Annie")
    people[9].edits("crm", name="Nina")
    for name in ("crm", "mail"):
        world.pulls(name)
    world.approves(held)
    world.syncs()

    assert [person.shows("name")["mail"] for person in people] == ["Ann", *["Anna"] * 7, "Ann", "Ann"]
    assert [(held.count, held.samples[0].value) for held in world.guards()] == [(2, "Annie")]


def test_after_an_approval_nothing_waits_for_a_person() -> None:
    """F105: no guard is left that holds nothing."""
    world, people = guarded(update=0.5)
    for person in people[:8]:
        person.edits("crm", name="Anna")
    world.syncs()
    world.approves(world.guards()[0])
    world.syncs()

    assert {person.shows("name")["mail"] for person in people[:8]} == {"Anna"}
    assert world.guards() == []
    for person in people:
        person.is_at_rest()


def test_slow_changes_do_not_slip_under_a_guard() -> None:
    """It counts over an hour."""
    world, people = guarded(update=0.5)
    for person in people[:8]:
        person.edits("crm", name="Anna")
        world.syncs()

    assert 3 <= len(world.sent("mail")) <= 5
    assert [held.write_class for held in world.guards()] == ["update"]


def test_a_record_that_is_written_again_and_again_is_one_record() -> None:
    world, people = guarded(update=0.5)
    for n in range(8):
        people[0].edits("crm", name=f"Anna {n}")
        people[1].edits("crm", name=f"Bea {n}")
        world.syncs()

    assert world.guards() == []
    assert [person.shows("name")["mail"] for person in people[:3]] == ["Anna 7", "Bea 7", "Ann"]
    for person in people[2:6]:
        person.edits("crm", name="Cleo")
    world.syncs()
    assert [(held.count, held.of) for held in world.guards()] == [(4, 10)], "six records within the hour"


def test_what_was_sent_more_than_an_hour_ago_no_longer_counts() -> None:
    world, people = guarded(update=0.5)
    for person in people[:5]:
        person.edits("crm", name="Anna")
    world.syncs()
    world.waits(3_700)
    for person in people[5:]:
        person.edits("crm", name="Anna")
    world.syncs()

    assert {person.shows("name")["mail"] for person in people} == {"Anna"}


def test_classes_are_held_each_by_itself() -> None:
    """Of one record the rest goes on."""
    world, people = guarded(clear=0.1)
    for person in people:
        person.edits("crm", name="", city="Bonn")
    world.syncs()

    assert {person.shows("city")["mail"] for person in people} == {"Bonn"}
    assert {person.shows("name")["mail"] for person in people} == {"Ann"}
    assert [(held.write_class, held.count) for held in world.guards()] == [("clear", 10)]


def test_a_first_synchronisation_that_only_creates_is_no_mass_change() -> None:
    world = World("crm", system("mail", guards={WriteClass.UPDATE: 0.1, WriteClass.DELETE: 0.1}, at_least=3))
    for number in range(20):
        world.creates("crm", email=f"{number}@example.org", name="Ann")
    world.syncs()

    assert len(world.keys("mail")) == 20
    assert world.guards() == []


def test_creates_may_be_guarded_too() -> None:
    """F50."""
    world, _people = guarded(create=0.5)
    for number in range(20):
        world.creates("crm", email=f"new{number}@example.org")
    world.syncs()
    assert len(world.keys("mail")) == 10
    [held] = world.guards()

    world.approves(held)
    world.syncs()
    assert len(world.keys("mail")) == 30


def test_deletes_that_would_be_sent_wait() -> None:
    """F104: the records that are still there stay until somebody says so."""
    world, people = guarded(number=20, delete=0.1)
    for person in people[:5]:
        person.deletes("crm")
    world.syncs()
    assert len(world.keys("mail")) == 20
    [held] = world.guards()

    world.approves(held)
    world.syncs()
    assert len(world.keys("mail")) == 15
    assert [person.state() for person in people] == ["dead"] * 5 + ["live"] * 15


def emptied(lost: int) -> tuple[World, list[Contact]]:
    world = World(system("crm", guards={WriteClass.DELETE: 0.1}, at_least=3), "mail")
    people = [world.linked(email=f"{n}@example.org", name="Ann") for n in range(20)]
    for person in people[:lost]:
        person.deletes("crm")
    world.syncs()
    return world, people


def comes_back(person: Contact) -> None:
    """The record stands in crm again as it was."""
    world, key = person.world, person.binding("crm").ext_id
    mail = world.tables["mail"].holds("people")[person.key("mail")]
    world.tables["crm"].create("people", mail, key)


def test_a_source_that_is_whole_again_ends_the_guard() -> None:
    """F104."""
    world, people = emptied(20)
    for person in people:
        comes_back(person)
    world.syncs()

    assert world.guards() == []
    assert {person.state() for person in people} == {"live"}
    assert world.writes() == 0


def test_an_approval_of_what_a_source_lost_lets_exactly_that_go() -> None:
    """F105."""
    world, people = emptied(5)
    [held] = world.guards()
    people[10].deletes("crm")
    world.approves(held)
    world.syncs()

    assert [person.state() for person in people[:5]] == ["dead"] * 5
    assert {person.state() for person in people[5:]} == {"live"}
    assert len(world.keys("mail")) == 15


@pytest.mark.parametrize("decided", ["before", "after"])
def test_what_a_source_told_to_be_lost_outlasts_a_restart(decided: str) -> None:
    """It is told once; what a guard holds of it is looked for again."""
    crm = system("crm", incremental=True, tells_deletes=True, guards={WriteClass.DELETE: 0.1}, at_least=3)
    world = World(crm, "mail")
    people = [world.linked(email=f"{n}@example.org", name="Ann") for n in range(20)]
    for person in people[:5]:
        person.deletes("crm")
    world.person("crm", email="new@example.org", name="Nina")
    world.syncs()
    [held] = world.guards()

    if decided == "before":
        world.approves(held)
    world.restarts()
    if decided == "after":
        world.syncs()
        world.approves(held)
    world.syncs()

    assert [person.state() for person in people] == ["dead"] * 5 + ["live"] * 15


def test_while_a_source_is_held_no_delete_goes_anywhere_and_everything_else_does() -> None:
    """The class alone is held, towards all systems."""
    world, people = emptied(5)
    people[10].edits("crm", name="Anna")
    people[11].deletes("mail")
    world.syncs()

    assert people[10].everywhere("name") == {"Anna"}
    assert people[11].exists_in() == {"crm"}
    assert world.guards() != []

    for person in people[:5]:
        comes_back(person)
    world.syncs()
    assert world.guards() == []
    assert (people[11].exists_in(), people[11].state()) == (set(), "dead")


def test_a_delivery_that_outlasts_a_guard_holds_nothing_for_it() -> None:
    """What is found to be deleted when the guard is over is deleted, also by a delivery that began before."""
    world, people = emptied(5)
    people[10].edits("crm", name="Anna")
    world.pulls("crm")

    def the_source_is_whole_but_for_one() -> None:
        for person in people[1:5]:
            comes_back(person)
        world.pulls("crm")

    world.meanwhile("mail", "writing", the_source_is_whole_but_for_one)
    world.delivers("mail")
    world.syncs()

    assert world.guards() == []
    assert [person.state() for person in people] == ["dead"] + ["live"] * 19
    assert people[0].exists_in() == set()


def test_an_emptied_source_is_held_however_few_its_records_are() -> None:
    world = World(system("crm", guards={WriteClass.DELETE: 0.1}), "mail")
    ann = world.linked(name="Ann")
    ann.deletes("crm")
    world.syncs()

    assert (ann.state(), ann.exists_in()) == ("live", {"mail"})
    assert [(held.count, held.of) for held in world.guards()] == [(1, 1)]


def test_few_deletes_are_no_mass_delete() -> None:
    world, people = emptied(2)

    assert [person.state() for person in people[:3]] == ["dead", "dead", "live"]
    assert world.guards() == []


def test_deletes_that_come_slowly_do_not_slip_under_a_guard() -> None:
    world, people = emptied(0)
    for person in people[:6]:
        person.deletes("crm")
        world.syncs()

    assert [person.state() for person in people[:6]].count("dead") in (2, 3)
    assert [held.write_class for held in world.guards()] == ["delete"]


def test_one_approval_of_what_a_source_lost_passes_the_limits_of_all_systems() -> None:
    """8.2: a person looks at the set once."""
    strict = {WriteClass.DELETE: 0.1}
    world = World(
        system("crm", guards=strict, at_least=3),
        system("mail", guards=strict, at_least=3),
        system("shop", guards=strict, at_least=3),
    )
    people = [world.linked(email=f"{n}@example.org", name="Ann") for n in range(20)]
    for person in people[:8]:
        person.deletes("crm")
    world.syncs()
    [held] = world.guards()
    assert (held.link, held.count) == ("crm.contact", 8)

    world.approves(held)
    world.syncs()
    assert [person.state() for person in people[:9]] == ["dead"] * 8 + ["live"]
    assert world.guards() == []


def blanked(number: int) -> tuple[World, list[Contact]]:
    """Somebody clears the name of many people in crm, whose own limit that passes; mail would take it."""
    world = World(system("crm", guards={WriteClass.CLEAR: 0.2}, at_least=3), "mail", "shop")
    people = [world.linked(email=f"{n}@example.org", name="Ann", city="Rome") for n in range(20)]
    for person in people[:number]:
        person.edits("crm", name="", city="Bonn")
    world.syncs()
    return world, people


def test_what_a_source_blanked_in_masses_is_written_nowhere() -> None:
    """F104: the limit of the system where it was cleared counts, whatever the others allow."""
    world, people = blanked(8)

    assert {person.shows("name")["mail"] for person in people} == {"Ann"}
    assert {person.shows("name")["shop"] for person in people} == {"Ann"}
    assert {person.shows("city")["mail"] for person in people[:8]} == {"Bonn"}
    assert [(held.link, held.write_class, held.count, held.of) for held in world.guards()] == [
        ("crm.contact", "clear", 8, 20)
    ]


def test_one_approval_of_what_a_source_blanked_lets_it_go_everywhere() -> None:
    world, people = blanked(8)
    [held] = world.guards()
    world.approves(held)
    world.syncs()

    assert {person.shows("name")["mail"] for person in people[:8]} == {""}
    assert {person.shows("name")["shop"] for person in people[:8]} == {""}
    assert world.guards() == []


def test_few_blanks_in_a_source_are_no_mass() -> None:
    world, people = blanked(4)
    assert {person.shows("name")["mail"] for person in people[:4]} == {""}
    assert world.guards() == []


def test_a_source_that_is_put_right_holds_nothing_any_more() -> None:
    world, people = blanked(8)
    for person in people[:8]:
        person.edits("crm", name="Ann")
    world.syncs()
    assert world.guards() == []

    for person in people[:8]:
        person.edits("crm", name="")
    world.syncs()
    assert [(held.link, held.write_class, held.count) for held in world.guards()] == [("crm.contact", "clear", 8)]


def test_blanks_that_were_put_right_count_no_longer() -> None:
    """Four of twenty are within the limit, and so are four others once the first are as they were."""
    world, people = blanked(4)
    for person in people[:4]:
        person.edits("crm", name="Ann")
    world.syncs()
    for person in people[4:8]:
        person.edits("crm", name="")
    world.syncs()
    assert world.guards() == []

    people[8].edits("crm", name="")
    world.syncs()
    [held] = world.guards()
    assert (held.link, held.write_class, held.count) == ("crm.contact", "clear", 1)


def test_a_record_counts_as_blanked_until_all_of_it_is_put_right() -> None:
    world, people = blanked(0)
    for person in people[:4]:
        person.edits("crm", name="", city="")
    world.syncs()
    for person in people[:4]:
        person.edits("crm", name="Ann")
    world.syncs()
    assert world.guards() == [], "eight fields of four records"

    people[4].edits("crm", name="")
    world.syncs()
    assert [held.link for held in world.guards()] == ["crm.contact"]


def test_a_held_set_counts_records_and_its_fields_apart() -> None:
    world, people = guarded(clear=0.1)
    for person in people[:4]:
        person.edits("crm", name="", city="")
    world.syncs()

    [held] = world.guards()
    assert (held.records, held.of, held.count) == (4, 10, 8)
    assert held.text == "would be written to mail: 4 of 10 records (clear, 8 fields)"
    approved = world.approves(held)
    assert (approved.records, approved.count) == (4, 8)
