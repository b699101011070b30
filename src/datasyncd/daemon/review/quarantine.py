"""Quarantine: records and fields that could not be read or written, grouped by cause.

    retry    the system is asked again, and what comes is merged afresh; what was refused is sent again
    drop     nobody is told of it any more until the record's value, or the reason, changes

A record that a late create of ours made (*orphan*) can only be dropped: it must never become a record of its
own. A create that a system refused has no record yet; it is listed with the id of its report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.effects import Effects, Report, ReportKind, ReportState
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.rules import FieldNumber
from datasyncd.state.records import QuarantineRow
from datasyncd.state.transaction import Tx

from .conflicts import DROPPED
from .refusal import Misused, Unable
from .release import unblock
from .terms import Terms
from .timestamp import timestamp

ORPHAN = "orphan"
INVALID = "invalid"
REFUSED = "refused"
LISTED = 20
"""Most records that a list shows of one cause."""


class Row(msgspec.Struct, frozen=True):
    """One record, or one field of it, that is kept out."""

    id: str
    system: str
    entity: str | None
    object: str
    ext_id: str
    """The record's own id; of a create that was refused, our id of the record."""
    number: FieldNumber | None
    kind: str
    reason: str
    cluster_id: int
    raw: Any
    first_at: int
    last_at: int
    tries: int
    report: bytes | None = None
    """Of a create that was refused."""


class Kept(msgspec.Struct, kw_only=True):
    """A row as it is shown."""

    id: str
    ext_id: str
    place: str | None
    """Where it stands, of a row that could not be made a record."""
    key: str | None
    """What a person knows its cluster by, where it has one."""
    since: str
    last: str
    tries: int
    raw: Any = None
    """The value as the system has it, where it is known; only in `show`."""


class Cause(msgspec.Struct, kw_only=True):
    """Rows that have one cause."""

    id: str
    kind: str
    system: str
    entity: str | None
    field: str | None
    reason: str
    count: int
    since: str
    accepts: list[str]
    records: list[Kept]


class Done(msgspec.Struct, kw_only=True):
    """What a retry or a drop did."""

    done: list[str]
    """Ids of rows."""
    refused: list[tuple[str, str]]
    """Ids of rows that stay as they are, and why."""
    links: list[str]
    """Links that are looked at again because of it."""


def quarantine(tx: Tx, terms: Terms) -> list[Cause]:
    """What is kept out, by cause, the most frequent first."""
    return _causes(tx, terms, rows(tx, terms), LISTED, raw=False)


def show(tx: Tx, terms: Terms, id: str) -> Cause:
    """One cause, or one row with its raw value. Raises `Misused`."""
    found = named(rows(tx, terms), [id], terms)
    return _causes(tx, terms, found, len(found), raw=True)[0]


def waiting(tx: Tx, terms: Terms) -> dict[tuple[str, str], int]:
    """How many rows wait, by system and entity; counted where they need not be looked at."""
    if any(kind == DROPPED for kind, _state in tx.records.report_counts()):
        found = [(row.system, row.entity or row.object, 1) for row in rows(tx, terms)]
    else:
        counted = tx.records.quarantine_counts().items()
        found = [(system, _held_by(system, object, terms), n) for (system, object), n in counted]
        found += [(row.system, row.entity or row.object, 1) for row in _refused_creates(tx, terms)]
    out: dict[tuple[str, str], int] = {}
    for system, entity, n in found:
        out[system, entity] = out.get((system, entity), 0) + n
    return out


def _held_by(system: str, object: str, terms: Terms) -> str:
    entity = terms.entity_at(system, object)
    return entity.name if entity is not None else object


def rows(tx: Tx, terms: Terms) -> list[Row]:
    """All rows that were not dropped, and the creates that were refused."""
    dropped: set[bytes] = set()
    if any(kind == DROPPED for kind, _state in tx.records.report_counts()):
        dropped = {report.digest for report in tx.records.reports(ReportState.RESOLVED) if report.kind == DROPPED}
    kept = [_row(row, terms) for row in tx.records.quarantined()]
    return [*(row for row in kept if _note(row, terms) not in dropped), *_refused_creates(tx, terms)]


def is_dropped(tx: Tx, terms: Terms, cluster_id: int, system: str, number: FieldNumber) -> bool:
    """Whether a field that is kept out is so without being listed."""
    return not any((row.cluster_id, row.system, row.number) == (cluster_id, system, number) for row in rows(tx, terms))


