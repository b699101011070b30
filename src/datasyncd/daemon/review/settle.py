"""Settle: a person decides about reports.

A choice is a new edit that has seen everything, so it reaches every system and ends the conflict for good;
only a new edit brings another. It is refused where the versions are no longer those that the report shows.
It never raises a consent: that takes an act of the person concerned, at a system authorised to collect it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datasyncd.reconcile.candidates import candidates_of
from datasyncd.reconcile.choice import Refused, choose, decide_delete
from datasyncd.reconcile.cluster import Cluster, ClusterState
from datasyncd.reconcile.delivery import SHOWN, debts
from datasyncd.reconcile.effects import Effects, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.freeze import thaw
from datasyncd.reconcile.register import Reg
from datasyncd.reconcile.rules import CONSENT_IN, CONSENT_OUT, EntityRule, FieldNumber, FieldRule, Value
from datasyncd.state.records import StoredReport
from datasyncd.state.transaction import Tx

from .. import drift
from .conflicts import (
    DELETE,
    DISMISS,
    FREE,
    KEEP,
    RELEASE,
    Conflict,
    accepts,
    entity_of,
    newest,
    reports_named,
    shown_reports,
    versions_digest,
)
from .foreseen import Foreseen
from .refusal import Misused, OutOfDate, Unable, unknown
from .release import unblock
from .selection import selects
from .terms import Terms, shown

_BATCH = 500
_OF_VALUES = frozenset({ReportKind.CONFLICT, ReportKind.FROZEN, ReportKind.POSSIBLE_OVERWRITE, ReportKind.UNCERTAIN})
"""Reports of one field that a choice of its value answers, all at once."""
_OF_EXISTENCE = frozenset({ReportKind.DELETE_VS_EDIT, ReportKind.RENAME_OR_DELETE})


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided; exactly one of these."""

    use: str | None = None
    """A value of the field, or a word: delete, keep, release, dismiss where no value can be chosen."""
    source: str | None = None
    """The value that this system had."""
    newest: bool = False
    """The value that was edited last."""
    dismiss: bool = False
    """Seen; nothing changes."""
    release: bool = False
    """Try again, or thaw."""

    def __post_init__(self) -> None:
        given = [self.use is not None, self.source is not None, self.newest, self.dismiss, self.release]
        if given.count(True) != 1:
            raise Misused("exactly one of --use, --from, --newest, --dismiss and --release expected")


class Resolved(msgspec.Struct, kw_only=True):
    """A report that is over."""

    id: str
    kind: str
    entity: str | None
    key: str | None
    field: str | None
    action: str
    """choose, delete, keep, release or dismiss."""
    chosen: Value
    writes: list[str]
    """Systems that are owed a write because of it."""
    held: list[str]
    """Those of them in which a guard holds it, for a person to approve."""
    have: list[str]
    """Systems that are owed none, since their record shows the value already."""


class NotResolved(msgspec.Struct, kw_only=True):
    """A report that stays, and why."""

    id: str
    kind: str
    entity: str | None
    key: str | None
    field: str | None
    reason: str
    now: Conflict | None
    """The report as it is now."""


class Resolution(msgspec.Struct):
    resolved: list[Resolved]
    refused: list[NotResolved]
    preview: bool


def resolve(
    tx: Tx,
    terms: Terms,
    way: Way,
    *,
    by: str,
    ids: Sequence[str] = (),
    where: str | None = None,
    digest: str | None = None,
    preview: bool = False,
) -> Resolution:
    """Decide about the reports named by `ids`, or about the open ones that `where` selects.

    `digest`: of the versions that the person saw. `preview`: only say what would happen. Raises `Misused`.
    """
    if bool(ids) == (where is not None):
        raise Misused("ids or --where expected, and not both")
    if digest is not None and len(ids) != 1:
        raise Misused("--if goes with exactly one id")
    systems = {system for entity in terms.rules.values() for system in entity.links}
    if way.source is not None and way.source not in systems:
        raise unknown("system", way.source, systems)
    if where is not None:
        reports = selects(tx, terms, where)
    else:
        reports = reports_named(tx, ids)
    out, foreseen = Resolution([], [], preview), Foreseen()
    for start in range(0, len(reports), _BATCH):
        _Batch(tx, terms, way, by, digest, out, foreseen).run(reports[start : start + _BATCH])
    foreseen.tell(tx)
    return out


