"""History: all that happened to a record, oldest first, or the record as it was.

Time is when the daemon read or wrote something, by its own clock; when an edit was made stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.rules import EntityRule, FieldNumber, Value
from datasyncd.state.records import JournalRow
from datasyncd.state.transaction import Tx

from .keys import cluster_named
from .refusal import Misused
from .replay import Replay, Standing, sent
from .seen import Edit, edits_of, write_of
from .terms import Dot, Terms, dot_text, shown
from .timestamp import timestamp, timestamp_or_none

_THERE = ("found", "bind", "create", "edit", "overruled", "write", "rename")
"""What happens only to a record that is there."""
_GOES = ("gone", "moved", "delete")


class FieldChange(msgspec.Struct, kw_only=True):
    """What a change says of one field."""

    field: str
    value: Value
    """What was entered; of a write of ours, what was sent."""
    was: Value
    """What counted before."""
    now: Value
    """What counts from then on."""
    decided: bool
    """False: the values differ and a person is to choose; `now` is then null."""
    dot: str | None
    """The edit; null: it was overruled on arrival, or the change is no edit. Of a write of which it can no longer be
    told what was sent: the last edit that it knew of, and `value` is null."""
    edited_at: str | None
    report: str | None
    """Id of the conflict that the edit made."""


class Change(msgspec.Struct, kw_only=True):
    """One line of the journal."""

    id: int
    at: str
    kind: str
    """found, bind, edit, overruled, choice, create, write, delete, refused, gone, moved, deleting, dead, rename, ..."""
    system: str | None
    """Where; null: here."""
    record: str | None
    """The record's own id, as it is now."""
    cause: str
    """pull, read, push, or who decided."""
    run: int
    """Number of the process that did it."""
    fields: list[FieldChange]


class History(msgspec.Struct, kw_only=True):
    """All that happened to one record."""

    entity: str
    id: int
    key: str
    state: str
    records: dict[str, str]
    changes: list[Change]


class PastField(msgspec.Struct, kw_only=True):
    """One field as it was."""

    value: Value
    decided: bool
    """False: the values differed and a person was to choose; `value` is then null."""
    origin: str | None
    """The system that it was edited in; `person` for a choice made here; null for what is made of all edits (a set, a
    counter), and for nothing."""
    edited_at: str | None
    seen_at: str | None
    exact: bool
    """False: what the authors of a set or a counter had seen is inferred, or the journal does not tell everything."""


class Past(msgspec.Struct, kw_only=True):
    """One record as it was."""

    entity: str
    id: int
    key: str
    as_of: str
    state: str | None
    """live, deleting, dead; null: nothing was known of it."""
    records: dict[str, str]
    """Records that were there, by system, each by its id as it is now."""
    fields: dict[str, PastField]


def history(tx: Tx, terms: Terms, entity: str, key: str) -> History:
    """All changes of one record. Raises `Misused` for what does not exist."""
    story = _Story(tx, terms, terms.entity(entity), key)
    cluster = story.cluster
    return History(
        entity=entity,
        id=cluster.id,
        key=terms.key_of(cluster),
        state=cluster.state,
        records={binding.system: binding.ext_id for binding in cluster.live()},
        changes=[story.change(row) for row in story.journal],
    )


def as_of(tx: Tx, terms: Terms, entity: str, key: str, time: str) -> Past:
    """One record as it was. Raises `Misused` for what does not exist, and for what is no time."""
    at = moment_of(time)
    story = _Story(tx, terms, terms.entity(entity), key)
    before = [row for row in story.journal if row.at <= at]
    return Past(
        entity=entity,
        id=story.cluster.id,
        key=terms.key_of(story.cluster),
        as_of=timestamp(at),
        state=_state(before),
        records=story.records(before),
        fields=story.past(at) if before else {},
    )