def dropped_notes(tx: Tx, terms: Terms) -> list[bytes]:
    """Digests of the notes that keep rows dropped which are still there."""
    if not any(kind == DROPPED for kind, _state in tx.records.report_counts()):
        return []
    return [_note(_row(row, terms), terms) for row in tx.records.quarantined()]


_REFUSALS = frozenset({ReportKind.REFUSED, ReportKind.CLASH})


def _refused_creates(tx: Tx, terms: Terms) -> list[Row]:
    """Creates that a system refused: there is no record to quarantine, so their reports stand for them."""
    if not any(kind in _REFUSALS and state == ReportState.OPEN for kind, state in tx.records.report_counts()):
        return []
    reports = [r for r in tx.records.reports(ReportState.OPEN) if r.kind in _REFUSALS and r.field is None]
    clusters = tx.clusters.load({report.cluster_id for report in reports})
    out = []
    for report in reports:
        cluster = clusters.get(report.cluster_id)
        if cluster is None or report.system is None:
            continue
        rule = terms.rules.get(cluster.entity)
        link = rule.links.get(report.system) if rule is not None else None
        out.append(
            Row(
                report.digest.hex(), report.system, cluster.entity, link.object if link is not None else "",
                f"#{report.cluster_id}", None, report.kind, report.body.text, report.cluster_id, None,
                report.first_at, report.last_at, report.count, report.digest,
            )
        )  # fmt: skip
    return out


def _row(row: QuarantineRow, terms: Terms) -> Row:
    entity = terms.entity_at(row.system, row.object)
    number = -1 if row.field is None else row.field
    id = terms.fp(["quarantine", row.system, row.object, row.ext_id, number]).hex()
    return Row(
        id, row.system, entity.name if entity is not None else None, row.object, row.ext_id, row.field, row.kind,
        row.reason, row.cluster_id, row.raw, row.first_at, row.last_at, row.tries,
    )  # fmt: skip


def named(known: Sequence[Row], ids: Iterable[str], terms: Terms) -> list[Row]:
    """Rows by the id of a row or of a cause, or a prefix of one. Raises `Misused`."""
    out: dict[str, Row] = {}
    for id in ids:
        prefix = id.casefold()
        found = [row for row in known if row.id.startswith(prefix)]
        causes = {cause for row in known if (cause := _cause(row, terms)).startswith(prefix)}
        if len(prefix) < 4 or (not found and not causes):
            raise Misused(f'nothing "{id}" in quarantine; expected an id, or four digits or more of one, from the list')
        if len(found) + len(causes) > 1:
            raise Misused(f'{len(found) + len(causes)} ids begin with "{id}"; give more of it')
        for row in found or [row for row in known if _cause(row, terms) in causes]:
            out[row.id] = row
    return list(out.values())


def _cause(row: Row, terms: Terms) -> str:
    number = -1 if row.number is None else row.number
    return terms.fp(["cause", row.kind, row.system, row.object, number, row.reason]).hex()


def _note(row: Row, terms: Terms) -> bytes:
    """Names a drop: another raw value or another reason is another matter, and another place is not."""
    if row.number is None and row.kind == INVALID:
        return terms.fp(["dropped", row.id, row.kind, row.reason])
    return terms.fp(["dropped", row.id, row.kind, row.reason, row.raw if isinstance(row.raw, bytes) else str(row.raw)])


def _causes(tx: Tx, terms: Terms, found: Sequence[Row], listed: int, *, raw: bool) -> list[Cause]:
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(_cause(row, terms), []).append(row)
    causes = []
    for id, group in groups.items():
        first = group[0]
        clusters = tx.clusters.load({row.cluster_id for row in group[:listed] if row.cluster_id})
        causes.append(
            Cause(
                id=id,
                kind=first.kind,
                system=first.system,
                entity=first.entity,
                field=terms.name(first.number),
                reason=first.reason,
                count=len(group),
                since=timestamp(min(row.first_at for row in group)),
                accepts=["drop"] if first.kind == ORPHAN else ["retry", "drop"],
                records=[_kept(row, clusters.get(row.cluster_id), terms, raw=raw) for row in group[:listed]],
            )
        )
    return sorted(causes, key=lambda cause: (-cause.count, cause.since, cause.id))


