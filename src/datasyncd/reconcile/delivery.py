"""Delivery: what one system is owed for one cluster, how it is sent, and what its answer means.

Decided by versions: a binding is owed a write when the register holds edits that its shadow does not cover.
Values are compared only to leave out a write that would change nothing; then a later reading acknowledges.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

import msgspec

from .clocks import Ctx, dominates
from .cluster import Attempt, AttemptBody, Binding, Cluster, ClusterState, Owed
from .fingerprint import Fingerprinter
from .policies import Choice, resolve, values_of
from .register import Hold, Reg
from .rules import (
    CONSENT_IN,
    CONSENT_OUT,
    EntityRule,
    FieldNumber,
    FieldRule,
    LinkRule,
    OptIn,
    Value,
    WriteClass,
)

LANE_OPT_OUT = 0
LANE_REST = 1
MAX_GHOSTS = 8
SHOWN = 32
"""In `Owed.classes`: a field that the record shows already, which a reading acknowledges. No guard counts it."""


# Asked for several times a record: see `cluster`.
_DEAD, _DELETING, _HELD, _LIVE = ClusterState.DEAD, ClusterState.DELETING, ClusterState.HELD, ClusterState.LIVE
_CREATE, _UPDATE = WriteClass.CREATE, WriteClass.UPDATE
_STRICT = OptIn.STRICT


class Debt(msgspec.Struct, frozen=True, gc=False):
    """One field that a binding is owed."""

    rule: FieldRule
    reg: Reg
    choice: Choice
    shown: bool
    """The record already shows the value: a reading acknowledges it, no write."""
    write_class: WriteClass


class Step(StrEnum):
    """What has to happen before a plan can be sent."""

    SEND = "send"
    READ = "read"
    """A by-id reading first: a pre-flight, or the acknowledgement of a value that is there already."""
    SEARCH = "search"
    """Nobody may have made this record meanwhile."""
    WAIT = "wait"
    """A write is under way, or the record is not known to exist."""


class Planned(msgspec.Struct, gc=False):
    """One field of a plan."""

    value: Value
    fp: bytes
    """Of the stored form: what the record will be known to hold."""
    stored: Value
    ctx: Ctx
    depth: int
    write_class: WriteClass
    keep: bool
    """The shadow keeps the value (sets)."""


class Plan(msgspec.Struct, gc=False):
    """One write of one record, before translation."""

    cluster: Cluster
    link: LinkRule
    op: Literal["create", "update", "delete"]
    step: Step
    binding: Binding | None
    fields: dict[FieldNumber, Planned] = {}
    founded: dict[FieldNumber, Value] = {}
    """For a create: what is sent as it was founded."""
    held: list[tuple[WriteClass, FieldNumber | None]] = []
    """Classes of fields that a guard withholds."""
    repeats: Attempt | None = None
    """A create of unknown outcome that would be sent again just as it was, and whose system knows it by its key."""

    @property
    def is_empty(self) -> bool:
        return not self.fields and not self.founded

    def values(self) -> dict[FieldNumber, Value]:
        """What is sent, in canonical values."""
        values = dict(self.founded)
        for number, field in self.fields.items():
            values[number] = field.value
        return values

    def leave_out(self, numbers: Collection[FieldNumber]) -> None:
        """Send these not."""
        if not numbers:
            return
        self.fields = {number: field for number, field in self.fields.items() if number not in numbers}
        self.founded = {number: value for number, value in self.founded.items() if number not in numbers}


def owed(cluster: Cluster, entity: EntityRule, link: LinkRule, fp: Fingerprinter) -> Owed | None:
    """The outbox row that this system needs, if any."""
    if cluster.state in (_DEAD, _HELD) or not link.pushes:
        return None
    binding = cluster.binding_in(link.system)
    if cluster.state == _DELETING:
        return None if binding is None or binding.suspect_since else Owed(LANE_REST, WriteClass.DELETE)
    if binding is None:
        return Owed(LANE_REST, _CREATE) if creatable(cluster, entity, link, fp) else None
    if binding.suspect_since:
        return None
    classes, lane = 0, LANE_REST
    for debt in debts(cluster, entity, link, binding, fp):
        classes |= SHOWN if debt.shown else debt.write_class
        if debt.rule.consent and debt.choice.value == CONSENT_OUT and not debt.shown:
            lane = LANE_OPT_OUT
    return Owed(lane, classes) if classes else None


def creatable(cluster: Cluster, entity: EntityRule, link: LinkRule, fp: Fingerprinter) -> bool:
    """Whether a record may be made in this system: never into a slot that was used, never beside a refusal, and never
    for somebody whose record was merged into another one's."""
    if cluster.no_create or cluster.used(link.system) or cluster.merged_away or not link.pushes:
        return False
    stopped = cluster.body.stopped.get(link.system)
    if stopped is not None and stopped == fp(cluster.contexts(link.pushes)):
        return False
    body = cluster.body
    if link.key_field is not None and not link.assigns_key and link.key_field not in body.founded:
        reg = body.regs.get(link.key_field)
        if resolve(cluster, reg, entity.fields[link.key_field], entity).value is None:
            return False
    known = not link.pushes.isdisjoint(body.founded) or not link.pushes.isdisjoint(body.regs)
    return known and gated(cluster, entity, link)


