"""How far a system has been read is known together with what was read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from datasyncd.state.transaction import Tx

from .system import system
from .world import Crash, T, World


@pytest.mark.parametrize("pull_is_reading", [True, False])
def test_a_pull_that_dies_anywhere_is_taken_up_where_nothing_is_missed(pull_is_reading: bool) -> None:
    """M8; F95: in whichever of its transactions it dies, what it saw last is not passed over."""
    for step in count(1):
        mail = system("mail", incremental=True, pull_is_reading=pull_is_reading)
        world = World("crm", mail)
        first, last = world.linked(name="Ann"), world.linked(name="Ben")
        first.edits("mail", name="Anna")
        last.edits("mail", name="Benno")
        died = dies_in(world, "mail", step)
        world.restarts()
        world.syncs()

        assert (first.everywhere("name"), last.everywhere("name")) == ({"Anna"}, {"Benno"}), f"transaction {step}"
        if not died:
            assert step > 3
            return


def dies_in(world: World, name: str, number: int) -> bool:
    """Pull one system, and die at the end of a transaction; False: the pull was over before."""
    run_step = world.store._steps.run_step
    left = number

    def run(step: Callable[[Tx], T]) -> T:
        nonlocal left
        left -= 1
        return run_step(step if left else lambda tx: _then_die(tx, step))

    world.store._steps.run_step = run  # type: ignore[method-assign]
    try:
        world.pages(name)
    except Crash:
        return True
    return False


def _then_die(tx: Tx, step: Callable[[Tx], T]) -> T:
    step(tx)
    raise Crash
