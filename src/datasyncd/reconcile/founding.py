"""Founding: the first record of a new cluster."""

from __future__ import annotations

from .clocks import Ctx
from .cluster import Binding, Cluster, Shadow
from .effects import Act, Effects, Entry
from .fingerprint import Fingerprinter
from .observe import Observer
from .reading import Reading
from .register import Reg, Sib
from .rules import EntityRule


def found(
    cluster: Cluster, binding: Binding, reading: Reading, entity: EntityRule, fp: Fingerprinter, effects: Effects
) -> None:
    """The first record of a new cluster: all that it holds is a first edit, concurrent to nothing.

    The same as `Observer.run` does, told once for all fields, since a first synchronisation is made of these.
    """
    link = entity.links[binding.system]
    pulls, regs, shadows = link.pulls, cluster.regs, binding.body.shadow
    ts = reading.began_at if reading.edited_at is None else min(reading.edited_at, reading.arrived_at)
    actor = cluster.actor(binding.id, binding.incarnation)
    first: Ctx = {actor: 1}
    rows: list[tuple[object, ...]] = []
    for number, value in reading.values.items():
        shadows[number] = Shadow(fp(value), None, value if type(value) is list else None)
        if value is not None and number in pulls:
            regs[number] = Reg([Sib(actor, 1, value, ts)], first)
            rows.append((number, binding.incarnation, 1, value, ts))
    for number in entity.consents & regs.keys():
        dot, value = (binding.id, binding.incarnation, 1), reading.values[number]
        effects.acts.append(Act(cluster.id, number, dot, value, binding.system, "record", None, ts))
    effects.journal.append(Entry(cluster.id, "found", binding.system, binding.id, effects.cause, rows))
    observer = Observer(cluster, binding, reading, entity, fp, effects)
    for number, (digest, reason, raw) in reading.invalid.items():
        observer.invalid(number, digest, reason, raw)
    observer.absorb()
