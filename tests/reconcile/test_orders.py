"""The order in which systems are read is no fact: the same edits, read in fifty orders, give one state."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import pytest

from datasyncd.reconcile.cluster import Binding, Cluster
from datasyncd.reconcile.effects import Effects
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.observe import Observer
from datasyncd.reconcile.reading import Reading

from .world import NUMBERS, SECOND, World

ORDERS = 50
SYSTEMS = ("crm", "mail", "shop")
HISTORIES = 40
Edits: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
EDITS: Edits = {
    "crm": [{"name": "Anna"}, {"name": "Anne", "tags": ["a", "b"]}, {"points": 5, "language": "de"}],
    "mail": [{"name": "Hanna", "score": 7}, {"tags": None}, {"sms_opt_in": "out"}],
    "shop": [{"score": 9, "floor": 1}, {"points": 3, "city": "Bern"}, {"language": "fr", "sms_opt_in": "out"}],
}
"""By system, in the order in which they are made there."""


_VALUES: Mapping[str, Callable[[random.Random], Any]] = {
    "name": lambda rng: rng.choice(("Anna", "Anne", "Hanna", None)),
    "tags": lambda rng: sorted(rng.sample(("a", "b", "c"), rng.randrange(4))) or None,
    "points": lambda rng: rng.randrange(9),
    "score": lambda rng: rng.choice((2, 7, 9, None)),
    "floor": lambda rng: rng.choice((1, 5, None)),
    "city": lambda rng: rng.choice(("Bern", "Oslo", None)),
    "language": lambda rng: rng.choice(("de", "fr", None)),
    "sms_opt_in": lambda rng: rng.choice(("in", "out", None)),
}


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_random_edits_read_in_any_order_give_one_state(seed: int) -> None:
    rng = random.Random(seed)
    edits = {system: [_edit(rng) for _ in range(rng.randrange(1, 5))] for system in SYSTEMS}

    assert len(_states(edits, rng)) == 1


def _edit(rng: random.Random) -> dict[str, Any]:
    return {name: _VALUES[name](rng) for name in rng.sample(sorted(_VALUES), rng.randrange(1, 4))}


def test_the_same_edits_read_in_any_order_give_one_state() -> None:
    states = _states(EDITS, random.Random(1))

    assert len(states) == 1
    registers = dict(msgspec.msgpack.decode(states.pop())[0])
    assert [len(registers[NUMBERS[name]][0]) for name in ("name", "score", "language", "city")] == [2, 2, 2, 1]


def _states(edits: Edits, rng: random.Random) -> set[bytes]:
    """What is remembered after each of some orders, byte for byte."""
    world = World(*SYSTEMS)
    world.linked(
        email="ann@example.org", name="Ann", tags={"a"}, points=1, score=3, floor=4, city="Rome", language="en",
        sms_opt_in="in",
    )  # fmt: skip
    turns = [system for system in SYSTEMS for _ in edits[system]]
    at = world.now + 100 * SECOND
    orders = [rng.sample(turns, len(turns)) for _ in range(ORDERS)]
    return {msgspec.msgpack.encode(_state_after(world, at, edits, order)) for order in orders}


def _state_after(world: World, at: int, edits: Edits, turns: list[str]) -> Any:
    """All that is remembered of the cluster, once the edits were read in this order of systems."""
    [cluster] = world.clusters()
    fp = world.store.fingerprints
    left = {system: list(enumerate(made)) for system, made in edits.items()}
    for system in turns:
        number, edit = left[system].pop(0)
        effects = Effects(at, "pull")
        binding = next(b for b in cluster.bindings if b.system == system)
        began = at + SYSTEMS.index(system) + 10 * number
        values = {NUMBERS[name]: value for name, value in edit.items()}
        reading = Reading(
            binding.ext_id, values, b"%d" % number, 0, began, began, None, number, {}, True, stale=False
        )  # fmt: skip
        Observer(cluster, binding, reading, world.rules, fp, effects).run()
        finish(cluster, world.rules, fp, effects)
    return [
        [[number, _register(cluster, number)] for number in cluster.regs],
        [[b.system, [[n, _shadow(cluster, b, n)] for n in cluster.regs]] for b in cluster.bindings],
        [[system, list(msgspec.structs.astuple(due.owed))] for system, due in sorted(cluster.outbox.items())],
    ]


def _register(cluster: Cluster, number: int) -> Any:
    reg, actors = cluster.regs[number], cluster.body.actors
    return [
        sorted([list(actors[sib.actor]), sib.n, sib.val, sib.ts, sib.depth] for sib in reg.sibs),
        sorted([list(actors[actor]), n] for actor, n in reg.ctx.items()),
        reg.hold,
    ]


def _shadow(cluster: Cluster, binding: Binding, number: int) -> Any:
    actors = cluster.body.actors
    shadow = binding.body.shadow.get(number)
    seen = cluster.context_of(binding, number)
    return [None if shadow is None else shadow.fp, sorted([list(actors[actor]), n] for actor, n in seen.items())]
