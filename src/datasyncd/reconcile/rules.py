"""Rules: what the config says to the reconciler, compiled once and passed to every pure function.

A rule holds no I/O and no native names; a field is its number, which is never reused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

import msgspec

FieldNumber: TypeAlias = int
Value: TypeAlias = Any
"""A canonical value: None (blank), bool, int, str, a sorted list of texts (set), or a dict of values by name (group);
consent is "in", "out" or None."""

MICROSECONDS = 1_000_000
CONSENT_IN = "in"
CONSENT_OUT = "out"


class Policy(StrEnum):
    """Who wins among values of which nobody had seen the other."""

    LATEST = "latest"
    AUTHORITY = "authority"
    MOST_RESTRICTIVE = "most_restrictive"
    MOST_PERMISSIVE = "most_permissive"
    MAX = "max"
    MIN = "min"
    UNION = "union"
    COUNTER = "counter"
    MANUAL = "manual"


class OnDelete(StrEnum):
    PROPAGATE = "propagate"
    ARCHIVE = "archive"
    UNLINK = "unlink"
    IGNORE = "ignore"


class OptIn(StrEnum):
    """What a link without conditional writes may do with a consent that loosens."""

    BLANK = "blank"
    """Only over a blank or an explicit unknown that a pre-flight reading showed."""
    WRITE = "write"
    STRICT = "strict"


class WriteClass(IntEnum):
    """Classes that guards count; bits of an outbox row's `classes`."""

    CREATE = 1
    UPDATE = 2
    CLEAR = 4
    DELETE = 8
    CONSENT = 16


class FieldRule(msgspec.Struct, frozen=True):
    """One field of an entity."""

    number: FieldNumber
    name: str
    type: str
    policy: Policy
    authority: tuple[str, ...] = ()
    """Systems whose edits count, in order of rank."""
    authorised: tuple[str, ...] = ()
    """Systems that may collect an opt-in."""
    never_clear: bool = False

    members: tuple[str, ...] = ()
    """Of a group: the names of the fields that move as one value, sorted."""
    derive: str = ""
    """The expression that computes it, for people; nobody edits such a field."""
    consent: bool = False
    """It holds a consent: taken from `type`."""
    merged: bool = False
    """The value is made of all siblings: a set's elements, a counter's differences. There is no conflict, and a
    shadow keeps the value, from which the next edit is told. Taken from `policy`."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "consent", self.type == "consent")
        msgspec.structs.force_setattr(self, "merged", self.policy in (Policy.UNION, Policy.COUNTER))


class LinkRule(msgspec.Struct, frozen=True, kw_only=True):
    """One system's part in an entity: what it may say, what it is owed, what it promises."""

    system: str
    entity: str
    object: str
    rank: int
    """Order of the systems in the config: 0 first. Breaks ties."""
    fields: frozenset[FieldNumber]
    """Mapped fields."""
    pulls: frozenset[FieldNumber]
    """Fields whose edits there count."""
    pushes: frozenset[FieldNumber]
    """Fields that are written there."""
    key_field: FieldNumber | None = None
    """The mapped field that is the record's own key there, if one is."""
    mapping_digest: bytes = b""
    condition: str = "none"
    version_order: str = "digest"
    returns_image: bool = False
    create_key: bool = False
    assigns_key: bool = False
    unique: frozenset[FieldNumber] = frozenset()
    forward: bool = False
    late_us: int = 900 * MICROSECONDS
    search_lag_us: int = 300 * MICROSECONDS
    read_max_us: int = 60 * MICROSECONDS
    stale_us: int = 0
    pull_is_reading: bool = False
    whole_record: bool = False
    opt_in: OptIn = OptIn.BLANK
    has_edited_at: bool = False
    stored: Callable[[FieldNumber, Value], Value] | None = None
    """What the system will make of a value; None where it keeps every value as it is."""
    where: Callable[[Mapping[str, Value]], bool] | None = None
    """Which records this system gets: called with canonical values by field name."""
    guards: Mapping[WriteClass, float] = {}
    """Share of the records bound there, 0.0 to 1.0, above which a class is held; a class left out is off."""
    at_least: int = 10
    counts_saves: bool = False
    """Two versions of a record tell how often it was saved in between. Taken from the above, as are the next two."""
    tells_saves: bool = False
    """Two versions of a record tell at least whether anybody saved it in between."""
    creates_are_receipts: bool = False
    """The image that answers a create shows what that create made, and nothing that was sent earlier."""

    def __post_init__(self) -> None:
        counts = self.version_order == "counter" and self.condition != "none"
        transactional = self.condition == "enforced" and self.pull_is_reading and not self.create_key
        msgspec.structs.force_setattr(self, "counts_saves", counts)
        msgspec.structs.force_setattr(self, "tells_saves", counts or self.version_order == "unique")
        msgspec.structs.force_setattr(self, "creates_are_receipts", not self.late_us or transactional)


class Derived(msgspec.Struct, frozen=True):
    """A field that is computed from others."""

    number: FieldNumber
    names: frozenset[str]
    """The fields that it is computed from."""
    compute: Callable[[Mapping[str, Value]], Value]
    """Total and pure: called with canonical values by name."""


class EntityRule(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of thing that systems share."""

    name: str
    fields: Mapping[FieldNumber, FieldRule]
    identify: tuple[tuple[FieldNumber, ...], ...]
    """Match keys in order of trust; each one field, or several together."""
    links: Mapping[str, LinkRule]
    """By the system's name."""
    on_delete: OnDelete = OnDelete.UNLINK
    archive: tuple[FieldNumber, Value] | None = None
    """With `on_delete = archive`: the field that is set, and to what."""
    first_contact: str = "report"
    """newest, report, fill_blanks, or a system's name."""
    match_text: Callable[[str, Value], str] = lambda _type, value: str(value).casefold()
    """Normal form for matching: called with the field's type and a value that is not blank."""
    derived: tuple[Derived, ...] = ()
    reaction_us: int = 600 * MICROSECONDS
    tombstone_us: int = 90 * 86_400 * MICROSECONDS
    freeze_us: int = 86_400 * MICROSECONDS
    consents: frozenset[FieldNumber] = frozenset()
    """Fields that hold a consent: taken from `fields`."""
    merged: frozenset[FieldNumber] = frozenset()
    """Fields whose value is made of all siblings: taken from `fields`."""
    matched: frozenset[FieldNumber] = frozenset()
    """Fields of some match key: taken from `identify`."""

    def __post_init__(self) -> None:
        consents = frozenset(number for number, field in self.fields.items() if field.consent)
        msgspec.structs.force_setattr(self, "consents", consents)
        merged = frozenset(number for number, field in self.fields.items() if field.merged)
        msgspec.structs.force_setattr(self, "merged", merged)
        matched = frozenset(number for numbers in self.identify for number in numbers)
        msgspec.structs.force_setattr(self, "matched", matched)
