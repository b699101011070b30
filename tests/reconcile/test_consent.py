"""Consent: lowering is free, goes first and is never held; raising needs an act of the person, at the right place."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.reconcile.choice import Refused, choose
from datasyncd.reconcile.effects import Effects
from datasyncd.reconcile.rules import OptIn, WriteClass

from .world import NUMBERS, Contact, World, both, linked, overruled, system


@pytest.mark.parametrize("order", [("crm", "prefs"), ("prefs", "crm")])
def test_an_opt_out_wins_in_whatever_order_it_is_seen(order: tuple[str, str]) -> None:
    """Rule a; F24, F57, F70."""
    contact = linked("crm", "prefs", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.edits("prefs", sms_opt_in="in")

    for name in order:
        contact.world.pulls(name)
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert contact.conflicts() == [both("sms_opt_in", crm="out", prefs="in", chosen="out")]


def test_an_opt_out_wins_at_first_contact_whatever_the_times_say() -> None:
    """Rule a, at first contact; F59, F60: a copy of a state raises nothing."""
    world = World(system("crm", edited_at=True), system("prefs", edited_at=True), first_contact="prefs")
    contact = world.person("crm", at=0.0, email="ann@example.org", sms_opt_in="out")
    contact.recreates("prefs", at=500.0, email="ann@example.org", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}


def test_one_who_opts_in_again_where_it_may_be_collected_is_opted_in_everywhere() -> None:
    """Rule b; F66."""
    contact = linked("crm", "prefs", sms_opt_in="out")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    assert contact.reports() == []
    contact.is_at_rest()


def test_an_opt_in_that_had_not_seen_the_opt_out_does_not_count_even_there() -> None:
    """Rule b; F45: prefs had not been told yet."""
    contact = linked("crm", "prefs", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.world.pulls("crm")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}


def test_an_opt_in_from_elsewhere_is_overruled_every_time() -> None:
    """Rule b; F01, F59, F68: also when it comes again after we wrote it back."""
    contact = linked("crm", "mail", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.syncs()

    for _ in range(2):
        contact.edits("mail", sms_opt_in="in")
        contact.syncs()
        assert contact.everywhere("sms_opt_in") == {"out"}

    assert contact.reports() == [overruled("sms_opt_in", crm="out", mail="in", chosen="out")]
    contact.is_at_rest()


def test_an_opt_out_at_a_place_that_was_overruled_before_is_an_opt_out() -> None:
    contact = linked("crm", "mail", "prefs", sms_opt_in="out")
    contact.edits("mail", sms_opt_in="in")
    contact.world.pulls("mail")

    contact.edits("mail", sms_opt_in="out")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


def test_an_opt_out_found_where_we_tried_to_write_one_outlives_an_opt_in_elsewhere() -> None:
    """Rule c: nobody knows whether it is ours, so that it counts as the person's own."""
    contact = linked("crm", "prefs", system("mail", "none", late_s=60.0), sms_opt_in="in")
    world = contact.world
    contact.loses_answer("mail", landed=False)
    contact.edits("crm", sms_opt_in="out")
    world.pulls("crm")
    world.delivers("mail")
    world.delivers("prefs")
    contact.edits("mail", sms_opt_in="out")

    world.pulls("mail")
    contact.edits("prefs", sms_opt_in="in")
    world.pulls("prefs")

    assert contact.siblings("sms_opt_in") == ["in", "out"]
    world.waits(100)
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"out"}


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("saved", ["out", "in"])
def test_a_save_under_an_opt_in_that_nobody_saw_counts_as_an_opt_out(saved: str, image: bool) -> None:
    """Rule f: where versions are visible, what our write may have covered is taken for the worst."""
    contact = linked("crm", "prefs", system("mail", "visible", image=image), sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", sms_opt_in=saved))
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert [r.field for r in contact.reports("possible_overwrite", state="open")] == ["sms_opt_in"]
    acts = contact.world.db.execute("SELECT state, who FROM act WHERE system = 'mail' AND state = 'out'").fetchall()
    assert acts == [("out", "assumed")]
    contact.is_at_rest()


def test_an_opt_in_after_an_assumed_opt_out_counts_again() -> None:
    """Rule f: the person says it anew, where it may be collected."""
    contact = linked("crm", "prefs", system("mail", "visible"), sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", sms_opt_in="out"))
    contact.syncs()

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    contact.is_at_rest()


def test_an_opt_in_without_an_answer_over_a_save_that_nobody_saw_is_an_opt_out() -> None:
    """Rule f, with a write that lands late."""
    contact = linked("crm", "prefs", system("mail", "visible", late_s=60.0), sms_opt_in="unknown")
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")
    contact.world.delivers("mail")
    contact.edits("mail", sms_opt_in="out")
    contact.world.waits(30)
    contact.syncs()
    contact.world.waits(61)
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


VERSIONS = [("enforced", "counter"), ("visible", "counter"), ("enforced", "unique"), ("none", "unique")]
"""Systems whose versions tell of saves: condition and order."""


@pytest.mark.parametrize(("condition", "order"), VERSIONS)
def test_an_opt_out_in_a_newer_version_may_be_a_later_one(condition: str, order: str) -> None:
    """Rule d, M18: opted in and out again between two readings, while an opt-in elsewhere was on its way."""
    contact = linked("crm", "prefs", system("mail", condition, version_order=order), sms_opt_in="out")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")

    contact.edits("mail", sms_opt_in="in")
    contact.edits("mail", sms_opt_in="out")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert contact.conflicts() == [both("sms_opt_in", prefs="in", mail="out", chosen="out")]
    contact.is_at_rest()


@pytest.mark.parametrize("saves", [[("sms_opt_in", "out")], [("city", "Bonn"), ("city", "Oslo")]])
@pytest.mark.parametrize("condition", ["enforced", "visible"])
def test_a_save_that_shows_nothing_else_or_one_of_several_may_be_an_opt_out(
    saves: list[tuple[str, Any]], condition: str
) -> None:
    """Rule d: whoever saved it had the opt-out before them, or somebody opted in and out again in between."""
    contact = linked("crm", "prefs", system("mail", condition), sms_opt_in="out", city="Rome")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")

    for field, value in saves:
        contact.edits("mail", **{field: value})
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "visible"])
def test_one_save_that_is_about_something_else_says_nothing_about_consent(condition: str) -> None:
    """Rule d: in one save nobody opts in and out again. It neither undoes an opt-in nor counts as an act."""
    contact = linked("crm", "prefs", system("mail", condition), sms_opt_in="out", city="Rome")
    evidence = "SELECT count(*) FROM act WHERE system = 'mail'"
    before = contact.world.db.execute(evidence).fetchone()
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")

    contact.edits("mail", city="Bonn")
    contact.syncs()
    assert (contact.everywhere("sms_opt_in"), contact.everywhere("city")) == ({"in"}, {"Bonn"})
    assert (contact.reports(), contact.world.db.execute(evidence).fetchone()) == ([], before)

    contact.edits("mail", sms_opt_in="out", city="Rome")
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_versions_that_do_not_count_make_any_save_a_possible_opt_out(condition: str) -> None:
    """Rule d: nobody can tell one save from several."""
    contact = linked(
        "crm", "prefs", system("mail", condition, version_order="unique"), sms_opt_in="out", city="Rome"
    )  # fmt: skip
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")
    contact.edits("mail", city="Bonn")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize(("condition", "order"), VERSIONS)
