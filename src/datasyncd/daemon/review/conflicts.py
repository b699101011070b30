"""Conflicts: the reports that somebody should look at, and those that are over.

A report is *open* while it waits for a person, *settled* once the policy has chosen (it can be chosen again),
*resolved* when a person has. Its id is the hex of its digest; any prefix that is not shared names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from datasyncd.reconcile.candidates import candidates_of
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.effects import Candidate, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.rules import FieldNumber, Value
from datasyncd.state.records import StoredReport
from datasyncd.state.transaction import Tx

from .refusal import Misused, OutOfDate
from .seen import Sightings
from .terms import Terms, dot_text, shown
from .timestamp import timestamp, timestamp_or_none

DROPPED = "quarantine_dropped"
"""Kind of the note that a person dropped a quarantined record: nothing to look at."""

_BATCH = 500
_SHORTEST_ID = 4

_UNDECIDABLE: dict[str, str] = {
    ReportKind.POSSIBLE_OVERWRITE: "undecidable: the system let a write through without saying what it covered, "
    "so an edit there may have been overwritten",
    ReportKind.UNCERTAIN: "undecidable: a write of unknown outcome was under way when the value was read, "
    "so nobody knows which part of the change is somebody's edit",
}

FREE = "VALUE"
"""Stands for any value of the field's type, chosen with --use, --from or --newest."""
DISMISS = "dismiss"
RELEASE = "release"
DELETE = "delete"
KEEP = "keep"

_OF_VALUES = frozenset(
    {
        ReportKind.CONFLICT,
        ReportKind.OVERRULED,
        ReportKind.FROZEN,
        ReportKind.POSSIBLE_OVERWRITE,
        ReportKind.UNCERTAIN,
    }
)
"""Reports that end with a value."""
_OPEN_ACCEPTS: dict[str, tuple[str, ...]] = {
    ReportKind.CONFLICT: (FREE,),
    ReportKind.DELETE_VS_EDIT: (DELETE, KEEP),
    ReportKind.RENAME_OR_DELETE: (DELETE, KEEP),
    ReportKind.OVERRULED: (FREE, DISMISS),
    ReportKind.POSSIBLE_OVERWRITE: (FREE, DISMISS),
    ReportKind.UNCERTAIN: (FREE, DISMISS),
    ReportKind.FROZEN: (FREE, RELEASE),
    ReportKind.REFUSED: (RELEASE, DISMISS),
    ReportKind.CLASH: (RELEASE, DISMISS),
    ReportKind.SCHEMA_DRIFT: (RELEASE,),
}


class ShownCandidate(msgspec.Struct):
    """One of the values that a report is about."""

    value: Value
    system: str | None
    """None: a person here."""
    seen_at: str | None
    edited_at: str | None
    dot: str | None
    """None: it was overruled on arrival."""
    field: str | None
    """Where the report is about a whole record: the field that holds the value."""


class Conflict(msgspec.Struct, kw_only=True):
    """A report as it is shown."""

    id: str
    kind: str
    entity: str | None
    key: str | None
    field: str | None
    policy: str | None
    state: str
    since: str
    chosen: Value
    decided: bool
    """A value counts, and `chosen` is it; None is then a blank."""
    candidates: list[ShownCandidate]
    text: str
    """What happened."""
    undecidable: str | None
    """Why nobody can tell what happened, where that is so."""
    system: str | None
    """The system concerned, where it is one."""
    cluster: int
    """Our id of the record."""
    digest: str
    """Of the versions of the field that are there now: `resolve --if` compares it."""
    accepts: list[str]
    """What a person can do: VALUE, delete, keep, release, dismiss."""
    count: int
    last: str
    decided_by: str | None
    """Who or what ended it."""


class Cause(msgspec.Struct, kw_only=True):
    """Reports that have one cause: the same kind of thing happened to one field between the same systems."""

    kind: str
    entity: str | None
    field: str | None
    policy: str | None
    systems: list[str]
    state: str
    count: int
    since: str
    text: str
    ids: list[str]
    """Up to 20 of them, oldest first."""


def conflicts(
    tx: Tx, terms: Terms, *, every: bool = False, after: str | None = None, limit: int | None = None
) -> list[Conflict]:
    """The open reports, oldest first; `every`: all of them. A page begins behind the id `after`."""
    reports = tx.records.reports() if every else tx.records.reports(ReportState.OPEN)
    reports = [report for report in reports if report.kind != DROPPED]
    if after is not None:
        ids = [report.digest.hex() for report in reports]
        if after not in ids:
            raise OutOfDate("the list changed meanwhile; ask again from its begin")
        reports = reports[ids.index(after) + 1 :]
    return list(shown_reports(tx, terms, reports[:limit]))


def conflict(tx: Tx, terms: Terms, id: str) -> Conflict:
    """One report. Raises `Misused` where no or more than one id begins so."""
    return next(shown_reports(tx, terms, reports_named(tx, [id])))


def shown_reports(tx: Tx, terms: Terms, reports: Iterable[StoredReport]) -> Iterator[Conflict]:
    """Reports as they are shown, in their order."""
    wanted = [report for report in reports if report.kind != DROPPED]
    sightings = Sightings(tx)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        clusters = tx.clusters.load({report.cluster_id for report in batch if report.cluster_id})
        for report in batch:
            yield _shown(report, clusters.get(report.cluster_id), terms, sightings)


