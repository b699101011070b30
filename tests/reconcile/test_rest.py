"""At rest: nothing is written, nothing is reported, and nothing is kept longer than it is needed."""

from __future__ import annotations

import pytest

from datasyncd.adapters.errors import Throttled, Unreachable
from datasyncd.reconcile.clocks import dominates

from .world import World, linked, system


def test_only_a_reading_that_began_after_a_value_was_chosen_acknowledges_it() -> None:
    """What mail shows is what it showed before: that it has seen the way there and back is not proven."""
    contact = linked("crm", "mail", name="Ann")
    world = contact.world

    def there_and_back() -> None:
        for name in ("Anna", "Ann"):
            contact.edits("crm", name=name)
            world.pulls("crm")

    world.hears("mail", contact.key("mail"))
    world.meanwhile("mail", "reading", there_and_back)
    world.reads("mail")
    assert not dominates(contact.context("mail", "name"), contact.register("name").ctx)

    contact.syncs()
    assert (world.writes(), contact.reports()) == (0, [])
    contact.is_at_rest()


def test_an_answer_acknowledges_what_was_sent_and_not_what_came_meanwhile() -> None:
    """F23."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="Anna")

    def edited_again() -> None:
        contact.edits("crm", name="Annie")
        contact.world.pulls("crm")

    contact.world.meanwhile("mail", "written", edited_again)
    contact.syncs()

    assert contact.everywhere("name") == {"Annie"}
    assert [write.fields for write in contact.world.sent("mail")] == [{"name": "Anna"}, {"name": "Annie"}]
    contact.is_at_rest()


def test_long_histories_leave_no_trace_in_versions() -> None:
    """Bounds: one sibling, a context of as many entries as there are records, one more for a person."""
    contact = linked("crm", system("mail", "none", late_s=5.0), "shop", name="Ann", tags={"a"}, language="en")
    for round in range(6):
        contact.edits("mail", tags={"b"}, language=f"m{round}", city=f"mail {round}")
        contact.edits("crm", city=f"crm {round}", name=f"crm {round}", tags={"a", f"c{round}"}, language=f"c{round}")
        if round % 2:
            contact.loses_answer("mail", late_s=3.0)
        contact.syncs()
        contact.chooses("language", f"chosen {round}")
        contact.edits("shop", name=f"shop {round}")
        contact.syncs()
        contact.world.waits(10)
        contact.syncs()

    contact.is_at_rest()
    assert len(contact.everywhere("name")) == 1
    assert contact.binding("mail").incarnation > 0


def test_a_cluster_stays_small() -> None:
    """The byte budget: at most 1.5 kB for ten fields and two records, at rest."""
    contact = linked(
        "crm", "mail", customer="c" * 12, phone="1" * 12, name="n" * 12, city="c" * 12, stage="customer",
        status="active", sms_opt_in="out", tags={"t" * 12}, score=123_456, language="l" * 12,
    )  # fmt: skip
    for round in range(5):
        contact.edits("crm", name=f"{round:012}")
        contact.edits("mail", name=f"{round:013}")
        contact.syncs()

    [[cluster]] = contact.world.db.execute("SELECT sum(length(body) + length(keys)) FROM cluster").fetchall()
    [[bindings]] = contact.world.db.execute("SELECT sum(length(body)) FROM binding").fetchall()
    assert cluster + bindings < 1_500


def test_actors_that_can_edit_no_more_are_forgotten() -> None:
    contact = linked("crm", system("mail", "none", late_s=5.0), name="Ann")
    for round in range(4):
        contact.loses_answer("mail", late_s=3.0)
        contact.edits("crm", name=f"crm {round}")
        contact.syncs()
        contact.edits("mail", name=f"mail {round}")
        contact.syncs()
        contact.world.waits(10)
        contact.syncs()

    assert contact.binding("mail").incarnation >= 3
    contact.is_at_rest()


def test_edits_that_come_faster_than_they_are_delivered_keep_siblings_few() -> None:
    contact = linked("crm", "mail", "shop", name="Ann")
    for round in range(30):
        for name in ("crm", "mail", "shop"):
            contact.edits(name, name=f"{name} {round}")
            contact.world.pulls(name)
        assert len(contact.register("name").sibs) <= 3 + 4

    contact.syncs()
    contact.is_at_rest()


def test_more_values_than_anybody_can_follow_freeze_the_field() -> None:
    """Bounds: more than sixteen that differ; nothing is dropped, and opt-outs pass."""
    names = [f"s{number}" for number in range(17)]
    contact = linked(*names, name="Ann", sms_opt_in="in")
    assert contact.reports() == []
    for name in names:
        contact.edits(name, name=name)
    contact.edits("s3", sms_opt_in="out")
    for name in names:
        contact.world.pulls(name)
    contact.syncs()

    assert contact.shows("name") == {name: name for name in names}
    assert contact.everywhere("sms_opt_in") == {"out"}
    assert [(r.kind, r.field) for r in contact.reports("frozen", state="open")] == [("frozen", "name")]

    contact.chooses("name", "Anna")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


def test_a_system_that_is_out_of_reach_does_not_stop_the_others_and_loses_nothing() -> None:
    """F93, F94, F96."""
    contact = linked("crm", "mail", "shop", name="Ann")
    contact.world.is_down("mail")
    contact.edits("crm", name="Anna")
    contact.syncs()
    assert contact.shows("name") == {"crm": "Anna", "mail": "Ann", "shop": "Anna"}
    assert set(contact.world.failed) == {"mail"}

    contact.world.is_up("mail")
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


@pytest.mark.parametrize("error", [Throttled("wait", 60.0), Unreachable("gone")])
def test_a_call_that_fails_before_a_batch_is_sent_leaves_no_write_of_it_open(error: Exception) -> None:
    """F93: the search for one record fails, while the write of another one is noted already."""
    world = World("crm", "mail")
    contact = world.linked(email="ann@example.org", name="Ann")
    contact.edits("crm", name="Anna")
    other = world.person("crm", email="bob@example.org", name="Bob")
    world.pulls("crm")

    world.is_down("mail", error)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        world.delivers("mail", pulled=False)
    assert contact.cluster.attempts == []

    world.is_up("mail")
    world.waits(70)
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert other.everywhere("name") == {"Bob"}
    contact.is_at_rest()


@pytest.mark.parametrize("error", [Throttled("wait", 60.0), Unreachable("gone")])
def test_a_call_that_fails_in_the_middle_of_a_page_leaves_what_was_taken(error: Exception) -> None:
    """F27, F29: and the rest is read again."""
    world = World(system("crm", page=2), "mail")
    for number in range(6):
        world.creates("crm", email=f"{number}@example.org", name="Ann")
    world.meanwhile("crm", "page", lambda: world.desks["crm"].script.failures.append(error))  # type: ignore[arg-type]
    world.cycle()
    assert len(world.clusters()) == 2

    world.syncs()
    assert len(world.keys("mail")) == 6
    assert world.quarantine() == []


def test_a_cycle_after_a_restart_finds_nothing_to_do() -> None:
    contact = linked("crm", "mail", "shop", name="Ann", sms_opt_in="out", tags={"a"})
    contact.edits("crm", name="Anna")
    contact.syncs()
    writes = contact.world.writes()

    contact.world.restarts()
    contact.syncs()

    assert contact.world.writes() == writes
    contact.is_at_rest()


def test_an_unchanged_record_costs_nothing() -> None:
    """F06: a version that moves without a value is no change."""
    contact = linked("crm", "mail", name="Ann")
    revision = contact.cluster.revision
    for _ in range(3):
        contact.edits("crm", name="Ann")
        contact.syncs()

    assert (contact.cluster.revision, contact.world.writes()) == (revision, 0)


def test_a_wait_that_a_system_asked_for_is_kept_although_something_was_edited() -> None:
    """F92: an edit makes a row due, and the system has still asked us to wait."""
    contact = linked("crm", "mail", name="Ann")
    contact.edits("crm", name="Anna")
    contact.world.desks["mail"].script.failures.append(Throttled("wait", 60.0))
    contact.world.pulls("crm")
    with pytest.raises(Throttled):
        contact.world.delivers("mail")

    contact.edits("crm", name="Annie")
    contact.world.pulls("crm")
    contact.world.delivers("mail")

    assert contact.shows("name")["mail"] == "Ann"
