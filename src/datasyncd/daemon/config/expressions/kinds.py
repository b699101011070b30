"""Kinds: what a part of an expression can be, and how a canonical value becomes one and is made of one.

While it is calculated with, a decimal is a `Decimal`, and an instant has no Z, so that moments with and without a
fraction sort as texts. All else is as it is in a record; a value that its field cannot hold counts as blank.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from datasyncd.adapters.translate.field_type import LARGEST_INTEGER, LONGEST_VALUE, Invalid
from datasyncd.adapters.translate.numbers import MOST_DIGITS, decimal_text
from datasyncd.reconcile.rules import CONSENT_IN, CONSENT_OUT, Value

from ..problems import nearest
from .parse import ExpressionInvalid

Kind: TypeAlias = Literal["text", "integer", "decimal", "boolean", "date", "datetime", "set", "consent", "any"]
Family: TypeAlias = Literal["text", "number", "boolean", "date", "datetime", "set", "consent", "any"]
"""Kinds that go with each other."""
Evaluate: TypeAlias = Callable[[Mapping[str, Value]], Any]

UNKNOWN = "unknown"
"""What the blank of a consent is called."""
LARGEST = 10**MOST_DIGITS
"""Numbers are smaller."""
ORDERED: tuple[Family, ...] = ("text", "number", "date", "datetime", "any")

_KIND_OF_TYPE: dict[str, Kind] = {
    "integer": "integer",
    "decimal": "decimal",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "set": "set",
    "consent": "consent",
    "any": "any",
}


class Part(NamedTuple):
    """A compiled part of an expression."""

    kind: Kind
    evaluate: Evaluate
    literal: bool = False
    name: str | None = None
    """Of the field, where it is nothing but a field."""
    test: bool = False
    """It gives true or false, and never a blank."""

    @property
    def family(self) -> Family:
        return family(self.kind)


def family(kind: Kind) -> Family:
    return "number" if kind == "integer" or kind == "decimal" else kind


def kind_of(type_: str) -> Kind:
    """Of a field's type; what has no kind of its own is a text."""
    return _KIND_OF_TYPE.get(type_, "text")


def joint(kinds: Iterable[Kind]) -> Kind | None:
    """What a value is that may be of each of `kinds`; None where they do not go with each other."""
    found = set(kinds)
    if found == {"integer", "decimal"}:
        return "decimal"
    if "any" in found:
        return "any" if len({family(kind) for kind in found - {"any"}}) <= 1 else None
    return found.pop() if len(found) == 1 else None


def and_(families: Iterable[Family]) -> str:
    """For a message: "a number and a text"."""
    return " and ".join(f"a {each}" for each in dict.fromkeys(families))


def taken(kind: Kind, value: Value) -> Any:
    """A canonical value as it is calculated with; None where it is blank or not of this kind."""
    if value is None or value == "":
        return None
    match kind:
        case "any":
            return value if value.__class__ is not str or len(value) <= LONGEST_VALUE else None
        case "integer":
            return value if value.__class__ is int and abs(value) <= LARGEST_INTEGER + 1 else None
        case "decimal":
            return _decimal(value)
        case "boolean":
            return value if value.__class__ is bool else None
        case "consent":
            return value if value in (CONSENT_IN, CONSENT_OUT) else None
        case "set":
            return value if value.__class__ is list else None
    if value.__class__ is not str or len(value) > LONGEST_VALUE:
        return None
    return value.removesuffix("Z") if kind == "datetime" else value


def given(kind: Kind, value: Any) -> Value:
    """The canonical value of what was calculated; None where there is none."""
    if value is None or (value.__class__ in (str, list) and not value):
        return None
    match kind:
        case "integer":
            return value if -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER else None
        case "decimal":
            return _written(Decimal(value))
        case "datetime":
            return f"{value}Z"
        case "consent":
            return value if value in (CONSENT_IN, CONSENT_OUT) else None
        case "any":
            return _written(value) if value.__class__ is Decimal else value
    return value


def read_as(kind: Kind, text: str) -> Value:
    """A text literal as a value of another kind. Raises `ExpressionInvalid`."""
    try:
        if kind == "date":
            return datetime.date.fromisoformat(text).isoformat()
        if kind == "datetime":
            moment = datetime.datetime.fromisoformat(text)
            moment = moment.astimezone(datetime.UTC) if moment.tzinfo else moment
            return moment.replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        raise ExpressionInvalid(f'"{text}" is not a {kind}; write it as 2024-01-31 or 2024-01-31T18:00:00Z') from None
    choices = (CONSENT_IN, CONSENT_OUT, UNKNOWN)
    if text not in choices:
        raise ExpressionInvalid('a consent is "in", "out" or "unknown"', nearest(text, choices))
    return text


def literal(value: object) -> Part:
    """Raises `ExpressionInvalid`."""
    match value:
        case bool():
            return Part("boolean", constant(value), literal=True)
        case str():
            return Part("text", constant(value), literal=True)
        case int() if value < LARGEST:
            return Part("integer", constant(value), literal=True)
        case float() if value < LARGEST:
            return Part("decimal", constant(Decimal(repr(value))), literal=True)
        case int() | float():
            raise ExpressionInvalid(f"a number of more than {MOST_DIGITS} digits is not part of the language")
        case None:
            raise ExpressionInvalid("None is not part of the language; use blank()")
    raise ExpressionInvalid(f"a literal of type {type(value).__name__} is not part of the language")


def constant(value: Any) -> Evaluate:
    return lambda _record: value


def _decimal(value: Value) -> Decimal | None:
    """A decimal's canonical text as a number."""
    if value.__class__ is not str or len(value) > 3 * MOST_DIGITS:
        return None
    try:
        number = Decimal(value)
    except decimal.InvalidOperation:
        return None
    return number if number.is_finite() and -MOST_DIGITS <= number.adjusted() < MOST_DIGITS else None


def _written(number: Decimal) -> str | None:
    try:
        return decimal_text(number)
    except Invalid:
        return None
