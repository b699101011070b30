"""Clocks: the laws that version vectors obey."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.clocks import Ctx, covers, dominates, join, minimum

contexts = st.dictionaries(st.integers(0, 4), st.integers(1, 5), max_size=5)
dots = st.tuples(st.integers(0, 4), st.integers(1, 5))


@given(contexts, contexts)
def test_join_does_not_depend_on_who_comes_first(a: Ctx, b: Ctx) -> None:
    assert join(a, b) == join(b, a)


@given(contexts, contexts, contexts)
def test_join_does_not_depend_on_the_grouping(a: Ctx, b: Ctx, c: Ctx) -> None:
    assert join(join(a, b), c) == join(a, join(b, c))


@given(contexts)
def test_join_with_itself_says_nothing_new(a: Ctx) -> None:
    assert join(a, a) == a


@given(contexts, contexts, dots)
def test_join_has_seen_exactly_what_either_has(a: Ctx, b: Ctx, dot: tuple[int, int]) -> None:
    assert covers(join(a, b), *dot) == (covers(a, *dot) or covers(b, *dot))


@given(st.lists(contexts, min_size=1, max_size=4), dots)
def test_the_minimum_has_seen_exactly_what_all_have(some: list[Ctx], dot: tuple[int, int]) -> None:
    assert covers(minimum(some), *dot) == all(covers(ctx, *dot) for ctx in some)


@given(st.lists(contexts, min_size=1, max_size=4))
def test_nothing_is_kept_of_actors_that_nobody_has_seen(some: list[Ctx]) -> None:
    assert 0 not in minimum(some).values()
    assert 0 not in join(some[0], some[-1]).values()


@given(contexts)
def test_a_context_dominates_itself_and_the_empty_one(a: Ctx) -> None:
    assert dominates(a, a)
    assert dominates(a, {})


@given(contexts, contexts)
def test_two_contexts_that_dominate_each_other_are_equal(a: Ctx, b: Ctx) -> None:
    assert (dominates(a, b) and dominates(b, a)) == (a == b)


@given(contexts, contexts, contexts)
def test_what_dominates_a_dominant_context_dominates_too(a: Ctx, b: Ctx, c: Ctx) -> None:
    highest, middle = join(join(a, b), c), join(a, b)

    assert dominates(highest, middle)
    assert dominates(middle, a)
    assert dominates(highest, a)
    assert not (dominates(a, b) and dominates(b, c)) or dominates(a, c)


@given(contexts, contexts)
def test_to_dominate_is_to_be_left_as_it_is_by_a_join(a: Ctx, b: Ctx) -> None:
    assert dominates(a, b) == (join(a, b) == a)


@given(contexts, contexts)
def test_arguments_are_never_changed(a: Ctx, b: Ctx) -> None:
    before = (dict(a), dict(b))

    join(a, b)
    minimum([a, b])

    assert (a, b) == before