def gated(cluster: Cluster, entity: EntityRule, link: LinkRule) -> bool:
    """Whether the link's `where` lets the record through, by its resolved values."""
    if link.where is None:
        return True
    return link.where(values_of(cluster, entity)[0])


def debts(cluster: Cluster, entity: EntityRule, link: LinkRule, binding: Binding, fp: Fingerprinter) -> list[Debt]:
    """Fields that may be written to this record now, or that it only has to be seen to show already."""
    out: list[Debt] = []
    shadows, blocked, pushes = binding.body.shadow, binding.body.blocked, link.pushes
    behind = [number for number, shadow in shadows.items() if shadow.ctx is not None and number in pushes]
    if not behind:
        return out
    regs = cluster.regs
    passes: bool | None = None
    # What the last reading left out was not looked at before the write; a second one that leaves it out settles it.
    unread = binding.body.absent if link.condition != "enforced" and not binding.digest else ()
    for number in sorted(behind):
        shadow, reg = shadows[number], regs.get(number)
        if shadow.ctx is None or reg is None or dominates(shadow.ctx, reg.ctx):
            continue
        rule = entity.fields[number]
        choice = resolve(cluster, reg, rule, entity)
        lowers = rule.consent and choice.value == CONSENT_OUT
        if not choice.decided or (reg.hold and not lowers):
            continue
        if unread and number in unread:
            continue
        if number in blocked and (blocked[number] == reg.ctx or -1 in blocked[number]):
            continue
        if not lowers:
            if passes is None:
                passes = gated(cluster, entity, link)
            if not passes:
                continue
        stored = choice.value if link.stored is None else link.stored(number, choice.value)
        shown = fp(stored) == shadow.fp
        if shown and number in binding.body.absent:
            # Only a reading that shows the field acknowledges it, and one that does says so by itself.
            continue
        if not shown and (
            _opt_in_held(link, binding, rule, choice, shadow.fp, fp)
            or _opt_in_sent(cluster, link, binding, rule, choice)
        ):
            continue
        out.append(Debt(rule, reg, choice, shown, _class_of(rule, choice.value, shadow.fp, fp)))
    return out


def opt_ins_held(
    cluster: Cluster, entity: EntityRule, link: LinkRule, binding: Binding, fp: Fingerprinter
) -> list[FieldNumber]:
    """Consents that would loosen a record whose system cannot refuse a stale write: reported, not written."""
    out: list[FieldNumber] = []
    if link.condition != "none" or binding.suspect_since:
        return out
    for number in sorted(link.pushes):
        shadow, reg = binding.body.shadow.get(number), cluster.regs.get(number)
        rule = entity.fields[number]
        if not rule.consent or shadow is None or reg is None or shadow.ctx is None:
            continue
        choice = resolve(cluster, reg, rule, entity)
        if fp(choice.value) != shadow.fp and _opt_in_held(link, binding, rule, choice, shadow.fp, fp):
            out.append(number)
    return out


