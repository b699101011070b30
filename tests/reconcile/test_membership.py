"""Membership: what a person joins is one, and what a person takes apart stays apart."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.daemon.review import identity
from datasyncd.daemon.review.refusal import Unable
from datasyncd.reconcile.effects import Effects, Report, ReportKind, ReportState
from datasyncd.reconcile.register import Hold

from .world import ENTITY, NUMBERS, Contact, World, both, system, undecided


def merges(world: World, key: str, other: str) -> identity.Merged:
    return world.transact(lambda tx: identity.merge(tx, world.terms, ENTITY, key, other, by="ann"))


def splits(world: World, record: str) -> identity.Split:
    return world.transact(lambda tx: identity.split(tx, world.terms, ENTITY, record, by="ann"))


def apart(crm: dict[str, Any], mail: dict[str, Any]) -> tuple[World, Contact, Contact]:
    """Two records of one person that nothing tells to be one, each in a system of its own."""
    world = World("crm", "mail", "shop")
    for name, link in world.links.items():
        world._links_rules[name] = link.rule
    one = world.person("crm", key="c1", email="ann@example.org", **crm)
    world.pulls("crm")
    other = world.person("mail", key="m1", email="ann.b@example.org", **mail)
    world.pulls("mail")
    return world, one, other


def test_what_two_records_know_is_united_and_differences_are_conflicts() -> None:
    """Row 31."""
    world, one, _other = apart(
        {"name": "Ann", "city": "Rome", "language": "de", "tags": {"a"}},
        {"name": "Anna", "phone": "1", "language": "en", "tags": {"b"}},
    )
    answer = merges(world, "ann@example.org", "mail:m1")
    world.syncs()

    assert (answer.records, answer.conflicts) == (["crm:c1", "mail:m1"], 1)
    assert [cluster.state for cluster in world.clusters()] == ["live", "dead"]
    assert one.everywhere("name") == {"Anna"}, "the later one"
    assert one.everywhere("city") == {"Rome"}
    assert one.everywhere("phone") == {"1"}
    assert one.everywhere("tags") == {frozenset({"a", "b"})}
    assert both("name", crm="Ann", mail="Anna", chosen="Anna") in one.conflicts()
    assert undecided("language", crm="de", mail="en") in one.conflicts()
    assert one.shows("language") == {"crm": "de", "mail": "en"} | (
        {"shop": ""} if "shop" in one.shows("language") else {}
    )
    assert len(world.keys("shop")) == 1, "a system that had neither gets one record"

    one.edits("crm", name="Annie")
    one.syncs()
    assert one.everywhere("name") == {"Annie"}


def test_an_opt_out_of_either_holds_for_both() -> None:
    """Row 31; 6.2(i): a merge never raises a consent."""
    world, one, _other = apart({"sms_opt_in": "in"}, {"sms_opt_in": "out"})
    merges(world, "crm:c1", "mail:m1")
    world.syncs()
    assert one.everywhere("sms_opt_in") == {"out"}


def test_two_with_a_record_in_the_same_system_are_not_merged() -> None:
    """Row 31: nobody could say which of the records is theirs."""
    world = World("crm", "mail")
    world.linked(email="ann@example.org")
    world.linked(email="ben@example.org")
    with pytest.raises(Unable, match="both have a record in crm, mail"):
        merges(world, "ann@example.org", "ben@example.org")


def test_a_write_of_unknown_outcome_is_waited_for() -> None:
    """7.7: only without attempts."""
    world, one, _other = apart({"name": "Ann"}, {})
    one.loses_answer("shop", late_s=100.0)
    world.delivers("shop")
    with pytest.raises(Unable, match="unknown outcome"):
        merges(world, "crm:c1", "mail:m1")


def test_after_a_split_no_edit_crosses() -> None:
    """Row 32; P11: the record knows what it shows itself, and nothing that others said."""
    world = World("crm", "mail", "shop")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    contact.edits("crm", city="Oslo")
    world.pulls("crm")
    answer = splits(world, f"mail:{contact.key('mail')}")
    world.syncs()

    assert answer.left == [f"crm:{contact.key('crm')}", f"shop:{contact.key('shop')}"]
    kept, alone = world.clusters()
    assert [binding.system for binding in kept.live()] == ["crm", "shop"]
    assert [binding.system for binding in alone.live()] == ["mail"]
    mail = contact.key("mail")
    assert (world.holds("mail", mail) or {})["city"] == "Rome", "what was on its way to it is not its own"
    assert {(world.holds(n, contact.key(n)) or {})["city"] for n in ("crm", "shop")} == {"Oslo"}

    world.tables["mail"].edit("people", mail, name="Hanna")
    contact.edits("crm", name="Annie")
    world.syncs()
    assert (world.holds("mail", mail) or {})["name"] == "Hanna"
    assert {(world.holds(n, contact.key(n)) or {})["name"] for n in ("crm", "shop")} == {"Annie"}
    assert [len(world.keys(name)) for name in ("crm", "mail", "shop")] == [1, 1, 1], "nothing is made for either"


def test_what_was_split_can_be_merged_again_and_lives_as_before() -> None:
    """7.7: a person may change their mind."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    mail = contact.key("mail")
    splits(world, f"mail:{mail}")
    world.syncs()
    world.tables["mail"].edit("people", mail, city="Oslo")
    world.syncs()
    merges(world, f"crm:{contact.key('crm')}", f"mail:{mail}")
    world.syncs()

    (live,) = [cluster for cluster in world.clusters() if cluster.state == "live"]
    assert not live.no_create
    assert contact.everywhere("city") == {"Oslo"}
    contact.edits("mail", name="Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}


def test_a_record_that_was_gone_before_it_was_told_apart_deletes_nobody_who_was_edited_since() -> None:
    """M22: whoever deleted it had not seen the edit, and nothing is known of the record any more."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann", city="Rome")
    mail = contact.key("mail")
    world.tables["mail"].delete("people", mail)
    contact.edits("crm", city="Pisa")
    world.pulls("crm")
    splits(world, f"mail:{mail}")
    merges(world, f"crm:{contact.key('crm')}", f"mail:{mail}")
    world.syncs()

    assert contact.shows("city") == {"crm": "Pisa"}
    assert (contact.state(), [r.kind for r in contact.reports(state="open")]) == ("held", ["delete_vs_edit"])


def test_the_last_record_is_not_split() -> None:
    world = World("crm", "mail", on_delete="unlink")
    contact = world.linked(email="ann@example.org")
    contact.deletes("mail")
    contact.syncs()
    with pytest.raises(Unable, match="nothing to take it out of"):
        splits(world, f"crm:{contact.key('crm')}")


def test_a_blank_that_was_read_before_is_filled_by_what_the_other_knows() -> None:
    """Row 31: a record whose field is blank has not seen what joins it."""
    world = World("crm", "mail", "shop")
    one = world.person("crm", key="c1", email="a@example.org")
    world.pulls("crm")
    world.creates("mail", key="m1", email="a@example.org")
    world.pulls("mail")
    world.person("shop", key="s1", email="b@example.org", phone="1", sms_opt_in="out")
    world.pulls("shop")
    merges(world, "crm:c1", "shop:s1")
    world.syncs()
    assert one.everywhere("phone") == {"1"}
    assert one.everywhere("sms_opt_in") == {"out"}
    one.is_at_rest()


def test_a_split_and_a_merge_count_nothing_twice() -> None:
    """Counters: each part began with a base of its own."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", points=5)
    mail = contact.key("mail")
    splits(world, f"mail:{mail}")
    world.syncs()
    merges(world, f"crm:{contact.key('crm')}", f"mail:{mail}")
    world.syncs()
    assert contact.everywhere("points") == {5}
    contact.edits("mail", points=7)
    contact.syncs()
    assert contact.everywhere("points") == {7}