def test_an_absent_consent_is_judged_by_the_version_in_which_it_was_last_read(
    condition: str, order: str, image: bool
) -> None:
    """Rule d, design 4.3: a reading without it explains no version."""
    mail = system("mail", condition, version_order=order, image=image)
    contact = linked("crm", "prefs", mail, sms_opt_in="out", city="Rome")
    world = contact.world
    contact.edits("prefs", sms_opt_in="in")
    world.pulls("prefs")
    world.desks["mail"].absent.add("sms_opt_in")
    for value in ("in", "out"):
        contact.edits("mail", sms_opt_in=value)
    world.pulls("mail")
    world.pulls("mail")
    world.desks["mail"].absent.clear()
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    contact.is_at_rest()


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize(("condition", "order"), VERSIONS)
def test_our_own_writes_do_not_make_an_opt_out_a_later_one(condition: str, order: str, image: bool) -> None:
    """Rule d: a version that we made is explained, of the opt-out itself and of other fields."""
    mail = system("mail", condition, version_order=order, image=image)
    contact = linked("crm", mail, sms_opt_in="in", name="Ann")
    contact.edits("crm", sms_opt_in="out")
    contact.syncs()
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.origins("sms_opt_in") == ["crm"]
    assert contact.world.db.execute("SELECT count(*) FROM act WHERE system = 'mail' AND state = 'out'").fetchone() == (
        0,
    )
    contact.is_at_rest()


