"""The table of lost updates is what is measured, in the page and in what `check` says."""

from __future__ import annotations

import pytest

from datasyncd.daemon.check import HOT_LOST, HOT_LOST_COMPARED, HOT_WINDOW_MS
from tests.benchmarks.hot_edits import IN_MEMORY, PAGE, PERSONS, STORES, HotClass, Shown, rows_of
from tests.benchmarks.hot_virtual import STEP_S
from tests.servers.postgres import Server

FEW = 40
ENOUGH = 1000
"""Edits of which a row in the page must tell."""

table = dict(rows_of(PAGE.read_text(encoding="utf-8")))


def is_near(share: float, other: float) -> bool:
    """Of one order of magnitude: a small run is no more exact than that."""
    return other / 2 < share < other * 2


def share(row: Shown) -> float:
    return row.lost / row.edits


@pytest.mark.parametrize("each", IN_MEMORY, ids=lambda each: each.name)
def test_a_class_in_memory_loses_what_the_page_says(each: HotClass, postgres: Server) -> None:
    counted = each.measured(range(1), PERSONS, postgres)

    row = table[each.name]
    assert (counted.unseen + counted.told == 0) == each.conditional == (row.lost == 0)
    assert each.conditional or is_near(counted.share, share(row))
    assert counted.conflicts
    assert counted.mistaken == 0


def test_what_shows_a_counter_loses_nothing_unseen(postgres: Server) -> None:
    (visible,) = [each for each in IN_MEMORY if "`visible`" in each.name]

    counted = visible.measured(range(1, 2), PERSONS, postgres)

    assert counted.told
    assert counted.unseen == 0
    assert table[visible.name].told == table[visible.name].lost


def test_check_says_what_the_page_says() -> None:
    # The way back of the reading and two steps of the write, each of them half as long on average.
    assert round(1000 * 3 * STEP_S / 2) == HOT_WINDOW_MS
    open_classes = [share(table[each.name]) for each in IN_MEMORY if not each.conditional][:-1]
    assert open_classes
    assert all(is_near(HOT_LOST, lost) for lost in open_classes)
    without_a_lock = [row for name, row in table.items() if name.endswith("without a lock")]
    assert without_a_lock
    assert all(share(row) < HOT_LOST_COMPARED for row in without_a_lock)


def test_the_page_tells_of_every_class() -> None:
    assert list(table) == [each.name for each in [*IN_MEMORY, *STORES]]
    assert all(row.edits >= ENOUGH for row in table.values())


@pytest.mark.parametrize("each", STORES, ids=lambda each: each.name)
def test_a_store_loses_nothing_where_stale_writes_are_refused(each: HotClass, postgres: Server) -> None:
    """F23."""
    counted = each.measured(range(1), FEW, postgres)

    assert counted.edits == 2 * FEW
    assert counted.unseen + counted.told <= (0 if each.conditional else 1)
    assert counted.mistaken == 0 or not each.conditional
    assert table[each.name].lost == 0 or not each.conditional
