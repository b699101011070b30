"""Policies: which of several values counts, and that it is the same one in whatever order they came."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.cluster import Binding, BindingBody, Cluster, ClusterBody
from datasyncd.reconcile.policies import Choice, resolve
from datasyncd.reconcile.register import Hold, Reg, Sib
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, Policy

SYSTEMS = ("crm", "billing", "mail")
"""In the order of the config."""


def links() -> dict[str, LinkRule]:
    return {
        name: LinkRule(
            system=name, entity="contact", object="people", rank=rank,
            fields=frozenset({1}), pulls=frozenset({1}), pushes=frozenset({1}),
        )
        for rank, name in enumerate(SYSTEMS)
    }  # fmt: skip


def rule(policy: Policy, type: str = "text") -> FieldRule:
    return FieldRule(number=1, name="field", type=type, policy=policy, authority=("billing", "mail"))


ENTITY = EntityRule(name="contact", fields={}, identify=(), links=links())


def cluster() -> Cluster:
    """A cluster with a record in each system, and actors of them and of a person: 0, 1, 2, and 3."""
    bindings = [
        Binding(10 + n, 1, name, "people", f"{name}-1", BindingBody({})) for n, name in enumerate(SYSTEMS)
    ]  # fmt: skip
    return Cluster(1, "contact", ClusterBody({}, [(10, 0), (11, 0), (12, 0), (0, 1)]), bindings=bindings)


def choose(policy: Policy, *sibs: Sib, type: str = "text", hold: int = 0) -> Choice:
    return resolve(cluster(), Reg(list(sibs), {}, hold), rule(policy, type), ENTITY)


values: dict[Policy, tuple[str, st.SearchStrategy[Any]]] = {
    Policy.LATEST: ("text", st.sampled_from(["a", "b", "c", None])),
    Policy.AUTHORITY: ("text", st.sampled_from(["a", "b", "c", None])),
    Policy.MOST_RESTRICTIVE: ("consent", st.sampled_from(["in", "out", None])),
    Policy.MAX: ("integer", st.sampled_from([1, 2, 3, None])),
    Policy.MIN: ("decimal", st.sampled_from(["1.5", "10", "9", None])),
    Policy.MANUAL: ("text", st.sampled_from(["a", "b", None])),
}


@st.composite
def siblings(draw: st.DrawFn, policy: Policy) -> list[Sib]:
    """Some siblings with different dots; times are often equal."""
    found = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=6, unique=True))
    return [Sib(actor, n, draw(values[policy][1]), draw(st.integers(0, 2))) for actor, n in found]


@pytest.mark.parametrize("policy", list(values))
@given(data=st.data())
def test_the_winner_does_not_depend_on_the_order_of_the_siblings(policy: Policy, data: st.DataObject) -> None:
    """F14, F22, F24: a total order, and nothing but the register decides."""
    sibs = data.draw(siblings(policy))
    shuffled = sibs[:]
    random.Random(data.draw(st.integers(0, 99))).shuffle(shuffled)

    assert choose(policy, *sibs, type=values[policy][0]) == choose(policy, *shuffled, type=values[policy][0])


@pytest.mark.parametrize("policy", list(values))
@given(data=st.data())
def test_the_winner_is_one_of_the_siblings(policy: Policy, data: st.DataObject) -> None:
    """F05: nothing is made up, so that a resolution can stand for its parents."""
    sibs = data.draw(siblings(policy))
    chosen = choose(policy, *sibs, type=values[policy][0])

    if chosen.decided:
        assert chosen.sib in sibs
        assert chosen.value == chosen.sib.val
    else:
        assert policy is Policy.MANUAL
        assert len({repr(sib.val) for sib in sibs}) > 1


@given(st.lists(st.sampled_from(["in", "out", None]), min_size=1, max_size=5), st.randoms())
def test_an_opt_out_wins_over_everything_and_blank_over_nothing(said: list[str | None], rng: random.Random) -> None:
    """F57, F68: the most restrictive recorded act stands; absence of one beats none."""
    sibs = [Sib(rng.randrange(4), n, value, rng.randrange(3)) for n, value in enumerate(said, start=1)]
    chosen = choose(Policy.MOST_RESTRICTIVE, *sibs, type="consent").value

    assert chosen == ("out" if "out" in said else "in" if "in" in said else None)


@given(st.data())
def test_the_largest_and_the_smallest_win_whatever_their_time(data: st.DataObject) -> None:
    for policy, pick in ((Policy.MAX, max), (Policy.MIN, min)):
        numbers = [sib for sib in data.draw(siblings(Policy.MAX)) if sib.val is not None]
        if numbers:
            assert choose(policy, *numbers, type="integer").value == pick(sib.val for sib in numbers)


def test_decimals_are_compared_as_numbers() -> None:
    assert choose(Policy.MAX, Sib(0, 1, "9"), Sib(1, 1, "10"), type="decimal").value == "10"
    assert choose(Policy.MIN, Sib(0, 1, "9"), Sib(1, 1, "10.5"), type="decimal").value == "9"


def test_dates_are_compared_as_dates() -> None:
    assert choose(Policy.MAX, Sib(0, 1, "2026-02-01"), Sib(1, 1, "2026-10-01"), type="date").value == "2026-10-01"


def test_the_latest_wins() -> None:
    assert choose(Policy.LATEST, Sib(0, 1, "old", 5), Sib(1, 1, "new", 6)).value == "new"


def test_the_first_authority_wins_over_later_ones_and_these_over_others() -> None:
    others = [Sib(0, 1, "crm", 9), Sib(3, 1, "person", 8)]

    assert choose(Policy.AUTHORITY, *others, Sib(1, 1, "billing", 1), Sib(2, 1, "mail", 7)).value == "billing"
    assert choose(Policy.AUTHORITY, *others, Sib(2, 1, "mail", 1)).value == "mail"
    assert choose(Policy.AUTHORITY, *others).value == "crm"


def test_equal_times_go_to_the_system_named_first_and_a_person_before_all() -> None:
    crm, billing, person = Sib(0, 1, "crm", 5), Sib(1, 1, "billing", 5), Sib(3, 1, "person", 5)

    assert choose(Policy.LATEST, billing, crm).value == "crm"
    assert choose(Policy.LATEST, billing, crm, person).value == "person"


def test_of_two_edits_of_one_record_at_one_time_the_later_dot_wins() -> None:
    """F15, F19: a counter orders what a clock cannot."""
    assert choose(Policy.LATEST, Sib(0, 2, "second", 5), Sib(0, 1, "first", 5)).value == "second"


def test_manual_decides_only_what_is_equal() -> None:
    assert not choose(Policy.MANUAL, Sib(0, 1, "a"), Sib(1, 1, "b")).decided
    assert choose(Policy.MANUAL, Sib(0, 1, "a"), Sib(1, 1, "a")).value == "a"
    assert choose(Policy.MANUAL, Sib(0, 1, "a")).value == "a"


@pytest.mark.parametrize("hold", [Hold.MANUAL, Hold.APART])
def test_a_hold_waits_whatever_the_policy(hold: Hold) -> None:
    assert not choose(Policy.LATEST, Sib(0, 1, "a", 1), Sib(1, 1, "b", 2), hold=hold).decided


def test_a_frozen_field_still_has_a_value() -> None:
    assert choose(Policy.LATEST, Sib(0, 1, "a", 1), Sib(1, 1, "b", 2), hold=Hold.FROZEN).value == "b"


def test_a_set_has_every_living_element() -> None:
    chosen = choose(Policy.UNION, Sib(0, 1, ["b", "d"]), Sib(1, 1, ["a", "b"]), type="set")

    assert (chosen.value, chosen.sib) == (["a", "b", "d"], None)


def test_a_field_that_nobody_filled_is_blank() -> None:
    assert choose(Policy.LATEST) == Choice(None, None)
    assert resolve(cluster(), None, rule(Policy.MAX), ENTITY) == Choice(None, None)


@pytest.mark.parametrize("policy", [*Policy])
def test_every_policy_that_a_config_may_name_can_decide(policy: Policy) -> None:
    values: tuple[Any, Any] = {Policy.UNION: (["in"], ["out"]), Policy.COUNTER: (1, 2)}.get(policy, ("in", "out"))
    sibs = [Sib(0, 1, values[0], 1), Sib(1, 1, values[1], 2)]

    assert choose(policy, *sibs).decided == (policy is not Policy.MANUAL)