class _Batch:
    """Some reports and their clusters."""

    def __init__(
        self, tx: Tx, terms: Terms, way: Way, by: str, digest: str | None, out: Resolution, foreseen: Foreseen
    ) -> None:
        self.tx = tx
        self.terms = terms
        self.way = way
        self.by = by
        self.digest = digest
        self.out = out
        self.foreseen = foreseen
        self.over: dict[bytes, tuple[str, str, Value]] = {}
        """Reports that end: their state, what was done and what was chosen."""

    def run(self, reports: Sequence[StoredReport]) -> None:
        clusters = self.tx.clusters.load({report.cluster_id for report in reports if report.cluster_id})
        by_cluster: dict[int, list[StoredReport]] = {}
        for report in reports:
            by_cluster.setdefault(report.cluster_id, []).append(report)
        for cluster_id, own in by_cluster.items():
            self._cluster(clusters.get(cluster_id), own)
        if not self.out.preview:
            for digest, (state, _action, chosen) in self.over.items():
                self.tx.records.set_state([digest], state, f"resolved by {self.by}", self.tx.at, chosen)

    def _cluster(self, cluster: Cluster | None, reports: Sequence[StoredReport]) -> None:
        effects = self.tx.effects(f"resolve by {self.by}")
        over, done = [], []
        for report in reports:
            try:
                done.append(self._one(cluster, report, effects))
                over.append(report)
            except (Unable, Refused) as refusal:
                if isinstance(refusal, Misused):
                    raise
                self._refuse(report, str(refusal))
        if cluster is not None:
            entity = self.terms.rules.get(cluster.entity)
            if entity is not None:
                finish(cluster, entity, self.terms.fp, effects)
                for report, resolved in zip(over, done, strict=True):
                    if resolved.action != DISMISS:
                        one = resolved.action == RELEASE and report.system is not None
                        number = None if one else report.field
                        classes, resolved.have = _owed(cluster, entity, number, self.terms.fp)
                        resolved.writes = sorted(classes)
                        self.foreseen.decided(resolved.held, entity, classes)
                if self.out.preview:
                    self.foreseen.would_wait(cluster, entity)
        if not self.out.preview:
            if cluster is not None:
                self.tx.clusters.save([cluster], self.tx.stamp)
            self.tx.records.write(effects, self.tx.run)
        self.out.resolved.extend(done)

    def _refuse(self, report: StoredReport, reason: str) -> None:
        now = next(shown_reports(self.tx, self.terms, [report]))
        self.out.refused.append(
            NotResolved(
                id=now.id,
                kind=now.kind,
                entity=now.entity,
                key=now.key,
                field=now.field,
                reason=reason,
                now=now,
            )
        )

    def _one(self, cluster: Cluster | None, report: StoredReport, effects: Effects) -> Resolved:
        if report.digest in self.over:
            _state, action, chosen = self.over[report.digest]
            return self._resolved(cluster, report, action, chosen)
        if report.state == ReportState.RESOLVED:
            raise OutOfDate(f"it is resolved already ({report.body.decided_by})")
        action = _action(report, self.way)
        if self.digest is not None:
            self._compare(cluster, report)
        chosen = self._carry_out(action, cluster, report, effects)
        state = ReportState.SETTLED if action == RELEASE else ReportState.RESOLVED
        self.over[report.digest] = (state, action, chosen)
        return self._resolved(cluster, report, action, chosen)

    def _carry_out(self, action: str, cluster: Cluster | None, report: StoredReport, effects: Effects) -> Value:
        """Do it; returns the value that counts from now on, where it is one."""
        if action == DISMISS:
            return report.body.chosen
        if report.kind == ReportKind.SCHEMA_DRIFT:
            self._write_all_the_same(report)
            return None
        if cluster is None:
            raise Unable("the record is no longer known; it can only be dismissed")
        if action == FREE:
            return self._choose(cluster, report, effects)
        if action == RELEASE:
            self._release(cluster, report, effects)
        else:
            self._existence(cluster, action == DELETE, effects)
        return None

    def _resolved(self, cluster: Cluster | None, report: StoredReport, action: str, chosen: Value) -> Resolved:
        return Resolved(
            id=report.digest.hex(),
            kind=report.kind,
            entity=cluster.entity if cluster is not None else entity_of(report, self.terms),
            key=self.terms.key_of(cluster) if cluster is not None else None,
            field=self.terms.name(report.field),
            action="choose" if action == FREE else action,
            chosen=shown(self.terms.rule(report.field), chosen) if action == FREE else None,
            writes=[],
            held=[],
            have=[],
        )

    def _write_all_the_same(self, report: StoredReport) -> None:
        """A field that a system no longer shows."""
        entity = entity_of(report, self.terms)
        if entity is None or report.system is None or report.field is None:
            raise Unable("the config no longer has this field")
        if not drift.release(self.tx, report.system, entity, report.field, preview=self.out.preview):
            raise OutOfDate("the field is shown again")

    def _compare(self, cluster: Cluster | None, report: StoredReport) -> None:
        now = versions_digest(cluster, report.field, self.terms.fp).hex()
        if now != self.digest:
            raise OutOfDate(f"it changed since it was looked at; its versions are now {now}")

    def _choose(self, cluster: Cluster, report: StoredReport, effects: Effects) -> Value:
        """A value for the field; ends all reports about concurrent values of it."""
        entity = self.terms.entity(cluster.entity)
        if report.field is None or report.field not in entity.fields:
            raise Unable("the config no longer has this field")
        rule = entity.fields[report.field]
        reg = cluster.regs.get(rule.number)
        if rule.derive:
            raise Unable(f"{rule.name} is computed ({rule.derive}); change what it is computed from, or use --dismiss")
        _still_shown(cluster, reg, report)
        value = _value(report, rule, self.way, self.terms)
        _never_raises(rule, reg, value)
        choose(cluster, rule.number, value, entity, self.terms.fp, effects)
        for digest, (kind, number, _system) in cluster.reports.items():
            if number == rule.number and kind in _OF_VALUES:
                self.over[digest] = (ReportState.RESOLVED, FREE, value)
        return value

    def _existence(self, cluster: Cluster, delete: bool, effects: Effects) -> None:
        if cluster.state != ClusterState.HELD:
            raise OutOfDate(f"the record is no longer held; it is {cluster.state}")
        decide_delete(cluster, delete, effects)
        for digest, (kind, _number, _system) in cluster.reports.items():
            if kind in _OF_EXISTENCE:
                self.over[digest] = (ReportState.RESOLVED, DELETE if delete else KEEP, None)

    def _release(self, cluster: Cluster, report: StoredReport, effects: Effects) -> None:
        if report.kind == ReportKind.FROZEN:
            if report.field is None or not thaw(cluster, report.field, effects):
                raise OutOfDate("the field is no longer frozen")
        elif report.system is not None:
            unblock(cluster, report.system, report.field, effects)


