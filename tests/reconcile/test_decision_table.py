"""The decision table: one test for each case that the design names, told from the user's side."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.adapters.contract import Native
from datasyncd.adapters.errors import Throttled, Transient
from datasyncd.daemon.review.settle import Way, resolve
from datasyncd.reconcile.effects import Effects, Report, ReportKind, ReportState
from datasyncd.reconcile.register import Hold
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state.transaction import Tx

from .world import NUMBERS, Conflict, Contact, Raw, World, both, linked, overruled, system


def test_an_edit_reaches_the_other_system_in_one_write_of_one_field() -> None:
    """Row 1; F01, F07, F26."""
    contact = linked("crm", "mail", name="Ann", city="Rome")

    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert [write.fields for write in contact.world.sent("mail")] == [{"name": "Anna"}]
    assert contact.world.sent("crm") == []
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "visible", "none"])
def test_two_who_make_the_same_edit_agree_without_a_write_or_a_report(condition: str) -> None:
    """Row 2; F04, F21."""
    contact = linked(system("crm", condition), system("mail", condition), name="Ann")

    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Anna")
    contact.syncs()

    assert contact.world.writes() == 0
    assert contact.reports() == []
    contact.is_at_rest()


def test_the_later_of_two_edits_wins_and_the_other_one_is_reported() -> None:
    """Row 3; F05, F12: the loser's system is written once, and the pair never conflicts again."""
    contact = linked("crm", "mail", name="Ann")

    contact.edits("crm", name="Anna")
    contact.edits("mail", name="Annie")
    contact.syncs()

    assert contact.everywhere("name") == {"Annie"}
    assert contact.conflicts() == [both("name", crm="Anna", mail="Annie", chosen="Annie")]
    assert [write.fields for write in contact.world.sent("crm")] == [{"name": "Annie"}]
    assert contact.world.sent("mail") == []
    contact.is_at_rest()


def test_our_own_write_coming_back_is_nobodys_edit() -> None:
    """Row 4; F03, F09: a webhook about it causes one reading and nothing else."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="Anna")
    contact.syncs()
    before = contact.cluster.revision

    contact.world.desks["mail"].reads.clear()
    contact.world.hears("mail", contact.key("mail"))
    contact.world.reads("mail")
    contact.syncs()

    assert contact.world.desks["mail"].reads == [[contact.key("mail")]]
    assert (contact.cluster.revision, contact.world.writes()) == (before, 1)


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_our_own_write_seen_before_its_answer_is_nobodys_edit(condition: str) -> None:
    """Row 5; F09: a reading that overlaps the write is thrown away, and the record is read again."""
    contact = linked("crm", system("mail", condition), name="Ann")
    world = contact.world

    contact.edits("crm", name="Anna")
    world.meanwhile("mail", "written", lambda: world.pulls("mail"))
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert (world.writes(), contact.reports()) == (1, [])
    assert contact.origins("name") == ["crm"]
    contact.is_at_rest()


@pytest.mark.parametrize(("condition", "order"), [("none", "digest"), ("enforced", "digest"), ("enforced", "counter")])
def test_a_reading_that_began_before_our_write_says_nothing_after_it(condition: str, order: str) -> None:
    """Row 5: it ends after the answer, and shows what was there before."""
    contact = linked("crm", system("mail", condition, version_order=order), name="Ann")
    world = contact.world
    contact.edits("crm", name="Anna")
    world.pulls("crm")

    world.hears("mail", contact.key("mail"))
    world.meanwhile("mail", "reading", lambda: world.delivers("mail"))
    world.reads("mail")

    assert (contact.siblings("name"), contact.origins("name")) == (["Anna"], ["crm"])
    contact.syncs()
    assert (contact.everywhere("name"), world.writes(), contact.reports()) == ({"Anna"}, 1, [])


def shout(field: str, value: Native) -> Native:
    return value.upper() if field == "name" and isinstance(value, str) else value


@pytest.mark.parametrize(("image", "declared"), [(True, False), (True, True), (False, True)])
def test_a_system_that_keeps_another_form_is_never_corrected(image: bool, declared: bool) -> None:
    """Row 6; F04, F09: the form that it keeps is what it is known to hold, and never travels."""
    contact = linked("crm", system("mail", image=image, declared=declared, stored_form=shout), name="")

    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.shows("name") == {"crm": "Anna", "mail": "ANNA"}
    assert contact.siblings("name") == ["Anna"]
    assert contact.world.writes() == 1
    contact.is_at_rest()


@pytest.mark.parametrize(("condition", "order"), [("enforced", ""), ("visible", ""), ("none", ""), ("none", "unique")])
def test_a_form_that_was_not_declared_travels_once_and_is_reported_the_second_time(condition: str, order: str) -> None:
    """Row 7; F04, F09: an edit of depth 1; one report for a field of a system, however often it happens."""
    mail = system("mail", condition, version_order=order, image=False, stored_form=shout)
    world = World("crm", mail)
    ann, ben, cid = (world.linked(name="") for _ in range(3))

    ann.edits("crm", name="Anna")
    world.syncs()
    assert (ann.everywhere("name"), [sib.depth for sib in ann.register("name").sibs]) == ({"ANNA"}, [1])
    assert (world.writes(), ann.reports()) == (2, [])
    ann.is_at_rest()

    for person, name in ((ben, "Ben"), (cid, "Cid")):
        person.edits("crm", name=name)
        world.syncs()
        person.is_at_rest()
    assert world.writes() == 6
    assert ben.reports() == [Conflict("undeclared_form", "name", (("crm", "Ben"), ("mail", "BEN")), None, "open")]
    assert [(report.system, report.count) for report in ben.stored()] == [("mail", 2)]
    assert "mail keeps another form of name" in ben.stored()[0].body.text
    assert (ann.reports(), cid.reports()) == ([], [])


def test_a_form_that_new_records_are_given_is_reported_like_one_of_a_write() -> None:
    """Row 7: what a create sent and its first reading are compared."""
    world = World("crm", system("mail", "none", late_s=60.0, stored_form=shout))
    people = [world.person("crm", email=f"{name}@example.org", name=name) for name in ("ann", "ben")]
    world.syncs()
    world.waits(100)
    world.syncs()

    assert [person.everywhere("name") for person in people] == [{"ANN"}, {"BEN"}]
    assert [report.kind for person in people for report in person.stored()] == ["undeclared_form"]


@pytest.mark.parametrize("image", [True, False])
def test_a_person_who_saves_what_was_read_since_our_write_keeps_no_other_form(image: bool) -> None:
    """Row 7: an answer with the record, or a reading that found it as it was sent, says that it is kept so."""
    world = World("crm", system("mail", "none", image=image))
    for name in ("Ann", "Ben", "Cid"):
        person = world.linked(name="")
        person.edits("crm", name=name)
        world.syncs()
        person.edits("mail", name=name.upper())
        world.syncs()
        assert (person.everywhere("name"), person.reports()) == ({name.upper()}, [])


@pytest.mark.parametrize("condition", ["enforced", "visible"])
def test_a_person_who_saves_right_after_our_write_keeps_no_other_form(condition: str) -> None:
    """Row 7: where versions count saves, theirs is told from ours."""
    world = World("crm", system("mail", condition, image=False))
    for name in ("Ann", "Ben", "Cid"):
        person = world.linked(name="")
        person.edits("crm", name=name)
        world.meanwhile("mail", "written", lambda p=person, n=name: p.edits("mail", name=n.upper()))  # type: ignore[misc]
        world.syncs()
        assert person.everywhere("name") == {name.upper()}
        assert person.reports("undeclared_form") == []


def test_a_reading_by_key_that_answers_an_older_version_is_thrown_away() -> None:
    """Row 8; F44, F45."""
    contact = linked("crm", "mail", name="Ann")
    world, key = contact.world, contact.key("mail")
    older = world.record("mail", key)
    contact.edits("mail", name="Anna")
    contact.syncs()

    world.desks["mail"].replays.append(older)
    world.hears("mail", key)
    world.reads("mail")

    assert contact.siblings("name") == ["Anna"]
    assert world.is_to_be_read("mail") == [key]
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports() == []


def test_of_two_readings_in_flight_the_one_that_began_first_does_not_undo_the_other() -> None:
    """Row 9; F42, F45: also where no version tells which one is older."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    world = contact.world

    def edited_and_pulled() -> None:
        contact.edits("mail", name="Anna")
        world.pulls("mail")

    world.hears("mail", contact.key("mail"))
    world.meanwhile("mail", "reading", edited_and_pulled)
    world.reads("mail")

    assert contact.siblings("name") == ["Anna"]
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports() == []