@pytest.mark.parametrize("turned", [False, True])
def test_what_waits_for_a_person_goes_on_to_wait(turned: bool) -> None:
    """Row 31: a merge is no choice, whichever record is named first."""
    world = World("crm", "mail", "shop", first_contact="report")
    one = world.person("crm", key="c1", email="a@example.org", city="Rome")
    world.pulls("crm")
    world.creates("mail", key="m1", email="a@example.org", city="Oslo")
    world.pulls("mail")
    world.person("shop", key="s1", email="b@example.org", city="Bern")
    world.pulls("shop")
    names = ("shop:s1", "crm:c1")
    merges(world, *(reversed(names) if turned else names))
    world.syncs()
    assert one.shows("city") == {"crm": "Rome", "mail": "Oslo", "shop": "Bern"}
    assert [r.field for r in one.reports("conflict", state="open")] == ["city"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_freeze_is_not_for_ever_after_a_merge(turned: bool) -> None:
    """6.4: what is frozen can be decided, or shows itself again."""
    world, one, other = apart({"city": "Rome"}, {"city": "Oslo"})
    cluster = other.cluster
    cluster.regs[NUMBERS["city"]].hold = Hold.FROZEN
    cluster.changed = True
    report = Report(b"12345678", ReportKind.FROZEN, cluster.id, NUMBERS["city"], ReportState.OPEN)
    world.transact(lambda tx: tx.clusters.save([cluster], tx.stamp))
    world.transact(lambda tx: tx.records.write(Effects(tx.at, "test", reports=[report]), tx.run))
    names = ("mail:m1", "crm:c1")
    merges(world, *(reversed(names) if turned else names))
    world.syncs()
    world.waits(3 * 86_400)
    world.syncs()
    assert len(one.everywhere("city")) == 1
    assert one.reports(state="open") == []


def test_the_clash_that_a_merge_ends_is_over() -> None:
    """Row 35: the record that was in the way is their own now."""
    world = World("crm", "mail")
    world.person("mail", key="m1", email="b@example.org", phone="1")
    world.pulls("mail")
    one = world.person("crm", key="c1", email="a@example.org", name="Ann")
    world.pulls("crm")
    report = Report(b"12345678", ReportKind.CLASH, one.cluster.id, None, ReportState.OPEN, system="mail")
    world.transact(lambda tx: tx.records.write(Effects(tx.at, "test", reports=[report]), tx.run))
    merges(world, "crm:c1", "mail:m1")
    world.syncs()
    assert one.reports("clash", state="open") == []
    assert one.everywhere("name") == {"Ann"}


def test_a_report_about_the_other_is_still_open() -> None:
    """What may have covered an opt-out waits for a person, whoever the record belongs to."""
    world, one, other = apart({}, {"sms_opt_in": "in"})
    number = NUMBERS["sms_opt_in"]
    report = Report(b"12345678", ReportKind.POSSIBLE_OVERWRITE, other.cluster.id, number, ReportState.OPEN)
    world.transact(lambda tx: tx.records.write(Effects(tx.at, "test", reports=[report]), tx.run))
    merges(world, "crm:c1", "mail:m1")
    assert [r.field for r in one.reports("possible_overwrite", state="open")] == ["sms_opt_in"]


def test_nothing_is_made_while_a_part_is_still_told_apart() -> None:
    """7.7: of three that were told apart two are one again; the third may be the same person still."""
    world = World("crm", "mail", "shop")
    contact = world.linked(email="ann@example.org")
    shop = contact.key("shop")
    mail = contact.key("mail")
    splits(world, f"mail:{mail}")
    splits(world, f"shop:{shop}")
    world.syncs()
    world.tables["shop"].edit("people", shop, email="other@example.org")
    world.syncs()
    merges(world, f"crm:{contact.key('crm')}", f"mail:{mail}")
    world.syncs()
    assert world.keys("shop") == [shop]


def test_a_cluster_that_was_merged_is_forgotten_in_time() -> None:
    """8.6: its tombstone is kept as long as any other."""
    world, _one, other = apart({}, {})
    gone = other.cluster.id
    merges(world, "crm:c1", "mail:m1")
    world.waits(100 * 86_400)
    forgotten = world.transact(lambda tx: tx.retention.tombstones(ENTITY, tx.at - 90 * 86_400 * 1_000_000, 0, 10))
    assert forgotten[1] == 1
    assert gone not in [cluster.id for cluster in world.clusters()]


def test_splits_and_merges_leave_nothing_behind() -> None:
    """9.2: who made an edit that is not kept, and can make none, is forgotten."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann")
    crm, mail = f"crm:{contact.key('crm')}", f"mail:{contact.key('mail')}"
    sizes = []
    for turn in range(6):
        splits(world, mail)
        world.syncs()
        merges(world, crm, mail)
        world.syncs()
        contact.edits("mail" if turn % 2 else "crm", name=f"Ann {turn}")
        world.syncs()
        assert contact.everywhere("name") == {f"Ann {turn}"}
        sizes.append(len(contact.cluster.body.actors))

    assert max(sizes[2:]) <= sizes[1], sizes
    contact.is_at_rest()


def test_a_write_that_was_not_read_back_is_judged_before_its_record_is_taken_out() -> None:
    """7.7, 5.6: what it may have covered is told by the next reading, and reported where it belongs."""
    mail = system("mail", "visible", image=False)
    world = World("crm", mail)
    contact = world.linked(email="ann@example.org", name="Ann")
    record = f"mail:{contact.key('mail')}"
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.meanwhile("mail", "writing", lambda: contact.edits("mail", name="Annie"))
    world.delivers("mail")
    with pytest.raises(Unable, match="the last write to mail was not read back yet"):
        splits(world, record)

    world.syncs()
    assert [r.field for r in contact.reports("possible_overwrite", state="open")] == ["name"]
    splits(world, record)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("dead", "is no more: its records were deleted, or it was merged into another one"),
        ("deleting", "is being deleted"),
        ("held", "decide about that first"),
    ],
)
def test_what_is_not_there_to_be_merged_says_why(state: str, says: str) -> None:
    world, _one, other = apart({}, {})
    world.db.execute("UPDATE cluster SET state = ? WHERE id = ?", (state, other.cluster.id))
    with pytest.raises(Unable, match=says):
        merges(world, "crm:c1", f"#{other.cluster.id}")