def _opt_in_held(
    link: LinkRule, binding: Binding, rule: FieldRule, choice: Choice, shown: bytes, fp: Fingerprinter
) -> bool:
    """An opt-in written blindly could cover a newer opt-out that nobody would ever see."""
    if not rule.consent or choice.value != CONSENT_IN or link.condition != "none":
        return False
    if link.opt_in is OptIn.WRITE:
        return False
    return link.opt_in is OptIn.STRICT or shown != fp.blank or rule.number in binding.body.absent


def _opt_in_sent(cluster: Cluster, link: LinkRule, binding: Binding, rule: FieldRule, choice: Choice) -> bool:
    """An opt-in that may still land is not repeated where a repetition could cover an opt-out."""
    if not rule.consent or choice.value != CONSENT_IN or link.condition != "none":
        return False
    return any(ghost.body.names(rule.number) for ghost in cluster.ghosts(binding))


def _class_of(rule: FieldRule, value: Value, shown: bytes, fp: Fingerprinter) -> WriteClass:
    if rule.consent and value == CONSENT_IN:
        return WriteClass.CONSENT
    if value is None and shown != fp.blank:
        return WriteClass.CLEAR
    return _UPDATE


def plan(
    cluster: Cluster,
    entity: EntityRule,
    link: LinkRule,
    fp: Fingerprinter,
    *,
    fresh: bool = False,
    searched: bool = False,
) -> Plan | None:
    """What to send now.

    `fresh`: the record was read after the last change of the cluster, so no pre-flight is needed.
    `searched`: a search or a complete pull since then found no record of this cluster there.
    None: nothing is owed (any more).
    """
    binding = cluster.binding_in(link.system)
    if cluster.open_attempt(link.system) is not None:
        return Plan(cluster, link, "update", Step.WAIT, binding)
    if cluster.state == _DELETING and binding is not None:
        if binding.suspect_since:
            return Plan(cluster, link, "delete", Step.WAIT, binding)
        ready = fresh or (link.condition == "enforced" and binding.version is not None)
        return Plan(cluster, link, "delete", Step.SEND if ready else Step.READ, binding)
    if cluster.state != _LIVE:
        return None
    if binding is None:
        return _plan_create(cluster, entity, link, fp, searched)
    if binding.suspect_since or len(cluster.ghosts(binding)) >= MAX_GHOSTS:
        return Plan(cluster, link, "update", Step.WAIT, binding)
    return _plan_update(cluster, entity, link, binding, fp, fresh)


def _plan_update(
    cluster: Cluster, entity: EntityRule, link: LinkRule, binding: Binding, fp: Fingerprinter, fresh: bool
) -> Plan | None:
    fields, shown = {}, False
    for debt in debts(cluster, entity, link, binding, fp):
        if debt.shown:
            shown = True
        else:
            planned = _planned(debt.rule, debt.reg, debt.choice, debt.write_class, link, fp)
            shadow = binding.body.shadow[debt.rule.number]
            if shadow.ctx == {}:
                # An edit here was overruled: what is written over it goes on counting.
                planned.depth = max(planned.depth, shadow.depth)
            fields[debt.rule.number] = planned
    if not fields and not shown:
        return None
    if link.whole_record and binding.body.absent and not binding.digest:
        # What the last reading left out would be gone with the record that is replaced; another one settles it.
        return Plan(cluster, link, "update", Step.READ, binding, fields)
    blind = link.condition == "enforced" and binding.version is not None and not cluster.ghosts(binding)
    blind = blind and not link.whole_record
    ready = fresh or (blind and not shown)
    if not ready or not fields:
        # Fresh and still only "shown": the reading came before the winner; another one acknowledges.
        return Plan(cluster, link, "update", Step.READ, binding, fields)
    return Plan(cluster, link, "update", Step.SEND, binding, fields)