def test_an_earlier_reading_does_not_undo_a_later_one_that_found_nothing_new() -> None:
    """Row 9: what was set and taken back between two readings stays taken back."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    world = contact.world
    contact.edits("mail", name="a mistake")

    def taken_back_and_pulled() -> None:
        contact.edits("mail", name="Ann")
        world.pages("mail")

    world.hears("mail", contact.key("mail"))
    world.meanwhile("mail", "reading", taken_back_and_pulled)
    world.reads("mail")

    assert contact.siblings("name") == ["Ann"]
    contact.syncs()
    assert (contact.everywhere("name"), world.writes()) == ({"Ann"}, 0)


def test_a_hint_that_comes_twice_causes_one_reading() -> None:
    """Row 10; F46."""
    contact = linked("crm", "mail", name="Ann")
    world, key = contact.world, contact.key("mail")
    contact.edits("mail", name="Anna")
    world.desks["mail"].reads.clear()

    world.hears("mail", key)
    world.hears("mail", key)
    world.reads("mail")

    assert world.desks["mail"].reads == [[key]]
    assert (contact.siblings("name"), world.is_to_be_read("mail")) == (["Anna"], [])


def test_hints_of_quick_edits_in_any_order_lead_to_the_present_truth() -> None:
    """Row 11; F42, F43: a hint carries no value that could be out of date."""
    contact = linked("crm", "mail", name="Ann")
    world, key = contact.world, contact.key("mail")

    contact.edits("mail", name="Anna")
    contact.edits("mail", name="Annie")
    for _late_hint in range(2):
        world.hears("mail", key)
        world.reads("mail")

    assert contact.siblings("name") == ["Annie"]
    assert [sib.n for sib in contact.register("name").sibs] == [2]


@pytest.mark.parametrize("moment", ["reading", "page"])
def test_a_hint_that_comes_while_the_record_is_read_is_not_used_up_by_that_reading(moment: str) -> None:
    """Row 12."""
    contact = linked("crm", "mail", name="Ann")
    world, key = contact.world, contact.key("mail")

    def edited() -> None:
        contact.edits("mail", name="Anna")
        world.hears("mail", key)

    world.meanwhile("mail", moment, edited)
    world.hears("mail", key)
    if moment == "page":
        world.links["mail"].wants_full = True
        world.pages("mail")
    else:
        world.reads("mail")

    assert world.is_to_be_read("mail") == [key]
    world.reads("mail")
    assert contact.siblings("name") == ["Anna"]


def test_a_hint_that_comes_during_the_reading_before_a_write_is_not_used_up() -> None:
    """Row 12, for the reading that goes before a write."""
    contact = linked("crm", system("mail", "none"), name="Ann", city="Rome")
    world, key = contact.world, contact.key("mail")
    contact.edits("crm", city="Bonn")
    world.pulls("crm")

    def edited() -> None:
        contact.edits("mail", name="Anna")
        world.hears("mail", key)

    world.meanwhile("mail", "reading", edited)
    world.delivers("mail")

    assert key in world.is_to_be_read("mail")


def test_a_hint_that_comes_during_a_reading_that_spares_a_write_is_not_used_up() -> None:
    """Row 12; M45: the hint that it was read for is gone by then, and the new one is not taken for that."""
    contact = linked("crm", system("mail", "none"), name="Ann", city="Rome")
    world, key = contact.world, contact.key("mail")
    contact.edits("crm", city="Bonn")
    contact.edits("mail", city="Bonn")
    world.hears("mail", key)
    world.pulls("crm")

    def edited() -> None:
        world.forgets_hints("mail")  # a reading ends that began before this one
        contact.edits("mail", name="Anna")
        world.hears("mail", key)

    world.meanwhile("mail", "reading", edited)
    world.delivers("mail")

    assert world.sent("mail") == []
    assert world.is_to_be_read("mail") == [key]
    world.reads("mail")
    assert contact.siblings("name") == ["Anna"]


def test_a_change_that_is_indexed_late_is_seen_by_a_later_pull() -> None:
    """Row 13; F28, F30."""
    mail = system(
        "mail", "visible", incremental=True, pull_is_reading=False, search_lag_s=300.0, lag_s=200.0
    )  # fmt: skip
    world = World("crm", mail)
    contact = world.person("mail", email="ann@example.org", name="Ann")
    world.waits(400)
    contact.syncs()

    contact.edits("mail", name="Anna")
    world.waits(100)
    contact.syncs()
    assert contact.everywhere("name") == {"Ann", "Anna"}
    world.waits(200)
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}


def test_a_change_that_is_indexed_after_a_later_one_was_shown_is_not_passed_over() -> None:
    """Row 13; M7: the cursor has moved behind it by then, and each pull looks back by the lag of searches."""
    mail = system("mail", "visible", incremental=True, pull_is_reading=False, search_lag_s=300.0)
    world = World("crm", mail)
    ann, ben = (world.linked(name="Ann") for _ in range(2))
    world.waits(400)
    world.syncs()

    world.plans["mail"].lag_s = 200.0
    ann.edits("mail", name="Anna")
    world.plans["mail"].lag_s = 0.0
    ben.edits("mail", name="Annie")
    world.syncs()
    assert (ann.everywhere("name"), ben.everywhere("name")) == ({"Ann", "Anna"}, {"Annie"})
    world.waits(250)
    world.syncs()

    assert ann.everywhere("name") == {"Anna"}


def test_a_save_that_comes_before_our_write_is_merged_and_never_covered() -> None:
    """Row 14; F13, F25: one conflict for one foreign save."""
    contact = linked("crm", "mail", name="Ann")

    contact.edits("crm", name="Anna")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", name="Annie"))
    contact.syncs()

    assert contact.everywhere("name") == {"Annie"}
    assert contact.conflicts() == [both("name", crm="Anna", mail="Annie", chosen="Annie")]
    contact.is_at_rest()


def test_a_save_of_another_field_before_our_write_is_no_conflict() -> None:
    """Row 14; F25: fields are merged each by itself."""
    contact = linked("crm", "mail", name="Ann", city="Rome")

    contact.edits("crm", name="Anna")
    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", city="Bonn"))
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Bonn"})
    assert contact.reports() == []
    contact.is_at_rest()


def test_a_field_that_is_refused_waits_and_the_others_go_on() -> None:
    """Row 15; F103, F87, F91, F97: it is sent again only when it is another value."""
    mail = system("mail", refuses=lambda field, value: "too long" if value == "Annabella" else None)
    contact = linked("crm", mail, name="Ann", city="Rome")

    contact.edits("crm", name="Annabella", city="Bonn")
    contact.syncs()
    contact.syncs()

    assert contact.shows("name") == {"crm": "Annabella", "mail": "Ann"}
    assert contact.everywhere("city") == {"Bonn"}
    assert [(r.kind, r.field, r.state) for r in contact.reports()] == [("refused", "name", "open")]
    assert [(row.system, row.kind, row.reason) for row in contact.world.quarantine()] == [
        ("mail", "refused", "mail: too long")
    ]
    assert len(contact.world.sent("mail")) == 2

    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports(state="open") == []
    assert contact.world.quarantine() == []
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "visible", "none"])
def test_a_write_without_an_answer_that_never_landed_is_sent_again(condition: str) -> None:
    """Row 16; F94."""
    contact = linked("crm", system("mail", condition), name="Ann")

    contact.loses_answer("mail", landed=False)
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert (len(contact.world.sent("mail")), contact.reports()) == (2, [])
    contact.is_at_rest()


@pytest.mark.parametrize(
    ("condition", "late_s"), [("enforced", 0.0), ("enforced", 60.0), ("none", 0.0), ("none", 60.0)]
)
def test_a_write_without_an_answer_that_landed_is_recognised(condition: str, late_s: float) -> None:
    """Row 17; F09, F49: nobody's edit, and not written a second time."""
    contact = linked("crm", system("mail", condition, late_s=late_s), name="Ann")

    contact.loses_answer("mail")
    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert (len(contact.world.sent("mail")), contact.reports()) == (1, [])
    assert contact.origins("name") == ["crm"]
    contact.world.waits(late_s + 1)
    contact.syncs()
    contact.is_at_rest()


