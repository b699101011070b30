"""Founding: the first record of a new cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from .cluster import FOUNDER, Binding, Cluster, ClusterState, Shadow
from .deletion import write
from .effects import Act, Effects, Entry, First
from .fingerprint import Fingerprinter
from .identity import MatchKey, same
from .observe import Observer
from .policies import resolve
from .reading import Reading
from .register import Reg, Sib
from .rules import CONSENT_OUT, EntityRule, FieldNumber


def found(
    cluster: Cluster, binding: Binding, reading: Reading, entity: EntityRule, fp: Fingerprinter, effects: Effects
) -> None:
    """The first record of a new cluster: all that it holds is a first edit, concurrent to nothing.

    The same as `Observer.run` does, told once for all fields, since a first synchronisation is made of these.
    """
    link, body = entity.links[binding.system], binding.body
    pulls, merged, founded = link.pulls, entity.merged, cluster.body.founded
    ts = reading.began_at if reading.edited_at is None else min(reading.edited_at, reading.arrived_at)
    cluster.body.founded_at = ts
    actor = cluster.actor(binding.id, binding.incarnation)
    assert actor == FOUNDER
    rows: list[tuple[object, ...]] = []
    values = reading.values
    plain = values.keys() <= pulls and merged.isdisjoint(values)
    if plain:
        body.shows = list(values)
        founded.update({number: value for number, value in values.items() if value is not None})
    for number, value in () if plain else values.items():
        if value is not None and number not in pulls:
            body.shadow[number] = Shadow(fp(value), None, value if number in merged else None)
        elif number in merged:
            if value is None:
                body.shows.append(number)
                continue
            cluster.regs[number] = Reg([Sib(actor, 1, value, ts)], {actor: 1})
            body.shadow[number] = Shadow(fp(value), None, value)
            rows.append((number, binding.incarnation, 1, value, ts))
        else:
            body.shows.append(number)
            if value is not None:
                founded[number] = value
    for number in entity.consents:
        if (value := values.get(number)) is not None and number in pulls:
            dot = (binding.id, binding.incarnation, 1)
            effects.acts.append(Act(cluster.id, number, dot, value, binding.system, "record", None, ts))
    first = First(dict(founded), binding.incarnation, ts)
    effects.journal.append(Entry(cluster.id, "found", binding.system, binding.id, effects.cause, rows, first))
    observer = Observer(cluster, binding, reading, entity, fp, effects)
    for number, (digest, reason, raw) in reading.invalid.items():
        observer.invalid(number, digest, reason, raw)
    observer.absorb()


def opted_out(dead: Iterable[Cluster], keys: Iterable[MatchKey], entity: EntityRule) -> frozenset[FieldNumber]:
    """Consents that somebody with these keys had withdrawn when the last record of theirs was deleted."""
    own = list(keys)
    return frozenset(
        number
        for cluster in dead
        if cluster.state == ClusterState.DEAD and same(own, cluster.keys)
        for number in entity.consents
        if resolve(cluster, cluster.regs.get(number), entity.fields[number], entity).value == CONSENT_OUT
    )


def found_again(
    cluster: Cluster,
    binding: Binding,
    reading: Reading,
    withdrawn: Collection[FieldNumber],
    entity: EntityRule,
    fp: Fingerprinter,
    effects: Effects,
) -> None:
    """The first record of somebody who had opted out before all records of theirs were deleted: the opt-outs stand, as
    though whoever made the record had seen them. So it raises a consent only where that may be collected."""
    rest = {number: value for number, value in reading.values.items() if number not in withdrawn}
    found(cluster, binding, msgspec.structs.replace(reading, values=rest), entity, fp, effects)
    for number in sorted(withdrawn):
        write(cluster, number, CONSENT_OUT, fp, effects, "outlived")
        if reading.values.get(number) is not None:
            binding.body.shadow[number] = Shadow(fp(CONSENT_OUT), None)
        elif number in reading.values:
            binding.body.shadow[number] = Shadow(fp.blank, {})
    Observer(cluster, binding, reading, entity, fp, effects).run()
