"""Finish: after a step has changed a cluster, say what follows from it.

For each touched field: whether a person must choose, what is reported, and whether everybody has
acknowledged the winner, so that the siblings can collapse to it. For the cluster: its match keys, and what
each system is now owed.
"""

from __future__ import annotations

from .candidates import candidates_of
from .clocks import Ctx, dominates
from .cluster import UNREADABLE, Cluster, ClusterState, Due
from .deletion import close_if_empty, write
from .delivery import opt_ins_held, owed
from .effects import Effects, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .identity import keys_of
from .policies import resolve, values_of
from .register import Hold, Reg, Sib
from .rules import EntityRule, FieldNumber, FieldRule, Policy


def finish(cluster: Cluster, entity: EntityRule, fp: Fingerprinter, effects: Effects) -> None:
    """Bring state, reports, collapse, keys and outbox in line with the registers, shadows and bindings."""
    if cluster.rescan and not cluster.new:
        close_if_empty(cluster, entity, fp, effects)
    if entity.derived and (cluster.new or cluster.edited or cluster.rescan):
        _derive(cluster, entity, fp, effects)
    moved = set(cluster.edited)
    refusals = any(binding.body.blocked for binding in cluster.bindings)
    for number in sorted(cluster.touched) if cluster.touched else ():
        reg = cluster.regs.get(number)
        rule = entity.fields.get(number)
        if reg is None or rule is None:
            # Nothing is known of it, or the config no longer has the field.
            continue
        if number in cluster.edited:
            _hold(cluster, reg, rule)
            _report_conflict(cluster, reg, rule, entity, fp, effects)
        if refusals:
            _forgive(cluster, number, reg, effects)
        siblings = len(reg.sibs)
        _collapse(cluster, number, reg, rule, entity)
        if len(reg.sibs) < siblings:
            moved.add(number)
    if moved and not moved.isdisjoint(entity.matched):
        cluster.keys = keys_of(cluster, entity, fp)
    if cluster.touched or cluster.edited or cluster.rescan or cluster.new:
        _owe(cluster, entity, fp, effects.at)
        if cluster.touched:
            _report_opt_ins(cluster, entity, fp, effects)
    if cluster.changed and cluster.body.regs:
        cluster.body.fold(entity.merged)
    cluster.touched = set()
    cluster.edited = set()
    cluster.rescan = False


def _derive(cluster: Cluster, entity: EntityRule, fp: Fingerprinter, effects: Effects) -> None:
    """Compute what is computed from other fields; one of which an input waits for a person stays as it is."""
    if cluster.state != ClusterState.LIVE:
        return
    values, undecided = values_of(cluster, entity)
    for field in entity.derived:
        if undecided.isdisjoint(field.names):
            value = field.compute(values)
            now = resolve(cluster, cluster.regs.get(field.number), entity.fields[field.number], entity).value
            if value != now or type(value) is not type(now):
                write(cluster, field.number, value, fp, effects, "derived")


_ENDED_BY_AN_EDIT = frozenset({ReportKind.CONFLICT, ReportKind.REFUSED, ReportKind.OPT_IN_HELD})


def _hold(cluster: Cluster, reg: Reg, rule: FieldRule) -> None:
    """A `manual` field whose siblings differ waits for a person; one whose siblings agree no longer does."""
    if reg.hold == Hold.FROZEN:
        return
    if not reg.differ():
        reg.hold = Hold.NONE
    elif rule.policy is Policy.MANUAL:
        reg.hold = Hold.MANUAL


def _report_conflict(
    cluster: Cluster, reg: Reg, rule: FieldRule, entity: EntityRule, fp: Fingerprinter, effects: Effects
) -> None:
    """Concurrent values that differ are a conflict, named by their dots; an older one of this field is over."""
    digest = b""
    if not rule.merged and reg.differ():
        candidates = candidates_of(cluster, reg)
        digest = fp.of_dots(
            ReportKind.CONFLICT, cluster.id, rule.number, [c.dot for c in candidates if c.dot is not None]
        )
        if digest not in cluster.reports:
            choice = resolve(cluster, reg, rule, entity)
            waits = reg.hold in (Hold.MANUAL, Hold.FROZEN)
            state = ReportState.OPEN if waits else ReportState.SETTLED
            text = "differed at first contact; left as they are" if reg.hold == Hold.APART else ""
            effects.reports.append(
                Report(
                    digest, ReportKind.CONFLICT, cluster.id, rule.number, state,
                    candidates, choice.value, choice.decided, None, text,
                )
            )  # fmt: skip
    for known, (kind, number, _system) in cluster.reports.items():
        if number == rule.number and kind in _ENDED_BY_AN_EDIT and known != digest:
            effects.closed.append(known)