def test_a_write_that_lands_late_over_a_newer_edit_is_undone() -> None:
    """Row 18; F25, F45: the newer edit is written back, and counts as no new one."""
    contact = linked("crm", system("mail", "none", late_s=60.0), name="Ann")
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", name="Anna")
    contact.syncs()
    contact.edits("mail", name="Annie")
    contact.syncs()
    dots = contact.register("name").ctx

    contact.world.waits(30)
    assert contact.shows("name") == {"crm": "Annie", "mail": "Anna"}
    contact.syncs()

    assert contact.everywhere("name") == {"Annie"}
    assert contact.binding("mail").incarnation == 1
    assert contact.register("name").ctx.items() <= dots.items()
    contact.world.waits(61)
    contact.syncs()
    contact.is_at_rest()


def test_an_edit_made_while_a_write_is_unknown_is_never_lost() -> None:
    """Row 19: perhaps a conflict too many, never a silent loss."""
    contact = linked("crm", system("mail", "none", late_s=60.0), name="Ann")
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.world.delivers("mail")

    contact.edits("mail", name="Annie")
    contact.world.pulls("mail")

    assert contact.siblings("name") == ["Anna", "Annie"]
    contact.world.waits(100)
    contact.syncs()
    assert contact.everywhere("name") == {"Annie"}
    assert contact.conflicts()[0] == both("name", crm="Anna", mail="Annie", chosen="Annie")
    contact.is_at_rest()


