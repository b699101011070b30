"""Counters: what is counted in several systems at the same time adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.counter import LARGEST, put_step, step, total
from datasyncd.reconcile.register import Reg, Sib

from .world import World, linked, system


def test_steps_made_in_two_systems_at_the_same_time_add_up() -> None:
    contact = linked("shop", "till", points=10)

    contact.edits("shop", points=15)
    contact.edits("till", points=12)
    contact.syncs()

    assert contact.everywhere("points") == {17}
    assert contact.conflicts() == []
    contact.is_at_rest()


def test_a_step_of_a_decimal_counter_is_exact() -> None:
    contact = linked("shop", "till", balance="0.1")

    contact.edits("shop", balance="0.3")
    contact.edits("till", balance="0.05")
    contact.syncs()

    assert contact.everywhere("balance") == {"0.25"}


def test_a_counter_may_go_down_and_below_nothing() -> None:
    contact = linked("shop", "till", points=2)
    contact.edits("shop", points=0)
    contact.edits("till", points=-3)
    contact.syncs()
    assert contact.everywhere("points") == {-5}


def test_the_first_record_gives_the_base_and_another_none() -> None:
    """Two stores that know the same points before they meet do not double them."""
    world = World("shop", "till")
    contact = world.person("shop", email="ann@example.org", points=40)
    contact.recreates("till", email="ann@example.org", points=7)
    contact.syncs()

    assert contact.everywhere("points") == {40}
    assert [report.kind for report in contact.reports()] == ["overruled"]

    contact.edits("till", points=41)
    contact.syncs()
    assert contact.everywhere("points") == {41}


def test_a_step_in_a_record_of_ours_before_it_was_first_read_is_reported() -> None:
    """Nobody can tell it from a value that the system gives to new records: it is not counted, and not lost unseen."""
    till = system("till", "none", image=False, pull=("points",))
    world = World("shop", till)
    contact = world.person("shop", email="ann@example.org", points=3)
    world.pulls("shop")
    world.delivers("till")
    contact.edits("till", points=3)
    contact.syncs()

    assert contact.everywhere("points") == {3}
    assert [report.kind for report in contact.reports()] == ["uncertain"]


def test_a_blank_counts_as_nothing() -> None:
    contact = linked("shop", "till", name="Ann")
    contact.edits("shop", points=5)
    contact.edits("till", points=3)
    contact.syncs()
    assert contact.everywhere("points") == {8}


def test_what_only_reads_adds_and_is_not_written() -> None:
    world = World("shop", system("till", "none", pull=("points",)))
    contact = world.linked(points=1)
    contact.edits("till", points=4)
    contact.syncs()
    contact.edits("till", points=6)
    contact.edits("shop", points=14)
    contact.syncs()

    assert contact.shows("points") == {"shop": 16, "till": 6}
    assert contact.conflicts() == []


def test_a_step_made_while_a_write_is_under_way_is_reported_as_uncertain() -> None:
    contact = linked("shop", "till", points=1)
    contact.edits("shop", points=5)
    contact.world.pulls("shop")
    contact.loses_answer("till", landed=False)
    contact.world.delivers("till")
    contact.edits("till", points=2)
    contact.syncs()

    assert contact.everywhere("points") == {6}
    assert contact.reports("uncertain")


def test_a_step_back_to_what_a_write_under_way_sent_is_reported_as_uncertain() -> None:
    """Seed 22 of the simulation: it looks like our own write that lands late."""
    contact = linked("shop", "till", points=1)
    contact.edits("shop", points=5)
    contact.world.pulls("shop")
    contact.loses_answer("till", landed=False)
    contact.world.delivers("till")
    contact.edits("till", points=5)
    contact.syncs()

    assert contact.everywhere("points") == {5}
    assert [report.kind for report in contact.reports()] == ["uncertain"]


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_sum_does_not_depend_on_the_order_in_which_steps_arrive(steps: list[int], random: object) -> None:
    sibs = [Sib(actor, 1, by) for actor, by in enumerate(steps)]
    shuffled = list(sibs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    sums = []
    for order in (sibs, shuffled):
        reg = Reg([], {})
        for sib in order:
            put_step(reg, sib)
        sums.append(total(reg))
    assert sums == [sum(steps)] * 2


@given(st.decimals(-(10**9), 10**9, places=4), st.decimals(-(10**9), 10**9, places=4))
def test_a_step_and_what_was_before_give_what_is_now(before: object, now: object) -> None:
    reg = Reg([], {})
    put_step(reg, Sib(0, 1, step(None, _text(before))))
    put_step(reg, Sib(1, 1, step(_text(before), _text(now))))
    assert total(reg) == _text(now)


def test_steps_of_one_actor_are_one_sibling() -> None:
    reg = Reg([], {})
    put_step(reg, Sib(0, 1, 5))
    put_step(reg, Sib(0, 2, 3))
    assert (len(reg.sibs), reg.ctx, total(reg)) == (1, {0: 2}, 8)


def test_a_whole_number_stays_one_that_every_store_can_hold() -> None:
    assert step(-LARGEST, LARGEST) == LARGEST


def _text(number: object) -> str:
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text
