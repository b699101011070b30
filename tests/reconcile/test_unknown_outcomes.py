"""Writes whose outcome nobody knows: what lands late never hides an edit, and nothing is made twice."""

from __future__ import annotations

import pytest

from datasyncd.reconcile.clocks import dominates

from .world import World, linked, system


@pytest.mark.parametrize("read_between", [True, False])
def test_an_edit_under_a_late_write_and_an_edit_over_it_are_both_kept(read_between: bool) -> None:
    """M12, M13: `v1` was written twice, the first time without an answer; somebody wrote `a1`, the first `v1` landed
    over it, and somebody wrote `a2` over that."""
    contact = linked("crm", system("mail", "none", late_s=60.0), name="Ann")
    world = contact.world
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", name="v1")
    contact.syncs()
    assert [write.fields for write in world.sent("mail")] == [{"name": "v1"}, {"name": "v1"}]
    contact.edits("mail", name="a1")
    world.pulls("mail")

    world.waits(30)
    assert contact.shows("name")["mail"] == "v1"
    if read_between:
        world.pulls("mail")
    contact.edits("mail", name="a2")
    world.pulls("mail")

    assert {"a1", "a2"} <= set(contact.siblings("name"))
    assert not dominates(contact.context("mail", "name"), contact.register("name").ctx)
    world.waits(61)
    contact.syncs()
    assert contact.everywhere("name") == {"a2"}
    contact.is_at_rest()


def test_a_reading_that_began_before_an_edit_does_not_use_up_the_hint_of_that_edit() -> None:
    """M45: two readings of one hint are in flight; the first ends, an edit and its hint come, the second ends."""
    contact = linked("crm", system("mail", "none"), name="Ann")
    world, key = contact.world, contact.key("mail")

    def first_reading_ends_then_an_edit_comes() -> None:
        world.reads("mail")
        contact.edits("mail", name="Anna")
        world.hears("mail", key)

    world.hears("mail", key)
    world.meanwhile("mail", "reading", first_reading_ends_then_an_edit_comes)
    world.reads("mail")

    assert world.is_to_be_read("mail") == [key]
    world.reads("mail")
    assert contact.siblings("name") == ["Anna"]


@pytest.mark.parametrize("image", [True, False])
def test_an_edit_in_a_record_that_we_made_has_seen_what_we_sent(image: bool) -> None:
    """M46: the answer proved the record ours, so that a slow clock over there does not let our own value win."""
    mail = system("mail", "none", late_s=60.0, search_lag_s=30.0, image=image, edited_at=True)
    world = World("crm", mail)
    contact = world.person("crm", email="ann@example.org", name="v1")
    world.pulls("crm")
    world.delivers("mail")

    contact.edits("mail", at=-86_400.0, name="a1")
    world.pulls("mail")

    assert contact.siblings("name") == ["a1"]
    contact.syncs()
    assert contact.everywhere("name") == {"a1"}
    assert contact.reports() == []


def test_the_image_of_a_create_is_believed_where_the_answer_can_mean_no_other_one() -> None:
    """A database whose writes may land late answers a create in the transaction that made it."""
    world = World("crm", system("shop", late_s=30.0), system("mail", late_s=30.0, pull_is_reading=False))
    contact = world.person("crm", email="ann@example.org", name="v1")
    world.pulls("crm")

    world.delivers("shop")
    world.delivers("mail")

    assert world.is_to_be_read("shop") == []
    assert world.is_to_be_read("mail") == world.keys("mail")
    assert [attempt.system for attempt in contact.cluster.attempts] == ["mail"]


@pytest.mark.parametrize("pull_is_reading", [True, False])
def test_a_record_of_ours_that_could_be_two_peoples_is_never_bound_by_a_key_that_came_later(
    pull_is_reading: bool,
) -> None:
    """M47: only a person may say whose it is, and nothing more is made for them there."""
    mail = system(
        "mail", "none", late_s=60.0, search_lag_s=30.0, lag_s=20.0, only=("email", "name"),
        pull_is_reading=pull_is_reading,
    )  # fmt: skip
    world = World("crm", mail)
    ann = world.person("crm", email="shared@example.org", customer="ann", name="Ann")
    world.pulls("crm")
    ann.loses_answer("mail")
    world.delivers("mail")
    ann.edits("crm", email="ann@example.org")
    world.pulls("crm")
    bob = world.person("crm", email="shared@example.org", customer="bob", name="Bob")
    world.pulls("crm")
    bob.loses_answer("mail", landed=False)
    world.delivers("mail")
    made = world.keys("mail")
    world.waits(25)
    world.syncs()
    assert [(row.ext_id, row.kind) for row in world.quarantine()] == [(made[0], "ambiguous")]

    world.tables["mail"].edit("people", made[0], email="ann@example.org")
    world.waits(200)
    world.syncs()
    world.waits(200)
    world.syncs()

    assert [binding.system for cluster in world.clusters() for binding in cluster.bindings] == ["crm", "crm"]
    assert world.keys("mail") == made
    assert len(world.quarantine()) == 1


