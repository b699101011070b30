"""A history that breaks is told as the least of it that still does: who edited what, what was read and written."""

from __future__ import annotations

from datasyncd.daemon.simulation.history import Cut, History, run
from datasyncd.daemon.simulation.runner import run_part
from datasyncd.daemon.simulation.shrink import shrunk

from .mutants import MUTANTS, living

COMPARES_VALUES = next(mutant for mutant in MUTANTS if mutant.number == 2)


def test_a_broken_history_shrinks_to_a_story_of_few_edits() -> None:
    with living(COMPARES_VALUES):
        seed = next(each.seed for each in run_part(range(200)).broken if "P2" in each.text)
        smallest = shrunk(seed)
        again = shrunk(seed)
    history = History(seed)
    history.close()

    assert smallest is not None
    assert smallest == again
    assert "P2" in smallest.broken
    edits = [line for line in smallest.story if line.who == "people" and line.what.startswith("edit")]
    assert 2 <= len(edits) <= 4
    assert len(smallest.cut.acts) >= history.shape.habits.edits - 3
    who = {line.who for line in smallest.story}
    assert who & {"a", "b", "c"}
    assert "push" in who


def test_a_history_that_holds_has_no_least() -> None:
    assert shrunk(1) is None


def test_an_act_that_is_left_out_leaves_the_others_as_they_were() -> None:
    whole: list[str] = []
    part: list[str] = []
    run(4, lambda line: whole.append(line.what) if line.who == "people" else None)
    run(4, lambda line: part.append(line.what) if line.who == "people" else None, Cut(frozenset({0})))

    assert 0 < len(part) < len(whole)
