"""Creates whose answer was lost, in systems that know one by its key: sent again just as they were, or not at all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from datasyncd.adapters.errors import Throttled, Unreachable

from .world import Contact, World, system


def lost(*, landed: bool = True, late_s: float | None = None, **mail: Any) -> Contact:
    """A person whose record was to be made in a system that shows it late; its answer was lost."""
    world = World("crm", system("mail", "none", create_key=True, late_s=60.0, search_lag_s=30.0, lag_s=20.0, **mail))
    contact = world.person("crm", email="ann@example.org", name="Ann", points=3)
    world.pulls("crm")
    contact.loses_answer("mail", landed=landed, late_s=late_s)
    world.delivers("mail")
    return contact


def keys_sent(contact: Contact) -> list[str]:
    return [write.idem_key for write in contact.world.sent("mail") if write.op == "create"]


@pytest.mark.parametrize("landed", [True, False])
def test_it_is_repeated_under_its_key_and_makes_one_record(landed: bool) -> None:
    """F49: nobody waits until it can land no more, and searches say nothing of it."""
    contact = lost(landed=landed)
    world = contact.world
    assert contact.exists_in() == {"crm"}

    world.waits(1.1)
    world.delivers("mail")

    first, second = world.sent("mail")
    assert (first.op, first.fields, first.idem_key, first.origin) == (
        second.op, second.fields, second.idem_key, second.origin,
    )  # fmt: skip
    assert contact.exists_in() == {"crm", "mail"}
    world.waits(100)
    contact.syncs()
    assert len(world.keys("mail")) == 1
    assert contact.everywhere("points") == {3}
    assert (contact.reports(), world.quarantine()) == ([], [])
    contact.is_at_rest()


def test_it_is_the_first_one_that_lands_late_which_is_known_by_the_key() -> None:
    contact = lost(late_s=40.0)
    world = contact.world
    world.waits(1.1)
    world.delivers("mail")
    world.waits(45)
    contact.syncs()
    world.waits(100)
    contact.syncs()

    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


def test_an_edit_in_the_record_before_it_is_known_is_kept() -> None:
    """The answer to a repeated key tells of the first one, and is nobody's reading."""
    contact = lost()
    world = contact.world
    (key,) = world.keys("mail")
    world.tables["mail"].edit("people", key, name="Anna")

    world.waits(1.1)
    world.delivers("mail")
    world.waits(100)
    contact.syncs()

    assert contact.everywhere("name") == {"Anna"}
    contact.is_at_rest()


def test_it_is_not_repeated_with_another_content() -> None:
    """A key stands for one content: systems refuse another one, or take the first."""
    contact = lost(landed=False)
    world = contact.world
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    world.waits(50)
    world.delivers("mail")
    assert len(keys_sent(contact)) == 1

    world.waits(100)
    contact.syncs()

    assert len(set(keys_sent(contact))) == 2
    world.waits(100)
    contact.syncs()
    assert contact.everywhere("name") == {"Anna"}
    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


def test_an_edit_that_was_taken_back_does_not_keep_it_from_being_repeated() -> None:
    contact = lost()
    world = contact.world
    contact.edits("crm", name="Anna")
    world.pulls("crm")
    contact.edits("crm", name="Ann")
    world.pulls("crm")
    world.waits(1.1)
    world.delivers("mail")
    assert len(set(keys_sent(contact))) == 1
    assert contact.exists_in() == {"crm", "mail"}

    world.waits(100)
    contact.syncs()
    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


@pytest.mark.parametrize("error", [Throttled("slow down", 5.0), Unreachable("gone")])
def test_a_repetition_that_was_not_sent_says_nothing_of_the_first_one(error: Exception) -> None:
    contact = lost()
    world = contact.world
    world.waits(1.1)
    world.is_down("mail", error)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        world.delivers("mail")

    (attempt,) = contact.cluster.attempts
    assert attempt.status == "unknown"
    world.is_up("mail")
    world.waits(100)
    contact.syncs()
    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


def test_a_repetition_that_is_refused_says_nothing_of_the_first_one() -> None:
    refusing: list[str] = []
    contact = lost(late_s=30.0, refuses=lambda field, value: "not today" if refusing and field == "name" else None)
    world = contact.world
    refusing.append("name")
    world.waits(1.1)
    world.delivers("mail")
    assert len(keys_sent(contact)) == 2
    (attempt,) = contact.cluster.attempts
    assert (attempt.status, contact.reports()) == ("unknown", [])

    refusing.clear()
    world.waits(200)
    contact.syncs()
    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


def test_a_process_that_died_before_the_answer_repeats_it_at_its_next_start() -> None:
    world = World("crm", system("mail", "none", create_key=True, late_s=60.0, search_lag_s=30.0, lag_s=20.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.dies("mail", "written")
    assert len(world.keys("mail")) == 1

    world.syncs()

    assert len(set(keys_sent(contact))) == 1
    assert contact.exists_in() == {"crm", "mail"}
    world.waits(100)
    contact.syncs()
    assert len(world.keys("mail")) == 1
    contact.is_at_rest()


def test_it_is_repeated_ever_more_seldom_and_no_longer_than_its_key_is_known() -> None:
    contact = lost(landed=False)
    world = contact.world
    for _ in range(10):
        contact.loses_answer("mail", landed=False)
    tried: list[int] = []
    for second in range(400):
        world.waits(1)
        before = len(keys_sent(contact))
        world.delivers("mail")
        tried.extend([second] * (len(keys_sent(contact)) - before))

    assert len(set(keys_sent(contact))) == 1
    assert tried[0] <= 2
    assert tried[-1] < 90
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps == sorted(gaps)
    assert len(tried) <= 6


def test_a_record_that_may_be_the_one_keeps_it_from_being_repeated() -> None:
    """It has a key of two people's: a person says whose it is."""
    world = World("crm", system("mail", "none", create_key=True, late_s=60.0, search_lag_s=30.0))
    world.linked(email="ben@example.org", name="Ben")
    contact = world.person("crm", email="ann@example.org", phone="+14155550100", name="Ann")
    world.pulls("crm")
    contact.loses_answer("mail", landed=False)
    world.delivers("mail")
    twin = world.creates("mail", email="ben@example.org", phone="+14155550100", name="Somebody")
    world.pulls("mail")
    assert [row.ext_id for row in world.quarantine()] == [twin]

    world.waits(10)
    world.delivers("mail")

    assert len(keys_sent(contact)) == 1


def test_without_a_key_it_is_not_repeated() -> None:
    world = World("crm", system("mail", "none", late_s=60.0, search_lag_s=30.0))
    contact = world.person("crm", email="ann@example.org", name="Ann")
    world.pulls("crm")
    contact.loses_answer("mail", landed=False)
    world.delivers("mail")
    world.waits(50)
    world.delivers("mail")

    assert len(keys_sent(contact)) == 1
