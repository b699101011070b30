"""Digests tell rows apart by value and type, and nothing else."""

from __future__ import annotations

import pytest

from datasyncd.adapters.contract import Native
from datasyncd.adapters.digest import ABSENT, row_digest


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
