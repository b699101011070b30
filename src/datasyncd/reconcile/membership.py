"""Membership: a person says that two clusters are one thing, or that a record belongs to another one.

A merge unites what both know: siblings and contexts, so that what differs is a conflict like any other. An unmerge
gives the record a cluster of its own, which knows nothing but what the record itself shows when it is read next: what
others said of the thing that it was taken for stays where it is.
"""

from __future__ import annotations

from .answer import close_refusals
from .candidates import candidates_of
from .choice import Refused
from .clocks import Actor, Ctx
from .cluster import UNREADABLE, Binding, BindingBody, BindingState, Cluster, ClusterBody, ClusterId, ClusterState
from .effects import Effects, Entry, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .register import Hold, Reg, Sib
from .rules import EntityRule, Policy

_MADE_ANEW = frozenset({ReportKind.CONFLICT, ReportKind.FROZEN, ReportKind.OPT_IN_HELD})
"""Reports that follow from the registers, and are made anew if they still hold."""


def merge(
    into: Cluster, other: Cluster, entity: EntityRule, fp: Fingerprinter, effects: Effects, *, undoes: bool
) -> None:
    """Move everything that `other` knows to `into`; `other` is dead afterwards. `undoes`: nothing tells them apart any
    more, and records may be made again.

    Raises `Refused` where both have a record in one system, or something is under way.
    """
    for cluster in (into, other):
        _is_at_peace(cluster)
    if into.id == other.id:
        raise Refused("both names mean the same record")
    both = sorted({binding.system for binding in into.live()} & {binding.system for binding in other.live()})
    if both:
        raise Refused(f"both have a record in {', '.join(both)}; delete or merge one of them there first")
    for cluster in (into, other):
        _spell_out(cluster, fp)
    actors = [into.actor(*pair) for pair in other.body.actors]
    apart = {field.number for field in entity.derived}
    for number, reg in other.body.regs.items():
        known = into.regs.get(number)
        if entity.fields[number].policy is Policy.COUNTER and known is not None and known.sibs:
            # Both counted from a base of their own: the one that joins is overruled, as at first contact.
            _overrule(into, other, number, reg, fp, effects)
            apart.add(number)
        elif number not in apart:
            _unite(into, number, reg, actors)
    for binding in other.bindings:
        for number, shadow in binding.body.shadow.items():
            shadow.ctx = {} if number in apart else _renamed(shadow.ctx or {}, actors)
        blocked = binding.body.blocked.items()
        binding.body.blocked = {n: ctx if ctx == UNREADABLE else _renamed(ctx, actors) for n, ctx in blocked}
        binding.cluster_id = into.id
        binding.changed = True
    into.bindings = [*into.bindings, *other.bindings]
    into.no_create = (into.no_create or other.no_create) and not undoes
    _renumber(into)
    into.touched.update(into.body.regs)
    into.edited.update(other.body.regs)
    into.changed = into.rescan = True
    effects.closed.extend(digest for digest, (kind, _, _) in other.reports.items() if kind in _MADE_ANEW)
    for binding in other.bindings:
        if binding.state == BindingState.LIVE:
            close_refusals(into, (), True, entity.links[binding.system], effects)
    for cluster in (into, other):
        # A record that was merged away, and the one that it lives on in, are of one person now.
        effects.closed.extend(
            digest
            for digest, (kind, _field, system) in cluster.reports.items()
            if kind == ReportKind.POSSIBLE_DUPLICATE and system is not None and into.binding_in(system) is not None
        )
    _bury(other)
    effects.journal.append(Entry(into.id, "merge", None, other.id, effects.cause))


def unmerge(cluster: Cluster, binding: Binding, number: ClusterId, fp: Fingerprinter, effects: Effects) -> Cluster:
    """Take a record out: its new cluster has this number. Nothing is made for either of them any more.

    Raises `Refused` for the last record of a cluster, or where something is under way.
    """
    _is_at_peace(cluster)
    if len(list(cluster.live())) < 2:
        raise Refused("it is the only record of its kind; there is nothing to take it out of")
    if binding.body.written:
        # Whether that covered an edit is told by the next reading alone, and only here.
        raise Refused(f"the last write to {binding.system} was not read back yet; try again when it was")
    _spell_out(cluster, fp)
    cluster.bindings = [other for other in cluster.bindings if other.id != binding.id]
    cluster.no_create = True
    cluster.touched.update(cluster.body.regs)
    cluster.changed = cluster.rescan = True
    effects.released.extend((binding.system, binding.object, binding.ext_id, field) for field in binding.body.blocked)
    binding.body = BindingBody({})
    binding.incarnation += 1
    binding.cluster_id = number
    binding.digest = b""
    binding.changed = True
    alone = Cluster(number, cluster.entity, ClusterBody({}, []), no_create=True, bindings=[binding], new=True)
    effects.journal.append(Entry(cluster.id, "unmerge", binding.system, binding.id, effects.cause))
    effects.journal.append(Entry(number, "unmerge", binding.system, binding.id, effects.cause))
    return alone