def saves_before_the_write(contact: Contact, where: str, /, **fields: Any) -> None:
    """Somebody saves the record after the daemon's last look, before its write lands."""
    contact.world.meanwhile(where, "writing", lambda: contact.edits(where, **fields))


def overwrites(contact: Contact) -> list[str]:
    """Fields of which a write may have covered an edit, by name."""
    return sorted(str(report.field) for report in contact.reports("possible_overwrite", state="open"))


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("saved", ["Annie", "Anna", "Ann"])
def test_a_write_over_a_save_that_nobody_saw_is_reported_where_versions_are_visible(saved: str, image: bool) -> None:
    """Row 20; M33: whatever the values say, and once."""
    contact = linked("crm", system("mail", "visible", image=image), name="Ann", city="Rome")
    contact.edits("crm", name="Anna", city="Oslo")
    saves_before_the_write(contact, "mail", name=saved)
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    assert overwrites(contact) == ["city", "name"]
    assert contact.world.writes() == 1
    contact.is_at_rest()


@pytest.mark.parametrize("image", [True, False])
def test_a_save_of_a_field_that_was_not_written_is_read_after_the_write(image: bool) -> None:
    """Row 20: it stays, and travels."""
    contact = linked("crm", system("mail", "visible", image=image), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    saves_before_the_write(contact, "mail", city="Oslo")
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anna"}, {"Oslo"})
    assert overwrites(contact) == ["name"]
    contact.is_at_rest()


def test_a_write_without_an_answer_over_a_save_that_nobody_saw_is_reported() -> None:
    """Row 20: the same value sent twice; the first one lands after somebody's save."""
    contact = linked("crm", system("mail", "visible", late_s=60.0), name="Ann")
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    contact.edits("mail", name="Annie")
    contact.world.waits(30)
    contact.syncs()

    assert overwrites(contact) == ["name"]
    contact.world.waits(61)
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


@pytest.mark.parametrize("late_s", [0.0, 60.0])
@pytest.mark.parametrize("image", [True, False])
def test_nothing_is_reported_where_versions_follow_each_other(image: bool, late_s: float) -> None:
    """Row 20: our own saves are counted, with an answer or without, and edits that we read before."""
    contact = linked("crm", system("mail", "visible", image=image, late_s=late_s), name="Ann", city="Rome")
    contact.edits("crm", name="Anna")
    contact.syncs()
    contact.edits("mail", city="Oslo")
    contact.edits("crm", name="Annie")
    contact.syncs()
    contact.loses_answer("mail")
    contact.edits("crm", name="Anne")
    contact.syncs()
    contact.world.waits(late_s + 1)
    contact.syncs()

    assert (contact.everywhere("name"), contact.everywhere("city")) == ({"Anne"}, {"Oslo"})
    assert contact.reports() == []
    contact.is_at_rest()


def test_a_field_that_was_left_out_is_judged_by_the_version_in_which_it_was_last_read() -> None:
    """Row 20, design 4.3: saves that other fields were read after do not hide a gap of this one, nor make one."""
    contact = linked("crm", system("mail", "visible", image=False), name="Ann", city="Rome")
    world = contact.world
    contact.edits("crm", name="Anna", city="Oslo")
    saves_before_the_write(contact, "mail", name="Annie")
    world.pulls("crm")
    world.delivers("mail")
    world.desks["mail"].absent.add("name")
    for _ in range(3):
        world.pulls("mail")
    assert overwrites(contact) == ["city"]

    world.desks["mail"].absent.clear()
    contact.syncs()
    assert overwrites(contact) == ["city", "name"]
    contact.is_at_rest()


def test_a_crash_before_a_write_is_noted_leaves_it_owed() -> None:
    """Row 21; F95."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    contact.edits("crm", name="Anna")

    contact.world.dies("mail", "reading")

    assert (contact.owed(), contact.ghosts(), contact.world.sent("mail")) == ({"mail"}, 0, [])
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


@pytest.mark.parametrize("moment", ["writing", "written"])
@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_crash_around_a_write_is_an_unknown_outcome(condition: str, moment: str) -> None:
    """Row 22; F95: the record is read before anything else is written to it."""
    contact = linked("crm", system("mail", condition), name="Ann")
    contact.edits("crm", name="Anna")

    contact.world.dies("mail", moment)

    assert contact.ghosts() == 1
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert (contact.origins("name"), contact.reports()) == (["crm"], [])
    contact.is_at_rest()


@pytest.mark.parametrize("moment", ["writing", "written"])
def test_a_crash_around_a_create_makes_no_second_record(moment: str) -> None:
    """Row 23; F43, F49: it waits until the first one can land no more, and looks for it."""
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")

    world.dies("mail", moment)
    contact.syncs()
    assert len(world.keys("mail")) == (1 if moment == "written" else 0)
    world.waits(100)
    contact.syncs()

    assert len(world.keys("mail")) == 1
    assert contact.everywhere("name") == {"Ann"}
    world.waits(100)
    contact.syncs()
    contact.is_at_rest()


def test_a_delete_by_somebody_who_had_not_seen_an_edit_is_held() -> None:
    """Row 24; F17, F72, F73: nothing is destroyed and nothing comes back."""
    contact = linked("crm", "mail", name="Ann")

    contact.edits("mail", name="Anna")
    contact.deletes("crm")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("held", {"mail"})
    assert [(r.kind, r.state) for r in contact.reports()] == [("delete_vs_edit", "open")]
    assert contact.world.writes() == 0


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_delete_that_had_seen_everything_reaches_every_system(condition: str) -> None:
    """Row 25; F72, F76."""
    contact = linked("crm", system("mail", condition), system("shop", condition), name="Ann")

    contact.deletes("crm")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("dead", set())
    assert [write.op for name in ("mail", "shop") for write in contact.world.sent(name)] == ["delete", "delete"]
    assert contact.reports() == []


def test_an_edit_made_while_a_delete_is_on_its_way_holds_it() -> None:
    """Row 25: each delete has its precondition."""
    contact = linked("crm", "mail", "shop", name="Ann")

    contact.world.meanwhile("mail", "writing", lambda: contact.edits("mail", name="Anna"))
    contact.deletes("crm")
    contact.syncs()

    assert contact.state() == "held"
    assert "mail" in contact.exists_in()
    assert [r.kind for r in contact.reports(state="open")] == ["delete_vs_edit"]


def test_a_second_record_of_one_system_is_kept_out() -> None:
    """Row 33; F02, F43, F51: a binding is one to one."""
    contact = linked("crm", "mail", email="ann@example.org", name="Ann")

    contact.world.creates("mail", email="Ann@Example.org", name="Another")
    contact.syncs()

    assert [(row.system, row.ext_id, row.kind) for row in contact.world.quarantine()] == [
        ("mail", "mail-2", "duplicate")
    ]
    assert contact.everywhere("name") == {"Ann"}
    assert contact.world.writes() == 0


def test_blank_is_an_edit_and_absent_is_no_information() -> None:
    """Row 37; F79, F80."""
    contact = linked("crm", "mail", name="Ann", city="Rome")

    contact.edits("crm", name="")
    contact.world.desks["crm"].absent.add("city")
    contact.syncs()

    assert contact.everywhere("name") == {""}
    assert contact.shows("city") == {"crm": "Rome", "mail": "Rome"}
    assert [write.fields for write in contact.world.sent("mail")] == [{"name": None}]


@pytest.mark.parametrize("condition", ["enforced", "none"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_field_that_is_not_shown_is_not_read_over_and_over_to_see_whether_it_is_right(
    count: int, condition: str
) -> None:
    """Row 37 and 38: an edit that was taken back needs no write; a reading that shows the field acknowledges it."""
    world = World("crm", system("mail", condition))
    person, *_ = (world.linked(name="Ann", city="Rome") for _ in range(count))

    world.desks["mail"].absent.add("city")
    person.edits("crm", city="Oslo")
    world.pulls("crm")
    person.edits("crm", city="Rome")
    world.syncs()
    assert (world.sent("mail"), person.owed()) == ([], set())

    world.desks["mail"].absent.clear()
    world.syncs()
    assert world.sent("mail") == []
    person.is_at_rest()


@pytest.mark.parametrize("count", [2, 12])
def test_a_field_that_most_records_no_longer_have_is_not_written_there_until_they_have_it_again(count: int) -> None:
    """Row 38: one report for all records, the other fields go on, and no shadow and no value is lost."""
    world = World("crm", "mail")
    people = [world.linked(name="Ann", city="Rome") for _ in range(count)]
    shadow = people[0].binding("mail").body.shadow

    world.desks["mail"].absent.add("city")
    people[0].edits("mail", name="Anna")
    people[0].edits("crm", city="Oslo", phone="1")
    world.syncs()

    assert [write.fields for write in world.sent("mail")] == [{"phone": "1"}]
    assert world.drifts() == [("mail", "city", "open")]
    assert {person.shows("city")["crm"] for person in people} == {"Oslo", "Rome"}
    assert all(
        person.binding("mail").body.shadow.get(NUMBERS["city"]) == shadow.get(NUMBERS["city"]) for person in people[1:]
    )

    world.desks["mail"].absent.clear()
    people[0].edits("mail", name="Annie")
    world.syncs()

    assert world.sent("mail")[-1].fields == {"city": "Oslo"}
    assert world.drifts() == [("mail", "city", "settled")]
    for person in people:
        person.is_at_rest()


def test_a_field_whose_values_can_mostly_not_be_read_any_more_is_not_written_there() -> None:
    """Row 38: its type changed. What can still be read there is not written over either."""
    world = World("crm", "mail")
    people = [world.linked(name="Ann", score=1) for _ in range(5)]

    for person in people[:3]:
        person.edits("mail", score=Raw("high"))
    world.pulls("mail")
    people[4].edits("crm", score=7, name="Anna")
    world.syncs()

    assert [write.fields for write in world.sent("mail")] == [{"name": "Anna"}]
    assert world.drifts() == [("mail", "score", "open")]

    people[0].edits("mail", score=2)
    world.syncs()

    assert people[4].everywhere("score") == {7}
    assert people[0].everywhere("score") == {2}
    assert world.drifts() == [("mail", "score", "settled")]


def test_a_field_that_few_records_ever_had_does_not_drift() -> None:
    """Row 38: only what most records once had can be lost; and neither do few or half of them say so."""
    world = World("crm", "mail")
    world.desks["mail"].absent.add("phone")
    people = [world.linked(name="Ann") for _ in range(4)]
    world.tables["mail"].forget("city", *(person.key("mail") for person in people[:2]))

    people[3].edits("crm", city="Oslo")
    world.syncs()

    assert world.drifts() == []
    assert people[3].everywhere("city") == {"Oslo"}


def test_new_records_without_a_field_are_no_drift() -> None:
    """Row 38: whoever adds records, people or we, may leave out what is not known; nothing was lost."""
    world = World("crm", "mail")
    people = [world.linked(name="Ann", city="Rome") for _ in range(3)]
    for n in range(9):
        world.tables["mail"].forget("city", world.person("mail", name="Ben", email=f"ben{n}@example.org").key("mail"))

    people[0].edits("crm", city="Oslo")
    world.syncs()
    assert world.drifts() == []
    assert people[0].everywhere("city") == {"Oslo"}

    world.tables["mail"].forget("city", *(person.key("mail") for person in people[:2]))
    world.syncs()
    assert world.drifts() == [("mail", "city", "open")]


def test_an_opt_out_is_written_even_where_the_field_drifts_and_an_opt_in_is_not() -> None:
    """Row 38 and 42."""
    world = World("crm", "mail", "prefs")
    ann, ben, cid = (world.linked(name="Ann", sms_opt_in="unknown") for _ in range(3))

    world.desks["mail"].absent.add("sms_opt_in")
    ann.edits("crm", sms_opt_in="out")
    ben.edits("prefs", sms_opt_in="in")
    world.syncs()

    assert world.drifts() == [("mail", "sms_opt_in", "open")]
    assert [write.key for write in world.sent("mail")] == [ann.key("mail")]
    assert cid.everywhere("sms_opt_in") == {"unknown"}


def test_a_new_record_waits_for_a_field_that_drifts_where_it_has_one() -> None:
    """Row 38: made without it, it would never be given it."""
    world = World("crm", "mail")
    for _ in range(3):
        world.linked(name="Ann", city="Rome")
    world.desks["mail"].absent.add("city")
    world.syncs()

    new = world.person("crm", name="Ben", email="ben@example.org", city="Oslo")
    world.person("crm", name="Cid", email="cid@example.org")
    world.syncs()
    assert [write.fields["name"] for write in world.sent("mail")] == ["Cid"]

    world.desks["mail"].absent.clear()
    world.syncs()
    assert new.everywhere("city") == {"Oslo"}


def test_where_only_changes_are_pulled_a_drift_ends_with_what_all_records_show() -> None:
    """Row 38: twelve changed records without a field are asked about; that all have it again is seen by all."""
    world = World("crm", system("mail", incremental=True))
    people = [world.linked(name="Ann", city="Rome") for _ in range(30)]

    world.desks["mail"].absent.add("city")
    for person in people[:12]:
        person.edits("mail", name="Anna")
    world.pages("mail")
    assert world.drifts() == [("mail", "city", "open")]

    world.desks["mail"].absent.clear()
    world.syncs()
    assert world.drifts() == [("mail", "city", "settled")]


def test_a_person_lets_a_field_be_written_that_most_records_no_longer_have() -> None:
    """Row 38: it is meant to be so."""
    world = World("crm", "mail")
    people = [world.linked(name="Ann", city="Rome") for _ in range(3)]
    world.desks["mail"].absent.add("city")
    people[0].edits("crm", city="Oslo")
    world.syncs()
    assert world.sent("mail") == []

    resolution = world.transact(
        lambda tx: resolve(tx, world.terms, Way(release=True), by="ann", where="cause == 'schema_drift'")
    )
    world.syncs()

    assert [(one.entity, one.key, one.field, one.action) for one in resolution.resolved] == [
        ("contact", None, "city", "release")
    ]
    assert [write.fields for write in world.sent("mail")] == [{"city": "Oslo"}]
    assert world.drifts() == [("mail", "city", "settled")]


def test_a_time_that_cannot_be_true_does_not_win() -> None:
    """Row 39; F16, F18, F32, F111: it is clamped to the two readings that enclose the edit."""
    contact = linked(system("crm", edited_at=True), system("mail", edited_at=True), name="Ann")

    contact.edits("crm", at=+86_400.0, name="from the future")
    contact.world.pulls("crm")
    contact.edits("mail", name="a second later")
    contact.syncs()

    assert contact.everywhere("name") == {"a second later"}


def test_a_slow_clock_does_not_lose_an_edit_that_came_after_the_other_one() -> None:
    """Row 39; F111: the window of the earlier edit ends before that of the later one begins."""
    contact = linked(system("crm", edited_at=True), system("mail", edited_at=True), name="Ann")

    contact.edits("crm", name="earlier")
    contact.world.pulls("crm")
    contact.world.waits(60)
    contact.world.pulls("mail")
    contact.edits("mail", at=-86_400.0, name="later")
    contact.syncs()

    assert contact.everywhere("name") == {"later"}


@pytest.mark.parametrize("lost", [4, 20])
def test_a_source_that_lost_many_records_deletes_nothing(lost: int) -> None:
    """Row 41; F75, F104: neither one that lost a fifth nor one that is empty."""
    world = World(system("crm", guards={WriteClass.DELETE: 0.1}, at_least=3), "mail")
    people = [world.linked(name="Ann") for _ in range(20)]

    for person in people[:lost]:
        person.deletes("crm")
    world.syncs()

    assert {person.state() for person in people} == {"live"}
    assert len(world.keys("mail")) == 20
    assert [(held.write_class, held.count, held.of) for held in world.guards()] == [("delete", lost, 20)]


def test_an_opt_out_wins_over_a_concurrent_opt_in() -> None:
    """Row 42; F57, F68: everywhere, first, and reported."""
    contact = linked("crm", "mail", "prefs", sms_opt_in="unknown")

    contact.edits("crm", sms_opt_in="out")
    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert contact.conflicts() == [both("sms_opt_in", crm="out", prefs="in", chosen="out")]
    contact.is_at_rest()


def test_an_opt_in_of_somebody_who_saw_the_opt_out_counts_where_it_may_be_collected() -> None:
    """Row 43; F59, F66: held for systems that cannot refuse a stale write."""
    contact = linked("crm", "prefs", system("mail", "none"), sms_opt_in="out")

    contact.edits("prefs", sms_opt_in="in")
    contact.syncs()

    assert contact.shows("sms_opt_in") == {"crm": "in", "prefs": "in", "mail": "out"}
    assert [(r.kind, r.field, r.state) for r in contact.reports()] == [("opt_in_held", "sms_opt_in", "open")]


def test_an_opt_in_from_elsewhere_is_written_back() -> None:
    """Row 44; F59, F60, F64, F68."""
    contact = linked("crm", "mail", sms_opt_in="unknown")
    contact.edits("crm", sms_opt_in="out")
    contact.syncs()

    contact.edits("mail", sms_opt_in="in")
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}
    assert contact.reports() == [overruled("sms_opt_in", crm="out", mail="in", chosen="out")]
    contact.is_at_rest()


def test_an_opt_out_that_equals_one_we_tried_to_write_counts_as_the_persons_own() -> None:
    """Row 45: it stands, although whoever opted in elsewhere had seen the first one."""
    contact = linked("crm", "prefs", system("mail", "none", late_s=60.0), sms_opt_in="in")
    world = contact.world
    contact.loses_answer("mail", landed=False)
    contact.edits("crm", sms_opt_in="out")
    world.pulls("crm")
    world.delivers("mail")
    world.delivers("prefs")
    contact.edits("prefs", sms_opt_in="in")
    world.pulls("prefs")

    contact.edits("mail", sms_opt_in="out")
    world.waits(100)
    contact.syncs()

    assert contact.everywhere("sms_opt_in") == {"out"}


@pytest.mark.parametrize(
    ("error", "after_s"), [(Throttled("wait", 30.0), 30.0), (Transient("try again"), 1.0)]
)  # fmt: skip
def test_a_call_that_was_refused_before_any_effect_waits_and_is_no_unknown_outcome(
    error: Transient, after_s: float
) -> None:
    """Row 46; F92, F94, F99: no reading and no ghost, only a later time."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.world.desks["mail"].script.failures.append(error)
    with pytest.raises(Transient):
        contact.world.delivers("mail")

    assert (contact.ghosts(), contact.owed()) == (0, {"mail"})
    contact.world.waits(after_s - 0.1)
    contact.world.delivers("mail")
    assert contact.shows("name")["mail"] == "Ann"
    contact.world.waits(1.0)
    contact.world.delivers("mail")
    assert contact.everywhere("name") == {"Anna"}
    assert contact.reports() == []


def fight(contact: Contact, field: str, values: dict[str, Any], rounds: int) -> int:
    """Robots that each put their own value back as soon as they see another one; how often they did."""
    moves = 0
    for _ in range(rounds):
        for name, value in values.items():
            if contact.shows(field)[name] != value:
                contact.edits(name, **{field: value})
                moves += 1
        contact.world.cycle()
    return moves


def test_systems_that_rewrite_each_other_are_stopped_and_a_person_decides() -> None:
    """Row 40; F06, F10: the field is frozen, other fields go on, and a choice ends it."""
    contact = linked("crm", "mail", name="Ann", city="Rome")

    fight(contact, "city", {"crm": "ROME", "mail": "Rome"}, 12)
    contact.syncs()
    assert [r.field for r in contact.reports("frozen", state="open")] == ["city"]
    before = contact.world.writes()
    fight(contact, "city", {"crm": "ROME", "mail": "Rome"}, 3)
    assert contact.world.writes() == before, "nothing is written to a frozen field"

    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}

    contact.chooses("city", "Milan")
    contact.syncs()
    assert contact.everywhere("city") == {"Milan"}
    assert contact.reports(state="open") == []