def test_an_opt_in_is_held_where_a_stale_write_cannot_be_refused() -> None:
    """Rule e; F59."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="out")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.shows("sms_opt_in") == {"crm": "in", "prefs": "in", "mail": "out"}
    assert [(r.kind, r.state) for r in contact.reports()] == [("opt_in_held", "open")]
    assert contact.owed() == set()


def test_an_opt_in_that_somebody_enters_there_ends_the_report() -> None:
    """Rule e: mail is no place that may collect it, and shows only what is known."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="out")
    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    contact.edits("mail", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    assert contact.reports(state="open") == []
    contact.is_at_rest()


def test_a_link_may_allow_the_write() -> None:
    """Rule e: `opt_in = "write"`."""
    contact = linked("crm", "prefs", system("mail", "none", opt_in=OptIn.WRITE), sms_opt_in="out")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    assert contact.reports() == []
    contact.is_at_rest()


def test_an_opt_in_is_written_over_a_blank_and_read_back() -> None:
    """Rule e."""
    contact = linked("crm", "prefs", system("mail", "none", image=False), sms_opt_in="unknown")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    assert contact.reports() == []
    assert len(contact.world.desks["mail"].reads) >= 2, "before and after the write"
    contact.is_at_rest()


def test_an_opt_in_is_not_written_over_an_opt_out_that_the_reading_before_shows() -> None:
    """Rule e: between the pull and the write somebody opted out."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.pulls("prefs")

    contact.edits("mail", sms_opt_in="out")
    contact.world.delivers("mail")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}


def test_a_strict_link_gets_no_opt_in_at_all() -> None:
    """Rule e: `opt_in = "strict"`, neither over a blank nor with a new record."""
    world = World("crm", "prefs", system("mail", "none", opt_in=OptIn.STRICT))
    ann = world.person("prefs", email="ann@example.org", sms_opt_in="in")
    ann.syncs()

    assert ann.shows("sms_opt_in") == {"crm": "in", "prefs": "in", "mail": "unknown"}
    assert [(r.kind, r.state) for r in ann.reports()] == [("opt_in_held", "open")]


def test_an_opt_in_goes_with_a_new_record() -> None:
    """Rule e: nobody can have opted out in a record that is not there."""
    world = World("crm", system("mail", "none"))
    ann = world.person("crm", email="ann@example.org", sms_opt_in="in")
    ann.syncs()

    assert ann.everywhere("sms_opt_in") == {"in"}


def test_an_opt_in_of_unknown_outcome_is_reported_and_not_repeated() -> None:
    """Rule e: the late write could cover an opt-out that nobody would ever see."""
    contact = linked("crm", "prefs", system("mail", "none", late_s=60.0), sms_opt_in="unknown")
    contact.loses_answer("mail", landed=False)

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert [write.fields for write in contact.world.sent("mail")] == [{"sms_opt_in": True}]
    assert [(r.kind, r.field) for r in contact.reports()] == [("possible_overwrite", "sms_opt_in")]
    contact.world.waits(61)
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"in"}
    contact.is_at_rest()


def test_an_opt_in_of_which_a_crash_hides_the_outcome_is_reported() -> None:
    """Rule e."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")

    contact.world.dies("mail", "written")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"in"}
    assert [(r.kind, r.field, r.state) for r in contact.reports()] == [("possible_overwrite", "sms_opt_in", "open")]


