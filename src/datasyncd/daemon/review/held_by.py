"""Held by: how far each system has been told of a field's value.

Decided by versions, as delivery is: a record has acknowledged what its shadow's context covers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from datasyncd.reconcile.clocks import dominates
from datasyncd.reconcile.cluster import UNREADABLE, AttemptStatus, Binding, Cluster, ClusterState
from datasyncd.reconcile.delivery import gated, opt_ins_held
from datasyncd.reconcile.effects import ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.register import Hold
from datasyncd.reconcile.rules import CONSENT_OUT, EntityRule, FieldNumber, FieldRule, LinkRule
from datasyncd.state.outbox import HELD
from datasyncd.state.records import StoredReport


class Holder(msgspec.Struct, frozen=True):
    """One system's state of one field."""

    state: str
    """acknowledged   its record holds the value, or what it makes of it
    queued         a write is due
    sent           a write was sent and its outcome is not known yet
    rejected       the system refused it; sent again when the value changes or a person releases it
    held           a person must decide first
    unreadable     what is there cannot be read, so nothing is written over it
    missing        the record was not found, and nobody knows yet whether it is deleted
    excluded       the link's `where` leaves the record out
    gone           it was deleted there
    absent         it has no record there, and is owed none
    read only      the link does not write the field, and another value is there
    """
    note: str = ""
    """Why, where it is neither acknowledged nor on its way."""


def holders(
    cluster: Cluster,
    rule: FieldRule,
    entity: EntityRule,
    reports: Sequence[StoredReport],
    fp: Fingerprinter,
    drifting: Mapping[str, Collection[FieldNumber]],
) -> dict[str, Holder]:
    """For each system that maps the field, in the order of the config. `drifting`: what systems no longer show."""
    return {
        system: _holder(cluster, rule, entity, link, reports, fp, drifting.get(system, ()))
        for system, link in entity.links.items()
        if rule.number in link.fields
    }


def _holder(
    cluster: Cluster,
    rule: FieldRule,
    entity: EntityRule,
    link: LinkRule,
    reports: Sequence[StoredReport],
    fp: Fingerprinter,
    drifting: Collection[FieldNumber],
) -> Holder:
    binding = cluster.binding_in(link.system)
    if binding is None:
        return _without_record(cluster, entity, link, fp, drifting)
    reg = cluster.regs.get(rule.number)
    blocked = binding.body.blocked.get(rule.number)
    if blocked == UNREADABLE:
        return Holder("unreadable", "its value there cannot be read; see `datasyncd quarantine`")
    if reg is None or dominates(cluster.context_of(binding, rule.number), reg.ctx):
        return Holder("acknowledged")
    if rule.number not in link.pushes:
        return Holder("read only", "this link only reads the field")
    if blocked is not None and blocked == reg.ctx:
        return Holder("rejected", _reason(link.system, reports))
    return _owed(cluster, rule, entity, link, binding, fp, drifting)


def _owed(
    cluster: Cluster,
    rule: FieldRule,
    entity: EntityRule,
    link: LinkRule,
    binding: Binding,
    fp: Fingerprinter,
    drifting: Collection[FieldNumber],
) -> Holder:
    """A record that does not embody the winner yet."""
    for attempt in cluster.attempts:
        if attempt.binding_id == binding.id and attempt.body.names(rule.number):
            unknown = attempt.status == AttemptStatus.UNKNOWN
            return Holder("sent", "its outcome is unknown; the record is read again" if unknown else "")
    held = _held(cluster, rule, entity)
    if held:
        return Holder("held", held)
    if binding.suspect_since:
        return Holder("missing", "the record was not found when it was last read")
    if rule.number in opt_ins_held(cluster, entity, link, binding, fp):
        return Holder("held", "an opt-in is not written where the system cannot refuse a stale write")
    if not gated(cluster, entity, link):
        return Holder("excluded", "the link's `where` leaves this record out")
    return _in_outbox(cluster, link, drifting if rule.number in drifting else ())


def _held(cluster: Cluster, rule: FieldRule, entity: EntityRule) -> str:
    """Why nobody is written the field; empty where they are."""
    if cluster.state == ClusterState.HELD:
        return "the record was deleted in one system and edited in another"
    reg = cluster.regs[rule.number]
    choice = resolve(cluster, reg, rule, entity)
    if not choice.decided:
        return "the versions differ and a person chooses"
    if reg.hold == Hold.FROZEN and not (rule.consent and choice.value == CONSENT_OUT):
        return "the field is frozen"
    return ""


def _without_record(
    cluster: Cluster, entity: EntityRule, link: LinkRule, fp: Fingerprinter, drifting: Collection[FieldNumber]
) -> Holder:
    attempt = next((a for a in cluster.attempts if a.system == link.system), None)
    if attempt is not None:
        return Holder("sent", "the creation of the record has no answer yet")
    if link.system in cluster.outbox:
        return _in_outbox(cluster, link, drifting)
    if cluster.merged_away and not cluster.used(link.system):
        return Holder("gone", "a record of it was merged into another one, so that none is made any more")
    if cluster.used(link.system):
        return Holder("gone", "its record there was deleted or moved, and is not made again")
    if link.pushes and cluster.body.stopped.get(link.system) == fp(cluster.contexts(link.pushes)):
        return Holder("rejected", "the system refused to make a record")
    if link.pushes and not gated(cluster, entity, link):
        return Holder("excluded", "the link's `where` leaves this record out")
    return Holder("absent")


def _in_outbox(cluster: Cluster, link: LinkRule, drifting: Collection[FieldNumber]) -> Holder:
    due = cluster.outbox.get(link.system)
    if due is not None and due.due_at == HELD and drifting:
        return Holder("held", "most records there no longer show the field; see `datasyncd conflicts`")
    if due is not None and due.due_at == HELD:
        return Holder("held", "a guard holds it; see `datasyncd guard`")
    error = due.last_error if due is not None else ""
    return Holder("queued", f"tried {due.tries} times: {error}" if due is not None and error else "")


def _reason(system: str, reports: Sequence[StoredReport]) -> str:
    for report in reversed(reports):
        refused = report.kind in (ReportKind.REFUSED, ReportKind.CLASH)
        if refused and report.system == system and report.state == ReportState.OPEN:
            return report.body.text
    return "the system refused it"
