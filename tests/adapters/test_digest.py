"""Digests tell rows apart by value and type, and nothing else."""

from __future__ import annotations

import pytest

from datasyncd.adapters.contract import Native
from datasyncd.adapters.digest import ABSENT, alike_but, row_digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1], ["1"]),
        ([None], [""]),
        ([None], [ABSENT]),
        (["ab", "c"], ["a", "bc"]),
        ([2**70], [2**70 + 1]),
        ([[1, 2]], [[2, 1]]),
        (["e\u0301"], ["\u00e9"]),
    ],
)
def test_different_rows_have_different_digests(one: list[Native], other: list[Native]) -> None:
    assert row_digest(one) != row_digest(other)


def test_equal_rows_have_equal_digests_whatever_holds_them() -> None:
    assert row_digest(iter([1, {"a": 1, "b": [2**70]}])) == row_digest((1, {"b": [2**70], "a": 1}))


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        ({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, True),
        ({"a": 1, "b": "x"}, {"a": 2, "b": "y"}, False),
        ({"a": 1, "b": 1}, {"a": 2, "b": True}, False),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1.0}, False),
        ({"a": 1, "b": None}, {"a": 2, "b": ""}, False),
        ({"a": 1, "b": [1]}, {"a": 2, "b": [True]}, False),
        ({"a": [1]}, {"a": [True]}, True),
    ],
)
def test_rows_are_alike_but_for_a_field(before: dict[str, Native], after: dict[str, Native], alike: bool) -> None:
    assert alike_but({"a"}, before, after) is alike
