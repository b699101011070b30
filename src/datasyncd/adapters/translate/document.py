"""Document: a JSON value as its canonical text, so that what has the same content is the same text.

Names are sorted by code point, and nothing stands between the parts. A number is what it counts, whatever it is
written like: 1, 1.0 and 10e-1 are one, and all digits of 12345678901234567890 count. A name that comes twice in an
object is refused, since readers do not agree which one counts.

Where a column holds JSON values, a text in it is a text; elsewhere it is the text of a document.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.adapters.number import number
from datasyncd.reconcile.rules import Value

from .field_type import LONGEST_VALUE, FieldTypeOptions, Form, Invalid, Kind, Reader, longest, too_long
from .numbers import MOST_DIGITS, decimal_text
from .text import text_of, well_formed

DEEPEST = 64
"""Levels of lists and objects within each other."""
LONGEST_REMEMBERED = 200
"""Characters of a text whose canonical form is kept, in case it comes again."""

_REASON = "a JSON document expected"
_TOO_LARGE = 10**MOST_DIGITS
_encode_text = json.encoder.encode_basestring


def document_reader(options: FieldTypeOptions) -> Reader:
    limit = longest(options)
    decoded = options.decoded

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        if not decoded and isinstance(raw, str | bytes):
            text = text_of(raw, "a JSON document")
            if not text or text.isspace():
                return None
            if len(text) > 4 * LONGEST_VALUE:
                raise too_long(limit)
            found = _remembered(text) if len(text) <= LONGEST_REMEMBERED else _canonical(text)
            if found == "null":
                return None
        else:
            found = _written(raw)
        if len(found) > limit:
            raise too_long(limit)
        return found

    return read


def _canonical(text: str) -> str:
    """Raises `Invalid`."""
    return _written(_parsed(text))


_remembered = lru_cache(4096)(_canonical)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_number, parse_constant=_refuse, object_pairs_hook=_object)
    except Invalid:
        raise
    except (ValueError, RecursionError, ArithmeticError):
        raise Invalid(_REASON) from None


def _number(text: str) -> Decimal:
    if len(text) > 3 * MOST_DIGITS:
        raise Invalid(f"numbers of at most {MOST_DIGITS} digits expected")
    return Decimal(text)


def _refuse(_constant: str) -> Any:
    raise Invalid("JSON without NaN and infinity expected")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Invalid("an object with each name once expected")
    return found


def _written(value: Any) -> str:
    """The canonical text of a JSON value. Raises `Invalid`."""
    parts: list[str] = []
    _write(value, 0, parts.append)
    return well_formed("".join(parts))


def _write(value: Any, depth: int, put: Callable[[str], None]) -> None:
    if depth > DEEPEST:
        raise Invalid(f"JSON of at most {DEEPEST} levels expected")
    if isinstance(value, str):
        put(_encode_text(value))
    elif value is None:
        put("null")
    elif isinstance(value, bool):
        put("true" if value else "false")
    elif isinstance(value, int | float | Decimal):
        put(_digits(value))
    elif isinstance(value, list | tuple):
        before = "["
        for element in value:
            put(before)
            _write(element, depth + 1, put)
            before = ","
        put("]" if value else "[]")
    elif isinstance(value, dict) and all(isinstance(name, str) for name in value):
        before = "{"
        for name in sorted(value):
            put(f"{before}{_encode_text(name)}:")
            _write(value[name], depth + 1, put)
            before = ","
        put("}" if value else "{}")
    else:
        raise Invalid(_REASON)


def _digits(number: int | float | Decimal) -> str:
    if isinstance(number, int):
        if abs(number) >= _TOO_LARGE:
            raise Invalid(f"numbers of at most {MOST_DIGITS} digits expected")
        return str(number)
    return decimal_text(Decimal(repr(number)) if isinstance(number, float) else number)


def document_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    match kind:
        case "text" | "any":
            return Form(_text)
        case "bytes":
            return Form(lambda value: _text(value).encode())
        case "json":
            return Form(_value)
    return None


def _text(value: Any) -> str:
    if value.__class__ is not str or _canonical(value) != value:
        raise Invalid(_REASON)
    return str(value)


def _value(value: Any) -> Native:
    """The value of which this is the text."""
    return json.loads(_text(value), parse_float=number)