def _plan_create(
    cluster: Cluster, entity: EntityRule, link: LinkRule, fp: Fingerprinter, searched: bool
) -> Plan | None:
    if not creatable(cluster, entity, link, fp):
        return None
    lost = cluster.attempts and [attempt for attempt in cluster.attempts if attempt.system == link.system]
    if lost and not link.create_key:
        # A create of ours with unknown outcome: found by a pull, or ended by one.
        return Plan(cluster, link, "create", Step.WAIT, None)
    strict = link.condition == "none" and link.opt_in is _STRICT
    founded = _founded(cluster, entity, link, strict)
    fields = {}
    regs = cluster.body.regs
    for number in sorted(regs.keys() & link.pushes) if regs else ():
        reg, rule = regs[number], entity.fields[number]
        choice = resolve(cluster, reg, rule, entity)
        if reg.hold == Hold.FROZEN or not choice.decided or choice.value is None:
            continue
        if not (strict and choice.value == CONSENT_IN and rule.consent):
            fields[number] = _planned(rule, reg, choice, _CREATE, link, fp)
    if lost:
        waits = Plan(cluster, link, "create", Step.WAIT, None, fields, founded)
        waits.repeats = next((attempt for attempt in lost if _as_sent(attempt, waits, fp)), None)
        return waits
    if not fields and not founded:
        return None
    return Plan(cluster, link, "create", Step.SEND if searched else Step.SEARCH, None, fields, founded)


def _as_sent(create: Attempt, plan: Plan, fp: Fingerprinter) -> bool:
    """Whether a plan has, field by field, what a create was sent with: a key stands for one content."""
    cluster = plan.cluster
    now = {number: field.fp for number, field in plan.fields.items()}
    now |= {number: fp(value) for number, value in plan.founded.items()}
    return now == cluster.sent(create, fp)


def _founded(cluster: Cluster, entity: EntityRule, link: LinkRule, strict: bool) -> dict[FieldNumber, Value]:
    """Nearly every field of a first synchronisation: one value, which everybody is shown as its record was read.

    A field of which the system stores another form is written out, since its record will not show the value.
    """
    known, pushes = cluster.body.founded, link.pushes
    if not strict and link.stored is None and known.keys() <= pushes:
        return dict(known)
    out = {}
    for number, value in list(known.items()):
        if number in pushes:
            if link.stored is not None and link.stored(number, value) != value:
                cluster.regs[number]
            elif not (strict and value == CONSENT_IN and entity.fields[number].consent):
                out[number] = value
    return out


def _planned(
    rule: FieldRule, reg: Reg, choice: Choice, write_class: WriteClass, link: LinkRule, fp: Fingerprinter
) -> Planned:
    stored = choice.value if link.stored is None else link.stored(rule.number, choice.value)
    # What is made of all siblings was last changed by the latest of them.
    last = choice.sib or max(reg.sibs, key=lambda sib: (sib.ts, sib.actor, sib.n), default=None)
    depth = 0 if last is None else last.depth
    keep = rule.merged
    return Planned(choice.value, fp(stored), stored, reg.ctx, depth, write_class, keep)


def attempt_of(plan: Plan, attempt_id: int, fp: Fingerprinter) -> Attempt:
    """The note to be committed before the plan is sent."""
    fields = {
        number: (field.fp, field.ctx, field.stored if field.keep else None, field.depth)
        for number, field in plan.fields.items()
    }
    binding = plan.binding
    whole = binding is not None and plan.link.whole_record and plan.op == "update"
    carried = _carried(plan, binding, fp) if binding is not None and whole else {}
    return Attempt(
        id=attempt_id,
        cluster_id=plan.cluster.id,
        system=plan.link.system,
        op=plan.op,
        body=AttemptBody({**fields, **carried}, founded=list(plan.founded), carried=sorted(carried)),
        binding_id=binding.id if binding is not None else None,
        base_version=binding.version if binding is not None else None,
    )


def _carried(plan: Plan, binding: Binding, fp: Fingerprinter) -> dict[FieldNumber, tuple[bytes, Ctx, Value, int]]:
    """All other fields of a record that is written whole: as it is known to hold them, and nobody's reaction."""
    cluster, out = plan.cluster, {}
    for number in sorted(plan.link.fields - plan.fields.keys()):
        shadow = cluster.shadow(binding, number, fp)
        if shadow is not None:
            out[number] = (shadow.fp, cluster.context_of(binding, number), shadow.val, -1)
    return out