def test_a_freeze_is_over_after_a_day_without_an_edit() -> None:
    """Row 40: what the policy chooses is written then, and people may edit as before."""
    contact = linked("crm", "mail", city="Rome")
    fight(contact, "city", {"crm": "ROME", "mail": "Rome"}, 12)
    contact.syncs()
    assert len(contact.everywhere("city")) == 2

    contact.world.waits(86_401)
    contact.syncs()
    assert len(contact.everywhere("city")) == 1
    assert contact.reports(state="open") == []
    contact.edits("crm", city="Oslo")
    contact.syncs()
    assert contact.everywhere("city") == {"Oslo"}
    contact.is_at_rest()


def test_a_release_counts_reactions_anew() -> None:
    """Row 40; 6.4: depth begins at 0 again, for overruled edits, too."""
    contact = linked("billing", "mail", status="active")
    for _ in range(40):
        contact.edits("mail", status="lead")
        contact.world.cycle()
    contact.syncs()
    (frozen,) = [r for r in contact.stored() if r.kind == "frozen" and r.state == "open"]
    contact.world.transact(
        lambda tx: resolve(tx, contact.world.terms, Way(release=True), by="ann", ids=[frozen.digest.hex()])
    )
    contact.syncs()
    contact.edits("mail", status="lead")
    contact.syncs()
    contact.edits("billing", status="cancelled")
    contact.syncs()
    assert contact.everywhere("status") == {"cancelled"}


