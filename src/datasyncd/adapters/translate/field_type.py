"""Field type: what kind of value a field holds, and how one system writes it.

A *native* value is as a system holds it, a *canonical* value is the same for all systems. A *reader* makes
the canonical value of a native one, or raises `Invalid`. A *form* is how a type is written into one kind of
column. Reasons name what was expected and never the value: they reach logs and reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

Kind: TypeAlias = Literal["text", "integer", "float", "boolean", "json", "list", "bytes", "any"]
"""What a column holds, as `Column.kind` says it."""

Reader: TypeAlias = Callable[[Native], Value]
"""Native to canonical. Blank in any of its native forms becomes None. Raises `Invalid`."""

Writer: TypeAlias = Callable[[Value], Native]
"""Canonical to native, for values that are not blank. Raises `Invalid` for what the column cannot hold."""

LONGEST_VALUE = 65_536
"""Characters of one value; a set counts the sum of its elements."""
LARGEST_SET = 1_000
"""Elements of one set."""
LARGEST_INTEGER = 2**63 - 1
EXACT_FLOAT = 2**53
"""From here on a binary float does not hold each whole number, so that one may have been rounded before."""

REMEMBERED = 16_384
"""Entries of a cache of values that are slow to translate."""


class Invalid(ValueError):
    """A value that is present and cannot be translated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unusable(ValueError):
    """Options that no reader can be made of: an unknown type, region or zone, or a wrong map of values."""


class FieldTypeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a field of an entity, with what one link says of its native form."""

    name: str
    """text, email, phone, integer, decimal, money, boolean, date, datetime, enum, set, consent, url, country, language
    or json."""
    region: str | None = None
    """phone: ISO 3166 code of the country whose national numbers are understood; None: international only."""
    values: tuple[str, ...] = ()
    """enum: the canonical values."""
    max_length: int | None = None
    """text, email, url, json: most characters of a value; set: of an element."""
    separator: str | None = None
    """set: what stands between elements where the system holds a text; "json": a JSON array. Default ";"."""
    zone: str | None = None
    """datetime: the system keeps the local time of this zone and does not say so. None: UTC, written with Z."""
    form: str | None = None
    """money, country, language: which of its native forms the system has."""
    locale: str | None = None
    """country: the language of its names there. Default: en."""
    currency: str | None = None
    """money: the only currency that the field has."""
    native_currency: str | None = None
    """money: the currency of amounts that the system has without one. Default: `currency`."""
    digits: Mapping[str, int] = {}
    """money: currency -> digits of its amounts, where that is not what ISO 4217 says."""
    native_digits: Mapping[str, int] = {}
    """money: currency -> digits of the smallest unit that the system counts in. Default: `digits`."""
    decoded: bool = False
    """json, set: the column holds JSON values, so that a text in it is a text, and no document or list."""
    native_values: Mapping[str, bool | int | str] = {}
    """text, enum, boolean, consent, country, language: native to canonical. The first form is written."""
    lossy: bool = False
    """A value that the column changes is written as the column keeps it; otherwise it is refused."""


class Form(msgspec.Struct, frozen=True):
    """How a type is written into one kind of column."""

    write: Writer
    identity: bool = True
    """What was written reads back as the same value, whatever it was."""
    limit: str | None = None
    """What the column does not hold as it is, for a person."""
    loss: str | None = None
    """What it changes of many values, for a person: both ways only where `lossy` says so."""
    is_told: bool = True
    """What it makes of them is known beforehand; otherwise `lossy` is of no help."""


def too_long(limit: int) -> Invalid:
    return Invalid(f"longer than {limit} characters")


def longest(options: FieldTypeOptions) -> int:
    """Most characters that a value of this field may have."""
    if options.max_length is None:
        return LONGEST_VALUE
    return min(options.max_length, LONGEST_VALUE)