_NOT_LIVE: dict[str, str] = {
    ClusterState.DEAD: "is no more: its records were deleted, or it was merged into another one",
    ClusterState.DELETING: "is being deleted; nothing is to be decided about it any more",
    ClusterState.HELD: "is held: it was deleted in one system and edited in another; decide about that first",
}


def _is_at_peace(cluster: Cluster) -> None:
    if cluster.state != ClusterState.LIVE:
        raise Refused(f"#{cluster.id} {_NOT_LIVE[cluster.state]}")
    if cluster.attempts:
        systems = ", ".join(sorted({attempt.system for attempt in cluster.attempts}))
        raise Refused(f"a write to {systems} is under way or of unknown outcome; try again when it has ended")


def _spell_out(cluster: Cluster, fp: Fingerprinter) -> None:
    """Write out every register and every shadow: what is told by a register would be told by another one."""
    for number in list(cluster.regs):
        cluster.settle_contexts(number, cluster.regs[number], fp)
    for binding in cluster.bindings:
        for number in [*binding.body.shows, *binding.body.shadow]:
            shadow = cluster.shadow(binding, number, fp)
            if shadow is not None and shadow.ctx is None:
                shadow.ctx = {}
        binding.changed = True


def _overrule(into: Cluster, other: Cluster, number: int, reg: Reg, fp: Fingerprinter, effects: Effects) -> None:
    lost = candidates_of(other, reg, number)
    digest = fp.of_dots(ReportKind.OVERRULED, into.id, number, [c.dot for c in lost if c.dot is not None])
    why = "merged: what the other record had counted was left out"
    effects.reports.append(Report(digest, ReportKind.OVERRULED, into.id, number, ReportState.SETTLED, lost, text=why))


def _unite(into: Cluster, number: int, reg: Reg, actors: list[Actor]) -> None:
    sibs = [Sib(actors[sib.actor], sib.n, sib.val, sib.ts, sib.depth) for sib in reg.sibs]
    ctx = _renamed(reg.ctx, actors)
    known = into.regs.get(number)
    # A fight shows itself again; what waits for a person goes on to wait.
    hold = reg.hold if reg.hold != Hold.FROZEN else Hold.NONE
    if known is None:
        into.regs[number] = Reg(sibs, ctx, hold)
        return
    known.sibs = [*known.sibs, *sibs]
    known.ctx = {**known.ctx, **ctx}
    known.recent = []
    known.hold = known.hold or hold


def _renumber(cluster: Cluster) -> None:
    """Forget actors that nothing names any more: else each merge after a split would leave some behind. All that is
    told by short forms is written out."""
    contexts = [reg.ctx for reg in cluster.body.regs.values()]
    for binding in cluster.bindings:
        contexts += [shadow.ctx for shadow in binding.body.shadow.values() if shadow.ctx is not None]
        contexts += [ctx for ctx in binding.body.blocked.values() if ctx != UNREADABLE]
    named = {actor for ctx in contexts for actor in ctx}
    named.update(sib.actor for reg in cluster.body.regs.values() for sib in reg.sibs)
    before = cluster.body.actors
    cluster.body.actors = [pair for actor, pair in enumerate(before) if actor in named]
    numbers = {pair: actor for actor, pair in enumerate(cluster.body.actors)}
    actors = [numbers.get(pair, -1) for pair in before]
    for reg in cluster.body.regs.values():
        reg.sibs = [Sib(actors[sib.actor], sib.n, sib.val, sib.ts, sib.depth) for sib in reg.sibs]
        reg.ctx = _renamed(reg.ctx, actors)
    for binding in cluster.bindings:
        for shadow in binding.body.shadow.values():
            shadow.ctx = None if shadow.ctx is None else _renamed(shadow.ctx, actors)
        blocked = binding.body.blocked.items()
        binding.body.blocked = {n: ctx if ctx == UNREADABLE else _renamed(ctx, actors) for n, ctx in blocked}
        binding.changed = True


def _renamed(ctx: Ctx, actors: list[Actor]) -> Ctx:
    return {actors[actor]: n for actor, n in ctx.items()}


def _bury(cluster: Cluster) -> None:
    cluster.bindings = []
    cluster.body = ClusterBody({}, [])
    cluster.keys = frozenset()
    cluster.outbox = {}
    cluster.state = ClusterState.DEAD
    cluster.changed = True