def test_a_person_who_changes_their_mind_often_is_no_fight() -> None:
    """Row 40: edits that come long after our writes react to nothing."""
    contact = linked("crm", "mail", city="Rome")
    for turn in range(12):
        contact.world.waits(700)
        contact.edits("crm" if turn % 2 else "mail", city="Rome" if turn % 2 else "Oslo")
        contact.syncs()
    assert contact.everywhere("city") == {"Rome"}
    assert contact.reports("frozen") == []


def test_an_opt_out_passes_however_often_systems_react() -> None:
    """Row 40: an opt-out is never frozen."""
    contact = linked("prefs", "mail", sms_opt_in="in")
    fight(contact, "sms_opt_in", {"mail": "out", "prefs": "in"}, 30)
    contact.syncs()
    assert [r.field for r in contact.reports("frozen", state="open")] == ["sms_opt_in"]
    assert contact.shows("sms_opt_in") == {"prefs": "in", "mail": "out"}, "the opt-in is what is held"

    contact.edits("prefs", sms_opt_in="out")
    contact.syncs()
    assert contact.everywhere("sms_opt_in") == {"out"}


def test_a_system_that_never_takes_what_it_is_sent_is_stopped() -> None:
    """Row 40; 6.1: what is overruled counts as a reaction, too."""
    contact = linked("billing", "mail", status="active")
    for _ in range(40):
        contact.edits("mail", status="lead")
        contact.world.cycle()
    contact.syncs()
    assert contact.world.writes() < 30
    assert [r.field for r in contact.reports("frozen", state="open")] == ["status"]


