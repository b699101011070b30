"""The order in which systems are read is no fact: the same edits, read in fifty orders, give one state."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from datasyncd.reconcile.cluster import Binding, Cluster
from datasyncd.reconcile.effects import Effects
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.observe import Observer
from datasyncd.reconcile.reading import Reading

from .world import NUMBERS, SECOND, World

ORDERS = 50
SYSTEMS = ("crm", "mail", "shop")
EDITS: dict[str, list[dict[str, Any]]] = {
    "crm": [{"name": "Anna"}, {"name": "Anne", "tags": ["a", "b"]}, {"points": 5, "language": "de"}],
    "mail": [{"name": "Hanna", "score": 7}, {"tags": None}, {"sms_opt_in": "out"}],
    "shop": [{"score": 9, "floor": 1}, {"points": 3, "city": "Bern"}, {"language": "fr", "sms_opt_in": "out"}],
}
"""By system, in the order in which they are made there."""


def test_the_same_edits_read_in_any_order_give_one_state() -> None:
    world = World(*SYSTEMS)
    world.linked(
        email="ann@example.org", name="Ann", tags={"a"}, points=1, score=3, floor=4, city="Rome", language="en",
        sms_opt_in="in",
    )  # fmt: skip
    turns = [system for system in SYSTEMS for _ in EDITS[system]]
    rng = random.Random(1)
    at = world.now + 100 * SECOND
    states = {msgspec.msgpack.encode(_state_after(world, at, rng.sample(turns, len(turns)))) for _ in range(ORDERS)}

    assert len(states) == 1
    registers = dict(msgspec.msgpack.decode(states.pop())[0])
    assert [len(registers[NUMBERS[name]][0]) for name in ("name", "score", "language", "city")] == [2, 2, 2, 1]


def _state_after(world: World, at: int, turns: list[str]) -> Any:
    """All that is remembered of the cluster, once the edits were read in this order of systems."""
    [cluster] = world.clusters()
    fp = world.store.fingerprints
    left = {system: list(enumerate(edits)) for system, edits in EDITS.items()}
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