def _forgive(cluster: Cluster, number: FieldNumber, reg: Reg, effects: Effects) -> None:
    """A refusal is over where the record embodies all that there is: nothing is to be sent."""
    for binding in cluster.live():
        blocked = binding.body.blocked
        if number not in blocked or blocked[number] == UNREADABLE:
            continue
        if dominates(cluster.context_of(binding, number), reg.ctx):
            binding.body.blocked = {other: at for other, at in blocked.items() if other != number}
            binding.changed = True
            effects.released.append((binding.system, binding.object, binding.ext_id, number))


def _collapse(cluster: Cluster, number: FieldNumber, reg: Reg, rule: FieldRule, entity: EntityRule) -> None:
    """When every record that is owed the winner embodies it, only the winner is kept.

    Contexts shrink to the actors that can still edit and the origin of what is kept. A field that a link
    only reads keeps its own context: "equal" would claim that the record has seen the winner.
    """
    if reg.hold:
        return
    shadows = []
    for binding in cluster.bindings:
        shadow = binding.body.shadow.get(number)
        if shadow is None or binding.state != "live":
            continue
        if shadow.ctx is None or dominates(shadow.ctx, reg.ctx):
            shadows.append((binding, shadow))
        elif rule.policy is Policy.UNION:
            return
        else:
            link = entity.links.get(binding.system)
            if link is not None and number in link.pushes:
                return
    _keep_winner(cluster, reg, rule, entity)
    reg.ctx = _current(cluster, reg)
    for binding, shadow in shadows:
        if shadow.ctx is not None:
            shadow.ctx = None
            binding.changed = True


def _keep_winner(cluster: Cluster, reg: Reg, rule: FieldRule, entity: EntityRule) -> None:
    if len(reg.sibs) < 2:
        return
    if rule.merged:
        last = max(reg.sibs, key=lambda sib: (sib.ts, sib.actor, sib.n))
        reg.sibs = [Sib(last.actor, last.n, resolve(cluster, reg, rule, entity).value, last.ts, last.depth)]
    else:
        winner = resolve(cluster, reg, rule, entity).sib
        assert winner is not None
        reg.sibs = [winner]
    cluster.changed = True


def _current(cluster: Cluster, reg: Reg) -> Ctx:
    """The context without actors that can never edit again and made nothing that is kept."""
    if len(reg.ctx) < 2:
        return reg.ctx
    actors = cluster.body.actors
    active = {(binding.id, binding.incarnation) for binding in cluster.bindings if binding.state == "live"}
    kept = {sib.actor for sib in reg.sibs}
    ctx = {a: n for a, n in reg.ctx.items() if a in kept or actors[a] in active or actors[a][0] == 0}
    if len(ctx) == len(reg.ctx):
        return reg.ctx
    cluster.changed = True
    return ctx


def _report_opt_ins(cluster: Cluster, entity: EntityRule, fp: Fingerprinter, effects: Effects) -> None:
    """Consents that are known to be given and must not be written where a stale write cannot be refused."""
    for system, link in entity.links.items():
        binding = cluster.binding_in(system) if link.condition == "none" else None
        if binding is None:
            continue
        for number in opt_ins_held(cluster, entity, link, binding, fp):
            dots = [(*cluster.body.actors[actor], n) for actor, n in cluster.regs[number].ctx.items()]
            digest = fp.of_dots(f"{ReportKind.OPT_IN_HELD}:{system}", cluster.id, number, dots)
            if digest not in cluster.reports:
                effects.reports.append(
                    Report(
                        digest, ReportKind.OPT_IN_HELD, cluster.id, number, ReportState.OPEN,
                        candidates_of(cluster, cluster.regs[number]), None, False, system,
                        f"{system} cannot refuse a stale write; allow it with opt_in = \"write\" or enter it there",
                    )
                )  # fmt: skip


def _owe(cluster: Cluster, entity: EntityRule, fp: Fingerprinter, at: int) -> None:
    """Make the outbox say what each system is owed; a row whose debt changed is due at once."""
    outbox = dict(cluster.outbox)
    for system, link in entity.links.items():
        debt = owed(cluster, entity, link, fp)
        row = outbox.get(system)
        if debt is None:
            if row is not None:
                del outbox[system]
        elif row is None or row.owed.lane > debt.lane or (row.owed != debt and not row.last_error):
            outbox[system] = Due(debt, at)
        elif row.last_error:
            # The system asked to be left alone, or did not answer: an edit does not make it ready.
            outbox[system] = Due(debt, row.due_at, row.tries, row.last_error)
        elif cluster.edited and row.due_at > at:
            outbox[system] = Due(debt, at, row.tries)
    cluster.outbox = outbox