@pytest.mark.parametrize(
    ("field", "values"), [("tags", [{"a"}, {"b"}]), ("points", [1, 2])]
)  # fmt: skip
def test_a_freeze_of_what_is_merged_is_over_after_a_day_like_any_other(field: str, values: list[Any]) -> None:
    """Row 40; 6.4: sets and counters, too."""
    contact = linked("crm", "mail", **{field: values[0]})
    fight(contact, field, {"crm": values[0], "mail": values[1]}, 30)
    contact.syncs()
    assert [r.field for r in contact.reports("frozen", state="open")] == [field]

    contact.world.waits(86_401)
    contact.syncs()
    assert (contact.reports("frozen", state="open"), len(contact.everywhere(field))) == ([], 1)
    contact.is_at_rest()


@pytest.mark.parametrize(("field", "values"), [("tags", [{"a"}, {"b"}]), ("points", [1, 2])])
def test_people_who_edit_a_set_or_a_counter_in_turn_are_no_fight(field: str, values: list[Any]) -> None:
    """Row 40: an earlier value comes back easily where each edit is a part of it; a fight lasts longer."""
    contact = linked("crm", "mail", **{field: values[0]})
    assert fight(contact, field, {"crm": values[0], "mail": values[1]}, 8) > 6
    contact.syncs()
    assert (contact.reports("frozen"), len(contact.everywhere(field))) == ([], 1)