def _owed(
    cluster: Cluster, entity: EntityRule, number: FieldNumber | None, fp: Fingerprinter
) -> tuple[dict[str, int], list[str]]:
    """Systems that a decision about this field makes a write due to, with the classes of it that a guard may hold, and
    those whose records show the value already."""
    writes: dict[str, int] = {}
    have: set[str] = set()
    for system, due in cluster.outbox.items():
        before = cluster.was_due.get(system)
        if new := due.owed.classes & ~SHOWN & ~(before.owed.classes if before is not None else 0):
            writes[system] = new
        link, binding = entity.links[system], cluster.binding_in(system)
        if cluster.state == ClusterState.LIVE and binding is not None:
            of_field = (debt for debt in debts(cluster, entity, link, binding, fp) if debt.rule.number == number)
            for debt in of_field:
                if debt.shown:
                    have.add(system)
                elif debt.rule.consent and debt.choice.value == CONSENT_OUT:
                    writes[system] = 0  # an opt-out passes all guards
                else:
                    writes[system] = writes.get(system, 0) | debt.write_class
    return writes, sorted(have - writes.keys())


def _action(report: StoredReport, way: Way) -> str:
    """What the way means for this report. Raises `Unable` where it does not suit its kind."""
    possible = accepts(report)
    if not possible:
        raise Unable(f"it needs no decision: {report.body.decided_by}")
    if way.dismiss or way.release:
        action = DISMISS if way.dismiss else RELEASE
    elif FREE in possible:
        action = FREE
    else:
        action = way.use or ""
    if action in possible:
        return action
    ways = {FREE: "--use VALUE, --from SYSTEM or --newest", DISMISS: "--dismiss", RELEASE: "--release"}
    raise Unable(f"{report.kind} accepts {' or '.join(ways.get(p, f'--use {p}') for p in possible)}")


def _still_shown(cluster: Cluster, reg: Reg | None, report: StoredReport) -> None:
    """Every version that is there now is one that the report shows; else somebody edited since."""
    shows = {candidate.dot for candidate in report.body.candidates}
    now = {candidate.dot for candidate in candidates_of(cluster, reg)} if reg is not None else set()
    if not now <= shows:
        raise OutOfDate("it was edited since this report was made; look at it again with `datasyncd explain`")


def _value(report: StoredReport, rule: FieldRule, way: Way, terms: Terms) -> Value:
    if way.use is not None:
        return terms.parse(rule, way.use)
    candidates = report.body.candidates
    if way.source is not None:
        systems = sorted({c.system for c in candidates if c.system is not None})
        candidates = [candidate for candidate in candidates if candidate.system == way.source]
        if not candidates:
            raise Unable(f"no value from {way.source}; there are: {', '.join(systems) or 'none'}")
    if not candidates:
        raise Unable("the report shows no values; give one with --use")
    return newest(candidates).value


def _never_raises(rule: FieldRule, reg: Reg | None, value: Value) -> None:
    """A choice may lower a consent or keep it as it is, and never raise it: not even from unknown."""
    if not rule.consent or value == CONSENT_OUT:
        return
    values = [sib.val for sib in reg.sibs] if reg is not None else []
    if CONSENT_OUT in values or (value == CONSENT_IN and CONSENT_IN not in values):
        place = " or ".join(rule.authorised) or "a system that the config names as authorised"
        raise Refused(f"{rule.name}: a choice never raises a consent; the person must opt in again at {place}")
