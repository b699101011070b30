"""Explain: why a field has the value that it has.

For each field the versions that were seen, which of them counts and by which rule, what lost, and how far
each system has been told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from datasyncd.reconcile.candidates import candidates_of
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.effects import ReportKind, ReportState
from datasyncd.reconcile.policies import Choice, resolve
from datasyncd.reconcile.register import Reg
from datasyncd.reconcile.rules import EntityRule, FieldNumber, FieldRule, Policy, Value
from datasyncd.state.records import JournalRow, StoredReport
from datasyncd.state.transaction import Tx

from .. import drift
from . import quarantine
from .because import because
from .held_by import Holder, holders
from .keys import cluster_named
from .seen import Edit, edits_of, write_of
from .terms import Dot, Terms, dot_text, shown
from .timestamp import timestamp_or_none

DROPPED = "its value there cannot be read; that was dropped from quarantine until the value or the reason changes"
LISTED = 20
"""Most versions of a field, the latest."""


class Version(msgspec.Struct, kw_only=True):
    """One edit of a field."""

    dot: str | None
    """None: it was overruled on arrival."""
    origin: str
    """The system that it was made in; `person` for a choice made here."""
    value: Value
    edited_at: str | None
    seen_at: str | None
    status: str
    """current; concurrent (not chosen, still kept); lost (to a concurrent one); replaced (by one that had seen
    it); overruled (on arrival)."""
    cause: str | None


class Field(msgspec.Struct, kw_only=True):
    """What is known of one field."""

    value: Value
    decided: bool
    """False: the versions differ and a person chooses; `value` is then null."""
    policy: str
    because: str
    versions: list[Version]
    """Oldest first."""
    context: dict[str, int]
    """Every edit ever merged in: `<binding>.<incarnation>` to the number of its last one."""
    held_by: dict[str, str]
    """By system: acknowledged, queued, sent, rejected, held, unreadable, missing, excluded, absent, gone, read only."""
    notes: dict[str, str]
    """By system, where it is neither acknowledged nor on its way: why."""
    sent: dict[str, str]
    """By system: when a write of this field was last accepted there."""
    reports: list[str]
    """Ids of the reports about it, oldest first."""


class Explanation(msgspec.Struct, kw_only=True):
    """What is known of one record."""

    entity: str
    id: int
    key: str
    state: str
    records: dict[str, str]
    """Its live records: system to the record's own id."""
    fields: dict[str, Field]


def explain(tx: Tx, terms: Terms, entity: str, key: str, field: str | None = None) -> Explanation:
    """One record, or one field of it. Raises `Misused` for what does not exist."""
    rule = terms.entity(entity)
    wanted = [terms.field(rule, field)] if field is not None else list(rule.fields.values())
    cluster = cluster_named(tx, terms, rule, key)
    story = _Story(tx, terms, cluster, rule)
    return Explanation(
        entity=entity,
        id=cluster.id,
        key=terms.key_of(cluster),
        state=cluster.state,
        records={binding.system: binding.ext_id for binding in cluster.live()},
        fields={each.name: story.field(each) for each in wanted},
    )


def reasons(tx: Tx, terms: Terms, cluster: Cluster, rules: Sequence[FieldRule]) -> dict[str, str]:
    """For some fields of a cluster by name: the sentence that says why they have their values."""
    story = _Story(tx, terms, cluster, terms.rules[cluster.entity])
    return {rule.name: story.field(rule).because for rule in rules}