def _kept(row: Row, cluster: Cluster | None, terms: Terms, *, raw: bool) -> Kept:
    place = row.raw if row.number is None and row.kind == INVALID else None
    return Kept(
        id=row.id,
        ext_id=row.ext_id,
        place=place,
        key=terms.key_of(cluster) if cluster is not None else None,
        since=timestamp(row.first_at),
        last=timestamp(row.last_at),
        tries=row.tries,
        # A digest stands for a value that was not kept.
        raw=row.raw if raw and place is None and not isinstance(row.raw, bytes) else None,
    )


# Retry and drop


def retry(tx: Tx, terms: Terms, ids: Sequence[str], *, by: str, every: bool = False) -> Done:
    """Read the record again; send again what was refused. Raises `Misused`."""
    out = Done(done=[], refused=[], links=[])
    effects = tx.effects(f"quarantine retry by {by}")
    clusters: dict[int, Cluster] = {}
    for row in _chosen(tx, terms, ids, every):
        try:
            _retry(tx, terms, row, clusters, effects)
        except Unable as unable:
            out.refused.append((row.id, unable.text))
        else:
            _did(out, row, terms)
    for cluster in clusters.values():
        if cluster.entity in terms.rules:
            finish(cluster, terms.rules[cluster.entity], terms.fp, effects)
    if clusters:
        tx.clusters.save(clusters.values(), tx.stamp)
    tx.records.write(effects, tx.run)
    return out


def drop(tx: Tx, terms: Terms, ids: Sequence[str], *, by: str, every: bool = False) -> Done:
    """Say no more of it until the raw value or the reason changes; the record stays kept out. Raises `Misused`."""
    out = Done(done=[], refused=[], links=[])
    effects = tx.effects(f"quarantine drop by {by}")
    for row in _chosen(tx, terms, ids, every):
        if row.report is not None:
            tx.records.set_state([row.report], ReportState.RESOLVED, f"dropped by {by}", tx.at)
        elif row.number is not None:
            effects.released.append((row.system, row.object, row.ext_id, row.number))
            _settle_refusals(tx, row, ReportState.RESOLVED, f"dropped by {by}")
        else:
            effects.reports.append(
                Report(_note(row, terms), DROPPED, row.cluster_id, None, ReportState.RESOLVED, [], None, False,
                       row.system, f"dropped by {by}")
            )  # fmt: skip
        out.done.append(row.id)
    tx.records.write(effects, tx.run)
    return out


def _chosen(tx: Tx, terms: Terms, ids: Sequence[str], every: bool) -> list[Row]:
    if every == bool(ids):
        raise Misused("ids or --all expected, and not both")
    known = rows(tx, terms)
    return known if every else named(known, ids, terms)


def _retry(tx: Tx, terms: Terms, row: Row, clusters: dict[int, Cluster], effects: Effects) -> None:
    if row.kind == ORPHAN:
        raise Unable(
            f"a create of ours made it too late, so it never becomes a record of its own; delete it in {row.system}"
        )
    if row.report is not None or row.kind == REFUSED:
        unblock(_cluster(tx, row, clusters), row.system, row.number, effects)
        if row.report is not None:
            tx.records.set_state([row.report], ReportState.SETTLED, effects.cause, tx.at)
        else:
            _settle_refusals(tx, row, ReportState.SETTLED, effects.cause)
            tx.readings.hint(row.system, row.object, [row.ext_id], tx.stamp, tx.at)
        return
    if row.number is None and row.kind != INVALID:
        effects.released.append((row.system, row.object, row.ext_id, None))
    tx.readings.hint(row.system, row.object, [row.ext_id], tx.stamp, tx.at)


def _cluster(tx: Tx, row: Row, clusters: dict[int, Cluster]) -> Cluster:
    if row.cluster_id not in clusters:
        loaded = tx.clusters.load([row.cluster_id])
        if row.cluster_id not in loaded:
            raise Unable("the record is no longer known; it can only be dropped")
        clusters.update(loaded)
    return clusters[row.cluster_id]


def _settle_refusals(tx: Tx, row: Row, state: str, by: str) -> None:
    """The reports that go with a refused field end with it."""
    tx.records.set_state(
        [
            report.digest
            for report in tx.records.reports(cluster_id=row.cluster_id)
            if report.state == ReportState.OPEN
            and report.kind in _REFUSALS
            and report.field == row.number
            and report.system == row.system
        ],
        state,
        by,
        tx.at,
    )


def _did(out: Done, row: Row, terms: Terms) -> None:
    out.done.append(row.id)
    link = f"{row.system}.{row.entity}"
    if row.entity is not None and link not in out.links:
        out.links.append(link)
