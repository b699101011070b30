"""Overlap: from which value an incremental pull reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.sql import overlap

SPAN = 300


def pulled(times: list[int], marks: list[int]) -> list[tuple[int, int, str]]:
    """Pulls one after another: when, the highest value at its end, the cursor after it."""
    out = []
    cursor: str | None = None
    for now, mark in zip(times, marks, strict=True):
        cursor = overlap.position("at", overlap.seen_in(cursor, "at"), mark, now, SPAN)
        assert cursor is not None
        out.append((now, mark, cursor))
    return out


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), min_size=1, max_size=60))
def test_a_pull_reads_from_a_value_that_was_the_highest_long_enough_ago_and_remembers_little(
    steps: list[tuple[int, int]],
) -> None:
    times = [sum(step for step, _ in steps[: n + 1]) for n in range(len(steps))]
    marks = [sum(rise for _, rise in steps[: n + 1]) for n in range(len(steps))]
    history = pulled(times, marks)
    for place, (now, _, cursor) in enumerate(history):
        seen = overlap.seen_in(cursor, "at")
        begins = overlap.begin(seen, now, SPAN)
        old = [mark for at, mark, _ in history[: place + 1] if at <= now - SPAN]

        assert begins <= (old[-1] if old else history[0][1])
        assert len(seen) <= overlap._STEPS + 3


def test_nothing_new_leaves_the_cursor_as_it_is() -> None:
    history = pulled([0, 100, 400, 10_000], [7, 7, 7, 7])

    assert len({cursor for _, _, cursor in history}) == 1
    assert overlap.position("at", [], None, 5, SPAN) is None