class _Story:
    """A cluster with its journal and its reports."""

    def __init__(self, tx: Tx, terms: Terms, cluster: Cluster, entity: EntityRule) -> None:
        self._tx = tx
        self.terms = terms
        self.cluster = cluster
        self.entity = entity
        self.journal = tx.records.journal(cluster.id)
        self.edits: Mapping[FieldNumber, list[Edit]] = _by_field(edits_of(self.journal))
        self.reports = tx.records.reports(cluster_id=cluster.id)
        self.drifting = {system: drift.known(tx, system, entity.name).drifting for system in entity.links}

    def field(self, rule: FieldRule) -> Field:
        cluster = self.cluster
        reg = cluster.regs.get(rule.number)
        choice = resolve(cluster, reg, rule, self.entity)
        reports = [report for report in self.reports if report.field == rule.number]
        versions = self._versions(rule, reg, choice, reports)
        held: dict[str, Holder] = holders(cluster, rule, self.entity, reports, self.terms.fp, self.drifting)
        for system in [system for system, holder in held.items() if holder.state == "unreadable"]:
            if quarantine.is_dropped(self._tx, self.terms, cluster.id, system, rule.number):
                held[system] = Holder("unreadable", DROPPED)
        return Field(
            value=shown(rule, choice.value) if choice.decided else None,
            decided=choice.decided,
            policy=rule.policy.value,
            because=because(cluster, reg, rule, choice, versions, self._added(rule, choice)),
            versions=versions,
            context=self._context(reg),
            held_by={system: holder.state for system, holder in held.items()},
            notes={system: holder.note for system, holder in held.items() if holder.note},
            sent=_sent(self.journal, rule.number),
            reports=[report.digest.hex() for report in reports],
        )

    def _context(self, reg: Reg | None) -> dict[str, int]:
        actors = self.cluster.body.actors
        context = reg.ctx if reg is not None else {}
        return {f"{actors[actor][0]}.{actors[actor][1]}": n for actor, n in sorted(context.items())}

    def _versions(
        self, rule: FieldRule, reg: Reg | None, choice: Choice, reports: Sequence[StoredReport]
    ) -> list[Version]:
        """The latest edits as the journal has them, and every version that is kept, journaled or not."""
        edits = self.edits.get(rule.number, [])
        kept = candidates_of(self.cluster, reg) if reg is not None else []
        current = self._current(rule, choice, {candidate.dot for candidate in kept if candidate.dot is not None})
        losers = _losers(reports)
        known = {edit.dot for edit in edits}
        out: list[Version] = []
        for version in kept:
            if version.dot not in known:
                status = "current" if version.dot in current else "concurrent"
                out.append(_version(rule, version.dot, version.system, version.value, version.edited_at, status))
        live = {candidate.dot for candidate in kept}
        for index, edit in enumerate(edits):
            if index >= len(edits) - LISTED or edit.dot in live:
                status = self._status(edit, current, live, losers)
                out.append(
                    _version(rule, edit.dot, edit.system, edit.value, edit.edited_at, status, edit.seen_at, edit.cause)
                )
        return out

    def _added(self, rule: FieldRule, choice: Choice) -> list[str]:
        """Of a set, the systems in which its elements were added: what is kept of it names the last one alone."""
        if rule.policy is not Policy.UNION:
            return []
        first: dict[str, str] = {}
        before: dict[int, frozenset[str]] = {}
        for edit in self.edits.get(rule.number, []):
            if edit.dot is None:
                continue
            now = frozenset(edit.value or ())
            for element in before.get(edit.binding, frozenset()) - now:
                first.pop(element, None)
            for element in now - before.get(edit.binding, frozenset()):
                first.setdefault(element, edit.system or "a person")
            before[edit.binding] = now
        return sorted({first[element] for element in choice.value or () if element in first})

    def _current(self, rule: FieldRule, choice: Choice, live: set[Dot]) -> set[Dot]:
        if rule.merged:
            return live
        if choice.sib is None:
            return set()
        return {(*self.cluster.body.actors[choice.sib.actor], choice.sib.n)}

    def _status(self, edit: Edit, current: set[Dot], live: set[Dot | None], losers: Mapping[Dot, Value]) -> str:
        if edit.dot is None:
            return "overruled"
        if edit.dot in current:
            return "current"
        if edit.dot in live:
            return "concurrent"
        return "lost" if edit.dot in losers else "replaced"


def _version(
    rule: FieldRule,
    dot: Dot | None,
    system: str | None,
    value: Value,
    edited_at: int,
    status: str,
    seen_at: int = 0,
    cause: str | None = None,
) -> Version:
    return Version(
        dot=dot_text(dot),
        origin=system or ("computed" if rule.derive else "person"),
        value=shown(rule, value),
        edited_at=timestamp_or_none(edited_at),
        seen_at=timestamp_or_none(seen_at),
        status=status,
        cause=cause,
    )


def _losers(reports: Sequence[StoredReport]) -> dict[Dot, Value]:
    """Versions that a policy or a person passed over."""
    return {
        candidate.dot: candidate.value
        for report in reports
        if report.kind == ReportKind.CONFLICT and report.state != ReportState.OPEN and report.body.has_choice
        for candidate in report.body.candidates
        if candidate.dot is not None and candidate.value != report.body.chosen
    }


def _by_field(edits: Sequence[Edit]) -> dict[FieldNumber, list[Edit]]:
    out: dict[FieldNumber, list[Edit]] = {}
    for edit in edits:
        out.setdefault(edit.field, []).append(edit)
    return out


def _sent(journal: Sequence[JournalRow], number: FieldNumber) -> dict[str, str]:
    out: dict[str, str] = {}
    for row in journal:
        if row.system is not None and write_of(row, number) is not None:
            out[row.system] = timestamp_or_none(row.at) or ""
    return out