def test_an_absent_consent_is_neither_blank_nor_unknown() -> None:
    """Rule e; F57: nothing is written over what was not looked at."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")
    contact.world.desks["mail"].absent.add("sms_opt_in")
    contact.syncs()

    assert contact.shows("sms_opt_in")["mail"] == "unknown"
    assert contact.world.sent("mail") == []

    contact.world.desks["mail"].absent.clear()
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"in"}
    assert contact.reports(state="open") == []


def test_a_blank_never_replaces_an_opt_out() -> None:
    """Rule h; F57, F61, F63, F68: not even where an opt-in may be collected."""
    contact = linked("crm", "prefs", sms_opt_in="out")

    contact.edits("prefs", sms_opt_in="unknown")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert [r.kind for r in contact.reports()] == ["overruled"]
    contact.is_at_rest()


def test_two_opt_outs_are_equal() -> None:
    """Rule i: the evidence is kept apart."""
    contact = linked("crm", "mail", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.edits("mail", sms_opt_in="out")
    contact.syncs()

    assert (contact.reports(), contact.world.writes()) == ([], 0)
    acts = contact.world.db.execute("SELECT state, system FROM act ORDER BY binding_id").fetchall()
    assert acts == [("out", "crm"), ("out", "mail")]


def test_opt_outs_overtake_everything_else() -> None:
    """Rule g, lane 0; F92: also what has been due for longer."""
    world = World("crm", system("mail", batch=1))
    people = [world.linked(email=f"{n}@example.org", sms_opt_in="in", name="A") for n in range(5)]
    for person in people[:4]:
        person.edits("crm", name="B")
    people[4].edits("crm", sms_opt_in="out")
    world.syncs()

    assert world.sent("mail")[0].fields == {"sms_opt_in": False}
    assert len(world.sent("mail")) == 5


def test_opt_outs_pass_guards_and_filters() -> None:
    """Rule g; F62, F67."""
    mail = system("mail", guards={WriteClass.UPDATE: 0.0, WriteClass.CONSENT: 0.0}, at_least=1,
                  where=lambda values: values["stage"] == "customer")  # fmt: skip
    world = World("crm", mail)
    contact = world.linked(sms_opt_in="in", stage="customer")
    contact.edits("crm", stage="former", name="Ann")
    contact.syncs()

    contact.edits("crm", sms_opt_in="out")
    contact.syncs()

    assert contact.shows("sms_opt_in") == {"crm": "out", "mail": "out"}
    assert contact.shows("name")["mail"] == ""


def test_raised_consents_are_a_class_of_their_own_for_guards() -> None:
    """F59, F60: a mass of opt-ins waits for a person."""
    world = World("prefs", system("mail", guards={WriteClass.CONSENT: 0.1}, at_least=3))
    people = [world.linked(email=f"{n}@example.org", sms_opt_in="unknown", name="A") for n in range(5)]
    for person in people:
        person.edits("prefs", sms_opt_in="in", name="B")
    world.syncs()

    assert {person.shows("sms_opt_in")["mail"] for person in people} == {"unknown"}
    assert {person.shows("name")["mail"] for person in people} == {"B"}
    assert [(held.write_class, held.count) for held in world.guards()] == [("consent", 5)]


@pytest.mark.parametrize("before", ["out", "unknown"])
@pytest.mark.parametrize("value", ["in", None])
def test_a_choice_never_raises_a_consent(before: str, value: str | None) -> None:
    """F59, F68: only an act of the person does."""
    contact = linked("crm", "mail", sms_opt_in=before)
    contact.edits("crm", sms_opt_in="out" if before == "out" else "unknown", name="Ann")
    contact.syncs()
    cluster = contact.cluster

    if before == "unknown" and value is None:
        return
    with pytest.raises(Refused, match="never raises a consent"):
        choose(cluster, NUMBERS["sms_opt_in"], value, contact.world.rules, contact.world.store.fingerprints, Effects(0))


def test_a_choice_may_lower_a_consent() -> None:
    contact = linked("crm", "prefs", sms_opt_in="in")
    contact.edits("crm", sms_opt_in="unknown")
    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    cluster = contact.cluster
    choose(cluster, NUMBERS["sms_opt_in"], "out", contact.world.rules, contact.world.store.fingerprints, Effects(0))

    assert [sib.val for sib in cluster.regs[NUMBERS["sms_opt_in"]].sibs] == ["out"]


def test_a_choice_between_an_opt_out_and_an_opt_in_cannot_be_the_opt_in() -> None:
    contact = linked("crm", "prefs", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    outcome = contact.chooses("sms_opt_in", "in")

    assert ([r.reason.split(";")[0] for r in outcome.refused], outcome.resolved) == (
        ["sms_opt_in: a choice never raises a consent"], [],
    )  # fmt: skip
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"out"}


def opted_out_and_deleted(*systems: Any) -> tuple[World, Contact]:
    """Somebody who opted out in one system, and was deleted everywhere since."""
    contact = linked(*systems, email="ann@example.org", name="Ann", sms_opt_in="in")
    contact.edits("mail", sms_opt_in="out")
    contact.syncs()
    contact.deletes("crm")
    contact.syncs()
    assert contact.exists_in() == set()
    return contact.world, contact


@pytest.mark.parametrize(("said", "told"), [("in", ["overruled"]), ("out", []), (None, [])])
def test_an_opt_out_outlives_its_person(said: str | None, told: list[str]) -> None:
    """F59: the same person is imported again, by a system that may not collect an opt-in."""
    world, _ = opted_out_and_deleted("crm", "mail", "shop")
    again = world.person("crm", email="ann@example.org", name="Ann again", sms_opt_in=said)
    world.syncs()

    assert again.shows("sms_opt_in") == dict.fromkeys(("crm", "mail", "shop"), "out")
    assert again.everywhere("name") == {"Ann again"}
    assert [report.kind for report in again.reports()] == told
    again.is_at_rest()


def test_where_an_opt_in_may_be_collected_it_counts_for_whom_comes_again() -> None:
    """A person's later act."""
    world, _ = opted_out_and_deleted("crm", "mail", "prefs")
    again = world.person("prefs", email="ann@example.org", sms_opt_in="in")
    world.syncs()

    assert again.everywhere("sms_opt_in") == {"in"}
    again.is_at_rest()


def test_an_opt_out_outlives_its_person_where_nothing_is_said_of_it() -> None:
    """The system in which they come again does not map the consent."""
    world, _ = opted_out_and_deleted("crm", "mail", system("till", only=("email", "name")))
    again = world.person("till", email="ann@example.org", name="Ann again")
    world.syncs()

    assert again.shows("sms_opt_in") == {"crm": "out", "mail": "out"}
    again.is_at_rest()


def test_who_only_has_another_key_is_somebody_else() -> None:
    world, _ = opted_out_and_deleted("crm", "mail")
    other = world.person("crm", email="ben@example.org", name="Ben", sms_opt_in="in")
    world.syncs()

    assert other.everywhere("sms_opt_in") == {"in"}