def moment_of(text: str) -> int:
    """Microseconds of a date or a time in ISO 8601, UTC where it names no zone. Raises `Misused`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        expected = "a time such as 2026-01-31T18:00:00Z or 2026-01-31 expected (UTC where it names no zone)"
        raise Misused(f'"{text}": {expected}') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


class _Story:
    """A cluster with its journal, its reports and what counted when."""

    def __init__(self, tx: Tx, terms: Terms, entity: EntityRule, key: str) -> None:
        self.terms = terms
        self.entity = entity
        self.cluster: Cluster = cluster_named(tx, terms, entity, key)
        self.journal = tx.records.journal(self.cluster.id)
        self._ids = {binding.id: binding.ext_id for binding in self.cluster.bindings}
        self._systems = {binding.id: binding.system for binding in self.cluster.bindings}
        self._replay = Replay(self.cluster, entity, self.journal, tx.records.reports(cluster_id=self.cluster.id))
        self._past: Mapping[FieldNumber, list[Standing]] = {
            number: self._replay.field(rule) for number, rule in entity.fields.items()
        }

    def change(self, row: JournalRow) -> Change:
        edits = edits_of([row])
        edited = {edit.field for edit in edits}
        named = dict.fromkeys(field[0] for field in row.fields if field[0] not in edited)
        return Change(
            id=row.id,
            at=timestamp(row.at),
            kind=row.kind,
            system=row.system,
            record=self._ids.get(row.binding_id),
            cause=row.cause,
            run=row.run,
            fields=[
                *(self._edited(row, edit) for edit in sorted(edits, key=lambda edit: edit.field)),
                *(self._brought(row, number) for number in named),
            ],
        )

    def _edited(self, row: JournalRow, edit: Edit) -> FieldChange:
        change = self._named(row, edit.field)
        change.value = shown(self.terms.rule(edit.field), edit.value)
        change.dot = dot_text(edit.dot)
        change.edited_at = timestamp_or_none(edit.edited_at)
        return change

    def _brought(self, row: JournalRow, number: FieldNumber) -> FieldChange:
        """A field that is named without an edit: of a write of ours, with what was sent."""
        change, write, rule = self._named(row, number), write_of(row, number), self.terms.rule(number)
        if write is None:
            return change
        standing = sent(self._past.get(number, []), row, write)
        if write.has_value:
            change.value = shown(rule, write.value)
        elif standing is None or standing.decided:
            change.value = shown(rule, standing.value if standing is not None else None)
        else:
            # By the rules of then somebody had won: the config has changed since.
            change.dot = dot_text(standing.edit)
        return change

    def _named(self, row: JournalRow, number: FieldNumber) -> FieldChange:
        rule = self.terms.rule(number)
        past = self._past.get(number, [])
        before = next((standing for standing in reversed(past) if standing.row < row.id), None)
        now = next((standing for standing in reversed(past) if standing.row <= row.id), None)
        decided = now is None or now.decided
        made = now is not None and now.row == row.id and now.report is not None
        return FieldChange(
            field=self.terms.name(number) or f"#{number}",
            value=None,
            was=shown(rule, before.value if before is not None else None),
            now=shown(rule, now.value if now is not None else None) if decided else None,
            decided=decided,
            dot=None,
            edited_at=None,
            report=now.report.hex() if made and now is not None and now.report is not None else None,
        )

    def past(self, at: int) -> dict[str, PastField]:
        edits = {(edit.field, edit.dot): edit for edit in edits_of(self.journal) if edit.dot is not None}
        return {rule.name: self._field(number, at, edits) for number, rule in self.entity.fields.items()}

    def _field(self, number: FieldNumber, at: int, edits: Mapping[tuple[FieldNumber, Dot], Edit]) -> PastField:
        rule, past = self.entity.fields[number], self._past[number]
        standing = next((standing for standing in reversed(past) if standing.at <= at), None)
        exact = self._replay.agrees(rule) and (not rule.merged or standing is None or standing is past[-1])
        if standing is None:
            return PastField(
                value=shown(rule, None), decided=True, origin=None, edited_at=None, seen_at=None, exact=exact
            )
        winner = edits.get((number, standing.winner)) if standing.winner is not None else None
        return PastField(
            value=shown(rule, standing.value) if standing.decided else None,
            decided=standing.decided,
            origin=(winner.system or "person") if winner is not None else None,
            edited_at=timestamp_or_none(winner.edited_at) if winner is not None else None,
            seen_at=timestamp(winner.seen_at if winner is not None else standing.at),
            exact=exact,
        )

    def records(self, rows: Sequence[JournalRow]) -> dict[str, str]:
        """The records that are there after these lines."""
        there: dict[int, None] = {}
        for row in rows:
            if row.kind in _GOES:
                there.pop(row.binding_id, None)
            elif row.kind in _THERE:
                there[row.binding_id] = None
        return {self._systems[binding]: self._ids[binding] for binding in there if binding in self._ids}


def _state(rows: Sequence[JournalRow]) -> str | None:
    """What the last line that says so says."""
    state = "live" if rows else None
    for row in rows:
        if row.kind in ("dead", "deleting"):
            state = row.kind
        elif row.kind == "delete_chosen":
            state = "deleting"
        elif row.kind == "keep_chosen":
            state = "live"
    return state
