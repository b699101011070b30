"""What people read: reports, the journal, evidence of consents, quarantine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from datasyncd.reconcile.effects import Candidate, Effects, Entry, First, Quarantined, Report, ReportState

from .codec import Unpack, pack
from .shelf import Shelf


class ReportBody(msgspec.Struct, array_like=True):
    """The document of a report."""

    candidates: list[Candidate]
    chosen: Any
    has_choice: bool
    text: str
    decided_by: str = ""


class StoredReport(msgspec.Struct):
    """A report with its history."""

    digest: bytes
    kind: str
    cluster_id: int
    field: int | None
    system: str | None
    state: str
    first_at: int
    last_at: int
    count: int
    body: ReportBody


class JournalRow(msgspec.Struct):
    """One line of the journal as stored."""

    id: int
    cluster_id: int
    at: int
    kind: str
    system: str | None
    binding_id: int
    cause: str
    run: int
    fields: list[list[Any]]


class QuarantineRow(msgspec.Struct):
    """One record, or one field of it, that is kept out."""

    system: str
    object: str
    ext_id: str
    field: int | None
    kind: str
    reason: str
    raw: Any
    cluster_id: int
    first_at: int
    last_at: int
    tries: int


_body = Unpack.of(ReportBody)
_any = Unpack.of(Any)
RECORD = -1
"""Column `field` of a quarantined record."""


def _stored(r: Sequence[Any]) -> StoredReport:
    return StoredReport(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], _body(r[9]))


class _JournalBody(msgspec.Struct, array_like=True, omit_defaults=True):
    """The document of a journal line: rows as in `Entry.fields`, and the edits of a founding in short."""

    fields: list[tuple[Any, ...]]
    first: First | None = None


def _journal(r: Sequence[Any]) -> JournalRow:
    body = _journal_body(r[8])
    fields = [list(row) for row in body.fields]
    if body.first is not None:
        at, incarnation = body.first.at, body.first.incarnation
        fields += [[number, incarnation, 1, value, at] for number, value in body.first.values.items()]
    return JournalRow(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], fields)


def _quarantined(r: Sequence[Any]) -> QuarantineRow:
    field = None if r[3] == RECORD else r[3]
    return QuarantineRow(r[0], r[1], r[2], field, r[4], r[5], _any(r[6]), r[7], r[8], r[9], r[10])


_journal_body = Unpack.of(_JournalBody)


class Records:
    """Tables report, journal, act, quarantine, quarantine_key."""

    def __init__(self, connection: sqlite3.Connection, shelf: Shelf) -> None:
        self._db = connection
        self._shelf = shelf

    def write(self, effects: Effects, run: int) -> None:
        """All that one step wants remembered."""
        if effects.journal:
            self._db.executemany(
                "INSERT INTO journal (cluster_id, at, kind, system, binding_id, cause, run, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        e.cluster_id,
                        effects.at,
                        e.kind,
                        e.system,
                        e.binding,
                        e.cause,
                        run,
                        pack(_JournalBody(e.fields, e.first)),
                    )
                    for e in effects.journal
                ],
            )
        if effects.closed:
            self.set_state(effects.closed, ReportState.SETTLED, "ended by a later edit", effects.at)
        if effects.reports:
            self._reports(effects.reports, effects.at)
        if effects.acts:
            self._db.executemany(
                "INSERT OR IGNORE INTO act VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (a.cluster_id, a.field, *a.dot, a.state, a.system, a.who, a.text_version, a.edited_at, effects.at)
                    for a in effects.acts
                ],
            )
        for row in effects.released:
            self.release(*row)
        for quarantined in effects.quarantined:
            self._quarantine(quarantined, effects.at)

    def _reports(self, reports: Sequence[Report], at: int) -> None:
        self._shelf.drop(report.cluster_id for report in reports)
        self._db.executemany(
            "INSERT INTO report (digest, kind, cluster_id, field, system, state, first_at, last_at, count, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET last_at = excluded.last_at, count = count + 1,"
            " state = CASE WHEN state = 'resolved' THEN state ELSE excluded.state END",
            [
                (
                    r.digest, r.kind, r.cluster_id, r.field, r.system, r.state, at, at,
                    pack(ReportBody(r.candidates, r.chosen, r.has_choice, r.text)),
                )
                for r in reports
            ],
        )  # fmt: skip

    def set_state(self, digests: Iterable[bytes], state: str, by: str, at: int, chosen: Any = None) -> None:
        """Settle or resolve reports, and say what ended them."""
        for digest in digests:
            row = self._db.execute("SELECT body, cluster_id FROM report WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                continue
            body = _body(row[0])
            self._shelf.drop([row[1]])
            body.decided_by = by
            if state == ReportState.RESOLVED:
                body.chosen, body.has_choice = chosen, True
            self._db.execute(
                "UPDATE report SET state = ?, last_at = ?, body = ? WHERE digest = ?", (state, at, pack(body), digest)
            )

    def reports(self, state: str | None = None, cluster_id: int | None = None) -> list[StoredReport]:
        """Reports, oldest first; of one state or of one cluster."""
        where, args = [], []
        if state is not None:
            where.append("state = ?")
            args.append(state)
        if cluster_id is not None:
            where.append("cluster_id = ?")
            args.append(str(cluster_id))
        query = (
            "SELECT digest, kind, cluster_id, field, system, state, first_at, last_at, count, body FROM report"
            + (" WHERE " + " AND ".join(where) if where else "")
            + " ORDER BY first_at, digest"
        )
        return [_stored(row) for row in self._db.execute(query, args)]

    def frozen(self, entity: str, before: int) -> list[tuple[int, int, bytes, str | None]]:
        """Frozen fields, unedited since `before`: cluster, field, digest of the report, and the system that fought."""
        rows = self._db.execute(
            "SELECT r.cluster_id, r.field, r.digest, r.system FROM report r JOIN cluster c ON c.id = r.cluster_id"
            " WHERE r.state = 'open' AND r.kind = 'frozen' AND r.last_at < ? AND c.entity = ? ORDER BY 1, 2",
            (before, entity),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def report_counts(self) -> dict[tuple[str, str], int]:
        """How many reports, by kind and state."""
        rows = self._db.execute("SELECT kind, state, count(*) FROM report GROUP BY kind, state")
        return {(row[0], row[1]): row[2] for row in rows}

    def journal(self, cluster_id: int) -> list[JournalRow]:
        """All that happened to a cluster, oldest first."""
        rows = self._db.execute(
            "SELECT id, cluster_id, at, kind, system, binding_id, cause, run, body FROM journal"
            " WHERE cluster_id = ? ORDER BY id",
            (cluster_id,),
        )
        return [_journal(row) for row in rows]

    def happened(self, kind: str, run: int) -> dict[tuple[str, str], int]:
        """How many journal lines of a kind a run has made, by system and entity."""
        rows = self._db.execute(
            "SELECT j.system, c.entity, count(*) FROM journal j JOIN cluster c ON c.id = j.cluster_id"
            " WHERE j.kind = ? AND j.run = ? GROUP BY j.system, c.entity",
            (kind, run),
        )
        return {(row[0], row[1]): row[2] for row in rows}

    def edited_since(self, entity: str, at: int) -> list[int]:
        """Clusters of an entity that have an edit in the journal later than `at`, in order."""
        rows = self._db.execute(
            "SELECT DISTINCT j.cluster_id FROM journal j JOIN cluster c ON c.id = j.cluster_id"
            " WHERE c.entity = ? AND j.kind = 'edit' AND j.at > ? ORDER BY 1",
            (entity, at),
        )
        return [row[0] for row in rows]

    def tell_apart(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Note that a person said of these bindings that they are not the same."""
        self._db.executemany("INSERT OR IGNORE INTO nomatch VALUES (?, ?)", [sorted(pair) for pair in pairs])

    def told_apart(self, pairs: Iterable[tuple[int, int]]) -> bool:
        """Whether a person said of any of these bindings that they are not the same."""
        query = "SELECT 1 FROM nomatch WHERE binding_a = ? AND binding_b = ?"
        return any(self._db.execute(query, sorted(pair)).fetchone() for pair in pairs)

    def are_apart(self, bindings: Iterable[int]) -> bool:
        """Whether a person told any of these bindings from another one."""
        query = "SELECT 1 FROM nomatch WHERE binding_a = ?1 OR binding_b = ?1"
        return any(self._db.execute(query, (binding,)).fetchone() for binding in bindings)

    def told_one(self, pairs: Iterable[tuple[int, int]]) -> None:
        """A person thinks otherwise now."""
        query = "DELETE FROM nomatch WHERE binding_a = ? AND binding_b = ?"
        self._db.executemany(query, [sorted(pair) for pair in pairs])

    def file_under(self, gone: int, into: int) -> None:
        """What is known of a cluster that was merged belongs to the other one: history, evidence, what waits."""
        for table in ("journal", "act", "report", "quarantine"):
            self._db.execute(f"UPDATE {table} SET cluster_id = ? WHERE cluster_id = ?", (into, gone))

    def consents(self) -> list[int]:
        """Numbers of the fields of which acts of consent are known."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT field FROM act ORDER BY 1")]

    def with_consents(self, after: int, limit: int) -> list[int]:
        """Clusters of which acts of consent are known, in order."""
        rows = self._db.execute(
            "SELECT DISTINCT cluster_id FROM act WHERE cluster_id > ? ORDER BY 1 LIMIT ?", (after, limit)
        )
        return [row[0] for row in rows]

    def log(self, entries: Iterable[Entry], at: int, run: int) -> None:
        """Journal lines outside a reconciling step."""
        self.write(Effects(at, "", list(entries)), run)

    # Quarantine

    def _quarantine(self, q: Quarantined, at: int) -> None:
        field = RECORD if q.field is None else q.field
        self._db.execute(
            "INSERT INTO quarantine (system, object, ext_id, field, kind, reason, raw, keys, cluster_id, first_at,"
            " last_at, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET"
            " kind = excluded.kind, reason = excluded.reason, raw = excluded.raw, keys = excluded.keys,"
            " cluster_id = excluded.cluster_id, last_at = excluded.last_at, tries = tries + 1",
            (
                q.system, q.object, q.ext_id, field, q.kind, q.reason, pack(q.raw), pack(q.keys), q.cluster_id, at, at,
            ),
        )  # fmt: skip
        if q.field is None:
            self._db.execute(
                "DELETE FROM quarantine_key WHERE system = ? AND object = ? AND ext_id = ?",
                (q.system, q.object, q.ext_id),
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO quarantine_key VALUES (?, ?, ?, ?)",
                [(digest, q.system, q.object, q.ext_id) for _kind, digest in q.keys],
            )

    def release(self, system: str, object: str, ext_id: str, field: int | None) -> None:
        """A quarantine is over."""
        self._db.execute(
            "DELETE FROM quarantine WHERE system = ? AND object = ? AND ext_id = ? AND field = ?",
            (system, object, ext_id, RECORD if field is None else field),
        )
        if field is None:
            self._db.execute(
                "DELETE FROM quarantine_key WHERE system = ? AND object = ? AND ext_id = ?", (system, object, ext_id)
            )

    def quarantined(self, system: str | None = None, object: str | None = None) -> list[QuarantineRow]:
        """Quarantine rows, of one system and object or all."""
        rows = self._db.execute(
            "SELECT system, object, ext_id, field, kind, reason, raw, cluster_id, first_at, last_at, tries"
            " FROM quarantine WHERE (?1 IS NULL OR system = ?1) AND (?2 IS NULL OR object = ?2)"
            " ORDER BY system, object, ext_id, field",
            (system, object),
        )
        return [_quarantined(row) for row in rows]

    def quarantined_records(self, system: str, object: str) -> dict[str, bytes]:
        """Records kept out as a whole: the digest of the native row that was judged, by ext_id; b"": unreadable."""
        rows = self._db.execute(
            "SELECT ext_id, kind, raw FROM quarantine WHERE system = ? AND object = ? AND field = -1", (system, object)
        )
        return {row[0]: b"" if row[1] == "invalid" else _any(row[2]) or b"" for row in rows}

    def judged_anew(self, system: str, object: str, ext_id: str, raw: bytes | str, at: int) -> None:
        """A record that stays kept out was changed: what was judged (a digest, or a place) is now this."""
        self._db.execute(
            "UPDATE quarantine SET raw = ?, last_at = ? WHERE system = ? AND object = ? AND ext_id = ? AND field = -1",
            (pack(raw), at, system, object, ext_id),
        )

    def unreadable(self, system: str, object: str, ext_ids: Sequence[str]) -> dict[int, int]:
        """How many of these records hold a value that cannot be read, by field."""
        if not self._db.execute(
            "SELECT 1 FROM quarantine WHERE system = ? AND object = ? LIMIT 1", (system, object)
        ).fetchone():
            return {}
        rows = self._db.execute(
            "SELECT q.field, count(*) FROM json_each(?) e JOIN quarantine q"
            " ON q.system = ? AND q.object = ? AND q.ext_id = e.value AND q.field >= 0"
            " WHERE q.kind = 'invalid' GROUP BY q.field",
            (json.dumps(list(ext_ids)), system, object),
        )
        return {row[0]: row[1] for row in rows}

    def quarantine_counts(self) -> dict[tuple[str, str], int]:
        rows = self._db.execute("SELECT system, object, count(*) FROM quarantine GROUP BY system, object")
        return {(row[0], row[1]): row[2] for row in rows}

    def some_kept_out(self) -> bool:
        """Whether any record is kept out whose match keys are known."""
        return self._db.execute("SELECT 1 FROM quarantine_key LIMIT 1").fetchone() is not None

    def quarantined_with(self, system: str, object: str, digests: Sequence[bytes]) -> set[bytes]:
        """Which of these match keys a quarantined record has."""
        found = set()
        for digest in digests:
            if self._db.execute(
                "SELECT 1 FROM quarantine_key WHERE digest = ? AND system = ? AND object = ?", (digest, system, object)
            ).fetchone():
                found.add(digest)
        return found

    def forget_malformed(self, system: str, object: str, still: Iterable[str]) -> None:
        """After a complete pull: rows that are no longer malformed or no longer there leave the quarantine."""
        self._db.execute(
            "DELETE FROM quarantine WHERE system = ? AND object = ? AND kind = 'invalid' AND field = -1"
            " AND ext_id NOT IN (SELECT value FROM json_each(?))",
            (system, object, json.dumps(list(still))),
        )