def test_a_create_without_an_answer_that_landed_is_bound_once_it_is_seen() -> None:
    """F49: nobody's record but ours."""
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0, lag_s=20.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail")
    contact.syncs()
    assert contact.exists_in() == {"crm"}

    world.waits(25)
    contact.syncs()
    assert contact.exists_in() == {"crm", "mail"}
    world.waits(100)
    contact.syncs()

    assert len(world.keys("mail")) == 1
    assert (contact.reports(), world.quarantine()) == ([], [])
    contact.is_at_rest()


def test_a_create_that_lands_late_is_the_only_one() -> None:
    """F49, M38: it waits as long as it may still land."""
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail", late_s=50.0)
    contact.syncs()
    world.waits(40)
    contact.syncs()
    assert world.keys("mail") == []

    world.waits(20)
    contact.syncs()
    world.waits(100)
    contact.syncs()

    assert len(world.keys("mail")) == 1
    assert contact.everywhere("name") == {"Ann"}
    contact.is_at_rest()


def test_a_lost_create_is_made_in_the_first_cycle_in_which_it_can_land_no_more() -> None:
    """Where pulls tell only what changed, one of everything is asked for in time, and no sooner."""
    world = World("crm", system("mail", incremental=True, late_s=30.0, search_lag_s=60.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail", landed=False)
    contact.syncs()
    mail = world.links["mail"]
    for seconds in (31, 58):
        world.waits(seconds)
        world.cycle()
        assert (len(world.sent("mail")), mail.wants_full) == (1, False)

    world.waits(2)
    world.delivers("mail")
    assert mail.wants_full
    mail.wants_full = False
    world.cycle()

    assert len(world.sent("mail")) == 2
    assert contact.everywhere("name") == {"Ann"}
    contact.is_at_rest()


def test_a_record_that_is_kept_out_does_not_keep_a_lost_create_from_ending() -> None:
    """What was judged before, and is as it was then, is not of unknown identity."""
    world = World("crm", system("mail", late_s=60.0))
    world.linked(email="ben@example.org", name="Ben")
    world.creates("mail", email="ben@example.org", name="Ben too")
    world.syncs()
    assert [row.kind for row in world.quarantine()] == ["duplicate"]
    contact = world.person("crm", email="ann@example.org", name="Ann")
    contact.loses_answer("mail", landed=False)
    contact.syncs()
    world.waits(100)

    contact.syncs()

    assert contact.exists_in() == {"crm", "mail"}
    contact.is_at_rest()


def test_time_alone_never_ends_a_write_of_unknown_outcome() -> None:
    """M40: only a reading that began afterwards does."""
    contact = linked("crm", system("mail", "none", late_s=60.0), name="Ann")
    contact.loses_answer("mail")
    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.ghosts() == 1

    contact.world.is_down("mail")
    contact.world.waits(1000)
    contact.syncs()
    assert contact.ghosts() == 1

    contact.world.is_up("mail")
    contact.syncs()
    contact.is_at_rest()


def test_a_reading_that_leaves_a_field_out_does_not_end_a_write_of_that_field() -> None:
    contact = linked("crm", system("mail", "none", late_s=60.0), name="Ann")
    contact.loses_answer("mail")
    contact.edits("crm", name="Anna")
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    contact.world.desks["mail"].absent.add("name")
    contact.world.waits(61)
    contact.world.pulls("mail")
    assert contact.ghosts() == 1

    contact.world.desks["mail"].absent.clear()
    contact.world.waits(1)
    contact.syncs()
    contact.is_at_rest()


def test_a_newer_version_without_the_field_does_not_end_a_write_of_that_field() -> None:
    """What landed would be taken for somebody's step once the field is read again."""
    contact = linked("crm", "mail", points=0)
    contact.loses_answer("mail")
    contact.edits("crm", points=1)
    contact.world.desks["mail"].absent.add("points")
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    contact.world.pulls("mail")
    contact.world.desks["mail"].absent.clear()
    contact.syncs()

    assert contact.everywhere("points") == {1}
    contact.is_at_rest()


def test_a_value_that_cannot_be_read_is_there_all_the_same_and_ends_a_write() -> None:
    """Present and untranslatable is not absent."""
    mail = system("mail", "none", late_s=60.0, stored_form=lambda f, v: "gold" if v == "customer" else v, image=False)
    contact = linked("crm", mail, stage="lead")
    contact.loses_answer("mail")
    contact.edits("crm", stage="customer")
    contact.syncs()

    contact.world.waits(61)
    contact.syncs()

    assert contact.ghosts() == 0


def test_an_update_without_answers_is_repeated_only_so_often() -> None:
    """Bounds: at most eight writes of unknown outcome for one record."""
    contact = linked("crm", system("mail", "none", late_s=10_000.0), name="Ann")
    for _ in range(20):
        contact.loses_answer("mail", landed=False)
    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.ghosts() == 8

    contact.world.desks["mail"].script.fates.clear()
    contact.world.waits(10_001)
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.world.waits(10_001)
    contact.syncs()
    contact.is_at_rest()


@pytest.mark.parametrize("condition", ["enforced", "none"])
def test_a_delete_without_an_answer_is_our_own_when_the_record_is_gone(condition: str) -> None:
    """F72: no edit anywhere is lost to it, and it is not taken for somebody else's delete."""
    contact = linked("crm", system("mail", condition), "shop", name="Ann")
    contact.loses_answer("mail")
    contact.deletes("crm")
    contact.syncs()

    assert (contact.state(), contact.exists_in(), contact.reports()) == ("dead", set(), [])


def test_a_delete_that_never_landed_is_sent_again() -> None:
    contact = linked("crm", "mail", name="Ann")
    contact.loses_answer("mail", landed=False)
    contact.deletes("crm")
    contact.syncs()

    assert (contact.state(), contact.exists_in()) == ("dead", set())


def test_what_a_late_set_explains_is_nobodys_edit() -> None:
    """Elements that came with a write of ours are not additions of somebody else; the rest is."""
    contact = linked("crm", system("mail", "none", late_s=60.0), tags={"a"})
    contact.loses_answer("mail", late_s=30.0)
    contact.edits("crm", tags={"a", "b"})
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    contact.world.waits(30)
    contact.edits("mail", tags={"a", "b", "c"})
    contact.world.pulls("mail")

    contact.edits("crm", tags={"a"})
    contact.world.waits(61)
    contact.syncs()

    assert contact.everywhere("tags") == {frozenset({"a", "c"})}
    assert [r.kind for r in contact.reports()] == ["uncertain"]


@pytest.mark.parametrize(
    ("order", "landed"), [("counter", True), ("unique", True), ("digest", True), ("counter", False)]
)
def test_a_set_that_is_as_it_was_before_a_lost_write_may_have_been_taken_back(order: str, landed: bool) -> None:
    """The write landed and somebody emptied the set, before anybody looked: nothing shows that, so it is said."""
    contact = linked("crm", system("mail", version_order=order), tags={"a"}, name="Ann")
    contact.loses_answer("mail", landed=landed)
    contact.edits("crm", tags={"a", "b"})
    contact.world.pulls("crm")
    contact.world.delivers("mail")
    if landed:
        contact.edits("mail", tags={"a"})
    contact.world.waits(1)
    contact.syncs()

    assert contact.everywhere("tags") == {frozenset({"a", "b"})}
    assert [r.kind for r in contact.reports()] == (["uncertain"] if landed else [])
    contact.is_at_rest()


def test_a_renamed_record_whose_answer_was_lost_keeps_its_identity() -> None:
    """A key that is a mapped field: our own change of it is one write, whatever becomes of the answer."""
    world = World("crm", system("mail", key="email", assigns_key=False))
    contact = world.linked(email="ann@example.org", name="Ann")
    contact.loses_answer("mail")
    contact.edits("crm", email="anna@example.org")
    contact.syncs()

    assert world.keys("mail") == ["anna@example.org"]
    assert contact.binding("mail").ext_id == "anna@example.org"
    assert (contact.state(), contact.reports(), len(world.clusters())) == ("live", [], 1)
    contact.is_at_rest()
