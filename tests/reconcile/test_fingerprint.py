"""Fingerprints: equal for equal values, different for all others, and useless without the key."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.fingerprint import Fingerprinter

FP = Fingerprinter(b"of this test")

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=3),
)


@given(values, values)
def test_values_have_one_fingerprint_exactly_if_they_are_equal(a: Any, b: Any) -> None:
    assert (FP(a) == FP(b)) == (type(a) is type(b) and a == b)


@given(values)
def test_a_fingerprint_has_eight_bytes_and_does_not_depend_on_what_was_asked_before(value: Any) -> None:
    assert len(FP(value)) == 8
    assert FP(value) == Fingerprinter(b"of this test")(value) == FP(value)


@given(values)
def test_another_state_file_has_other_fingerprints(value: Any) -> None:
    """Privacy: nobody can look a value up."""
    assert FP(value) != Fingerprinter(b"of another one")(value)


def test_blank_is_not_the_empty_text() -> None:
    assert FP.blank == FP(None)
    assert FP.blank not in (FP(""), FP([]), FP(0), FP(False))


@given(st.permutations([(1, 0, 1), (1, 0, 2), (2, 1, 1)]))
def test_a_report_is_named_by_its_dots_in_any_order(dots: list[tuple[int, int, int]]) -> None:
    assert FP.of_dots("conflict", 7, 3, dots) == FP.of_dots("conflict", 7, 3, [(1, 0, 1), (1, 0, 2), (2, 1, 1)])


def test_a_report_is_named_by_its_kind_cluster_and_field_too() -> None:
    names = {
        FP.of_dots("conflict", 7, 3, [(1, 0, 1)]),
        FP.of_dots("frozen", 7, 3, [(1, 0, 1)]),
        FP.of_dots("conflict", 8, 3, [(1, 0, 1)]),
        FP.of_dots("conflict", 7, None, [(1, 0, 1)]),
        FP.of_dots("conflict", 7, 3, [(1, 1, 1)]),
    }

    assert len(names) == 5
