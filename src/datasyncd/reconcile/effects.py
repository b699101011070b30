"""Effects: what a step of the reconciler wants remembered beside the clusters that it changed.

Everything here is a value: the store writes it in the transaction of the step.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from .rules import FieldNumber, Value


class ReportKind(StrEnum):
    """Why somebody should look at a field or a record."""

    CONFLICT = "conflict"
    DELETE_VS_EDIT = "delete_vs_edit"
    POSSIBLE_OVERWRITE = "possible_overwrite"
    UNCERTAIN = "uncertain"
    OPT_IN_HELD = "opt_in_held"
    OVERRULED = "overruled"
    FROZEN = "frozen"
    REFUSED = "refused"
    CLASH = "clash"
    DUPLICATE = "duplicate"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    AMBIGUOUS = "ambiguous"
    ORPHAN = "orphan"
    UNLINKED = "unlinked"
    SCHEMA_DRIFT = "schema_drift"
    RENAME_OR_DELETE = "rename_or_delete"
    UNDECLARED_FORM = "undeclared_form"


class ReportState(StrEnum):
    OPEN = "open"
    """Waits for a person."""
    SETTLED = "settled"
    """Chosen by the policy; can be chosen again."""
    RESOLVED = "resolved"


class Candidate(msgspec.Struct, array_like=True, omit_defaults=True):
    """One of the values that a report is about."""

    value: Value
    binding: int
    """Binding of the record that held it; 0 for a person."""
    system: str | None
    dot: tuple[int, int, int] | None = None
    """Binding, incarnation, n."""
    edited_at: int = 0
    seen_at: int = 0
    field: FieldNumber | None = None
    """Where the report is about a whole record: the field that holds the value."""


class Report(msgspec.Struct):
    """A durable value about a conflict or refusal; the same dots give the same digest."""

    digest: bytes
    kind: str
    cluster_id: int
    field: FieldNumber | None
    state: str
    candidates: list[Candidate] = []
    chosen: Value = None
    has_choice: bool = False
    system: str | None = None
    """The system concerned, where it is one."""
    text: str = ""
    """What happened, for a person; holds no values."""


class First(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The edits by which a record founds a cluster, all with one dot and one time."""

    values: dict[FieldNumber, Value]
    incarnation: int
    at: int


class Entry(msgspec.Struct):
    """One line of the journal: something happened to a cluster."""

    cluster_id: int
    kind: str
    """edit, overruled, write, delete, create, bind, gone, choice, derived, refused, ..."""
    system: str | None
    binding: int
    cause: str
    """What made it: pull, read, push, a person's command."""
    fields: list[tuple[Any, ...]] = []
    """(field, incarnation, n, value, time) for an edit. For a write: (field,); (field, dots) if it was overtaken: other
    edits came in between, and it knew of these alone; (field, dots or None, value) for a set or a counter."""
    first: First | None = None
    """More edits, in short."""


class Act(msgspec.Struct):
    """Evidence of a consent: who set it, when, through what."""

    cluster_id: int
    field: FieldNumber
    dot: tuple[int, int, int]
    state: str | None
    system: str | None
    who: str
    text_version: str | None
    edited_at: int


class Quarantined(msgspec.Struct):
    """One record kept out of every cluster, or one field that could not be read or written."""

    system: str
    object: str
    ext_id: str
    field: FieldNumber | None
    kind: str
    """duplicate, ambiguous, orphan, invalid, refused."""
    reason: str
    raw: Any = None
    keys: list[tuple[int, bytes]] = []
    cluster_id: int = 0


class Altered(msgspec.Struct, frozen=True):
    """The first reading after a write of ours shows another value than was sent, and nobody else's save explains it."""

    cluster_id: int
    system: str
    field: FieldNumber
    sent: Candidate
    kept: Candidate


class Effects(msgspec.Struct):
    """All of one transaction's."""

    at: int
    """Microseconds: the time of the step."""
    cause: str = ""
    journal: list[Entry] = []
    reports: list[Report] = []
    closed: list[bytes] = []
    """Digests of open reports that no longer hold."""
    acts: list[Act] = []
    quarantined: list[Quarantined] = []
    blanked: set[tuple[int, FieldNumber]] = set()
    """Fields that somebody cleared, by cluster."""
    refilled: set[tuple[int, FieldNumber]] = set()
    """Fields that were blank and that somebody filled."""
    altered: list[Altered] = []
    """Values that a system keeps in a form which it does not declare."""
    released: list[tuple[str, str, str, FieldNumber | None]] = []
    """Quarantine rows that are over: system, object, ext_id, field."""