def _shown(report: StoredReport, cluster: Cluster | None, terms: Terms, sightings: Sightings) -> Conflict:
    rule = terms.rule(report.field)
    body = report.body
    entity = cluster.entity if cluster is not None else entity_of(report, terms)
    decided = body.has_choice and report.state != ReportState.OPEN and report.kind in _OF_VALUES
    candidates = [
        ShownCandidate(
            value=shown(rule if candidate.field is None else terms.rule(candidate.field), candidate.value),
            system=candidate.system,
            seen_at=timestamp_or_none(
                candidate.seen_at
                or sightings.of(report.cluster_id, _either(report.field, candidate.field), candidate.dot)
            ),
            edited_at=timestamp_or_none(candidate.edited_at),
            dot=dot_text(candidate.dot),
            field=terms.name(candidate.field),
        )
        for candidate in body.candidates
    ]
    return Conflict(
        id=report.digest.hex(),
        kind=report.kind,
        entity=entity,
        key=terms.key_of(cluster) if cluster is not None else None,
        field=terms.name(report.field),
        policy=rule.policy.value if rule is not None else None,
        state=report.state,
        since=timestamp(report.first_at),
        chosen=shown(rule, body.chosen) if decided else None,
        decided=decided,
        candidates=candidates,
        text=body.text,
        undecidable=undecidable(report),
        system=report.system,
        cluster=report.cluster_id,
        digest=versions_digest(cluster, report.field, terms.fp).hex(),
        accepts=list(accepts(report)),
        count=report.count,
        last=timestamp(report.last_at),
        decided_by=body.decided_by or None,
    )


def _either(field: FieldNumber | None, other: FieldNumber | None) -> FieldNumber | None:
    return field if field is not None else other


def entity_of(report: StoredReport, terms: Terms) -> str | None:
    """The entity of a report without a record, by its field."""
    entity = terms.entity_of(report.field)
    return entity.name if entity is not None else None


def undecidable(report: StoredReport) -> str | None:
    """Why it cannot be told what happened."""
    why = _UNDECIDABLE.get(report.kind)
    if why is None:
        return None
    return f"{why} ({report.body.text})" if report.body.text else why


def accepts(report: StoredReport) -> tuple[str, ...]:
    """What a person can do about a report."""
    if report.state == ReportState.RESOLVED:
        return ()
    if report.state == ReportState.SETTLED and report.kind == ReportKind.SCHEMA_DRIFT:
        return ()
    if report.state == ReportState.SETTLED and report.kind == ReportKind.CONFLICT:
        return (FREE, DISMISS)
    return _OPEN_ACCEPTS.get(report.kind, (DISMISS,))


def versions_digest(cluster: Cluster | None, number: FieldNumber | None, fp: Fingerprinter) -> bytes:
    """Names the versions of a field that are there now, or the state of the record where it is no field."""
    if cluster is None:
        return fp(None)
    reg = cluster.regs.get(number) if number is not None else None
    if reg is None:
        return fp(["state", cluster.id, str(cluster.state)])
    dots = [candidate.dot for candidate in candidates_of(cluster, reg) if candidate.dot is not None]
    return fp.of_dots("versions", cluster.id, number, dots)


def reports_named(tx: Tx, ids: Iterable[str]) -> list[StoredReport]:
    """The reports whose ids begin so, each once. Raises `Misused`."""
    known = [report for report in tx.records.reports() if report.kind != DROPPED]
    return list({report.digest: report for report in (_named(known, id) for id in ids)}.values())


def _named(known: Sequence[StoredReport], id: str) -> StoredReport:
    prefix = id.casefold()
    if len(prefix) < _SHORTEST_ID or any(letter not in "0123456789abcdef" for letter in prefix):
        raise Misused(f'"{id}" is no id; expected at least {_SHORTEST_ID} hexadecimal digits, as the list shows them')
    found = [report for report in known if report.digest.hex().startswith(prefix)]
    if not found:
        raise Misused(f'no report "{id}"; `datasyncd conflicts list --all` shows all')
    if len(found) > 1:
        raise Misused(f'{len(found)} reports begin with "{id}"; give more of the id')
    return found[0]


def causes(reports: Sequence[Conflict]) -> list[Cause]:
    """Reports by cause, the most frequent first."""
    groups: dict[tuple[object, ...], Cause] = {}
    for report in reports:
        systems = systems_of(report)
        name = (report.kind, report.entity, report.field, report.state, *systems)
        group = groups.get(name)
        if group is None:
            group = groups[name] = Cause(
                kind=report.kind,
                entity=report.entity,
                field=report.field,
                policy=report.policy,
                systems=systems,
                state=report.state,
                count=0,
                since=report.since,
                text=report.undecidable or report.text,
                ids=[],
            )
        group.count += 1
        group.since = min(group.since, report.since)
        if len(group.ids) < 20:
            group.ids.append(report.id)
    return sorted(groups.values(), key=lambda group: (-group.count, group.since))


def systems_of(report: Conflict) -> list[str]:
    """The systems that a report is about, in order of their names."""
    systems = {candidate.system for candidate in report.candidates if candidate.system is not None}
    if report.system is not None:
        systems.add(report.system)
    return sorted(systems)


def newest(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that was edited last; of several the first."""
    return max(candidates, key=lambda candidate: candidate.edited_at)