def test_a_counter_that_a_restore_left_to_a_person_is_not_summed_up_by_time() -> None:
    """Row 40: it was frozen, and no system fought over it."""
    world = World("crm", "mail")
    contact = world.linked(points=1)
    cluster = contact.cluster

    def freeze(tx: Tx) -> None:
        cluster.regs[NUMBERS["points"]].hold = Hold.FROZEN
        cluster.changed = True
        tx.clusters.save([cluster], tx.stamp)
        report = Report(b"12345678", ReportKind.FROZEN, cluster.id, NUMBERS["points"], ReportState.OPEN)
        tx.records.write(Effects(tx.at, "restore", reports=[report]), tx.run)

    world.transact(freeze)
    contact.edits("crm", points=3)
    world.syncs()
    world.waits(86_401)
    world.syncs()
    assert contact.shows("points") == {"crm": 3, "mail": 1}
    assert [r.field for r in contact.reports("frozen", state="open")] == ["points"]


def test_a_freeze_that_a_new_computed_value_ends_is_no_longer_reported() -> None:
    """Row 40; 13: what is computed anew has seen all."""
    world = World("crm", "mail", derives=True)
    contact = world.linked(name="Ann")
    for _ in range(40):
        contact.edits("mail", greeting="Hi")
        world.cycle()
    contact.syncs()
    assert [r.field for r in contact.reports("frozen", state="open")] == ["greeting"]

    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.shows("greeting")["mail"] == "Hello Anna"
    assert contact.reports("frozen", state="open") == []
