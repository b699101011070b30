"""Seen: the edits of a cluster as the journal has them, and when each was first read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from datasyncd.reconcile.rules import FieldNumber, Value
from datasyncd.state.records import JournalRow
from datasyncd.state.transaction import Tx

from .terms import Dot

WRITES = ("write", "create")
"""Kinds of lines that are writes of ours."""
_EDIT_FIELDS = 5
"""An edited field in a journal line: its number, incarnation, n, value, time. Other lines name only the number."""


class Edit(msgspec.Struct, frozen=True):
    """One edit of one field."""

    field: FieldNumber
    dot: Dot | None
    """None: it was overruled on arrival."""
    value: Value
    system: str | None
    """None: a person here."""
    edited_at: int
    seen_at: int
    cause: str
    run: int
    binding: int


def edits_of(rows: Iterable[JournalRow]) -> list[Edit]:
    """The edits among journal lines, in their order."""
    out = []
    for row in rows:
        for number, incarnation, n, value, at in (edit for edit in row.fields if len(edit) == _EDIT_FIELDS):
            dot = (row.binding_id, incarnation, n) if row.kind != "overruled" else None
            out.append(Edit(number, dot, value, row.system, at, row.at, row.cause, row.run, row.binding_id))
    return out


class Write(msgspec.Struct, frozen=True):
    """One field of a write of ours."""

    known: dict[tuple[int, int], int] | None
    """The edits that it knew of: by record and incarnation the number of the last one. None: all before its line."""
    has_value: bool = False
    """The line holds the value that was sent."""
    value: Value = None


def write_of(row: JournalRow, number: FieldNumber) -> Write | None:
    """What a line of the journal says of a field that it brought; None: it is no write of ours, or not of it."""
    if row.kind not in WRITES:
        return None
    for field, *rest in row.fields:
        if field == number:
            dots = rest[0] if rest else None
            known = None if dots is None else {(binding, incarnation): n for binding, incarnation, n in dots}
            return Write(known, True, rest[1]) if len(rest) > 1 else Write(known)
    return None


class Sightings:
    """When the edits of clusters were first read; each cluster's journal is read once."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[int, dict[tuple[FieldNumber, Dot], int]] = {}

    def of(self, cluster_id: int, number: FieldNumber | None, dot: Dot | None) -> int:
        """Microseconds; 0 where the journal does not say."""
        if number is None or dot is None:
            return 0
        if cluster_id not in self._known:
            edits = edits_of(self._tx.records.journal(cluster_id))
            self._known[cluster_id] = {
                (edit.field, edit.dot): edit.seen_at for edit in reversed(edits) if edit.dot is not None
            }
        return self._known[cluster_id].get((number, dot), 0)
