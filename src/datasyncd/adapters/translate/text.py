"""Text and URL: values that are kept as they are.

Nothing is trimmed, folded or normalised: what looks equal to a program may be different to its owner. A text
of no characters is blank.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import (
    EXACT_FLOAT,
    LARGEST_INTEGER,
    FieldTypeOptions,
    Form,
    Invalid,
    Kind,
    Reader,
    longest,
    too_long,
)

LONGEST_NUMBER = 400
"""Digits of a number that is read as a text."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*").fullmatch
_WHOLE = re.compile(r"0|-?[1-9][0-9]*").fullmatch


def text_of(raw: Native, expected: str) -> str:
    """The text in a native value that is no plain `str`; numbers as they are written. "" is blank.

    A float that is not exact any more is refused: an id that went through one may be another's.
    """
    if isinstance(raw, str):
        return str.__str__(raw)
    if isinstance(raw, bytes):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Invalid(f"{expected} expected, not bytes that are no UTF-8") from None
    if isinstance(raw, bool):
        raise Invalid(f"{expected} expected, not true or false")
    if isinstance(raw, int) and abs(raw) <= LARGEST_INTEGER:
        return str(raw)
    if isinstance(raw, float) and abs(raw) < EXACT_FLOAT:
        return str(int(raw)) if raw.is_integer() else repr(raw)
    if isinstance(raw, Decimal) and raw.is_finite() and abs(raw.adjusted()) < LONGEST_NUMBER:
        return format(raw, "f")
    if isinstance(raw, int | float | Decimal):
        raise Invalid(f"{expected} expected, not a number too large to be exact")
    raise Invalid(f"{expected} expected, not a list, an object or another kind of value")


def well_formed(text: str) -> str:
    """`text`, if it can be encoded: half a surrogate pair is no character and no store takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("text expected, not half a surrogate pair") from None
    return text


def text_reader(options: FieldTypeOptions) -> Reader:
    limit = longest(options)

    def read(raw: Native) -> Value:
        if raw.__class__ is not str:
            if raw is None:
                return None
            raw = text_of(raw, "text")
        if not raw:
            return None
        if len(raw) > limit:
            raise too_long(limit)
        return raw if raw.isascii() else well_formed(raw)

    return read


def url_reader(options: FieldTypeOptions) -> Reader:
    limit = longest(options)

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        text = (raw if raw.__class__ is str else text_of(raw, "a URL")).strip()
        if not text:
            return None
        if len(text) > limit:
            raise too_long(limit)
        if not _ABSOLUTE(text):
            raise Invalid("an absolute URL such as https://example.com expected")
        return well_formed(text)

    return read


def text_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    """How whatever is a text in canonical form is written."""
    if kind in ("text", "json", "any"):
        return Form(_as_text)
    if kind == "bytes":
        return Form(_as_bytes)
    if kind == "integer" and options.name in ("text", "enum"):
        return Form(_as_integer, limit="only whole numbers without leading zeros fit an integer column")
    return None


def _as_text(value: Any) -> Native:
    if value.__class__ is not str:
        raise Invalid("text expected")
    return value


def _as_bytes(value: Any) -> Native:
    if value.__class__ is not str:
        raise Invalid("text expected")
    return value.encode()


def _as_integer(value: Any) -> Native:
    if value.__class__ is str and len(value) <= 20 and _WHOLE(value):
        number = int(value)
        if -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            return number
    raise Invalid("a whole number of at most 64 bits without leading zeros expected by an integer column")
