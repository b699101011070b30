"""Numbers: integers of 64 bits, and decimals as text.

The normal form of a decimal has no exponent, no zeros that say nothing and no "-0". A binary float is read by
its shortest text, so that 0.1 is 0.1; it is never calculated with.
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
)

MOST_DIGITS = 100
"""Digits of a decimal before its point, and after it."""

_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,40})(?:\.0{0,40})?\s*").fullmatch
_NORMAL = re.compile(rf"-?(?:0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})(?:\.[0-9]{{0,{MOST_DIGITS - 1}}}[1-9])?").fullmatch
_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*").fullmatch
_LONGEST_WRITTEN = 3 * MOST_DIGITS


def integer_reader(options: FieldTypeOptions) -> Reader:
    def read(raw: Native) -> Value:
        if raw.__class__ is not int:
            if raw is None:
                return None
            raw = _integer_of(raw)
            if raw is None:
                return None
        if -LARGEST_INTEGER - 1 <= raw <= LARGEST_INTEGER:
            return raw
        raise Invalid("an integer of at most 64 bits expected")

    return read


def _integer_of(raw: Native) -> int | None:
    if isinstance(raw, bytes):
        raw = _ascii(raw)
    if isinstance(raw, str):
        if not raw or raw.isspace():
            return None
        if match := _INTEGER(raw):
            return int(match[1])
    elif isinstance(raw, float):
        if not raw.is_integer():
            raise Invalid("an integer expected, not a number with a fraction")
        if abs(raw) >= EXACT_FLOAT:
            raise Invalid("an integer expected, not a binary float too large to be exact")
        return int(raw)
    elif isinstance(raw, Decimal):
        return _integer_of(decimal_text(raw))
    elif isinstance(raw, int) and not isinstance(raw, bool):
        return int(raw)
    raise Invalid("an integer expected")


def integer_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    match kind:
        case "integer" | "json" | "any":
            return Form(_integer)
        case "float":
            return Form(_exact_float, limit="integers of 2^53 and more do not fit a column of floats")
        case "text":
            return Form(lambda value: str(_integer(value)))
        case "bytes":
            return Form(lambda value: b"%d" % _integer(value))
    return None


def _integer(value: Any) -> int:
    if value.__class__ is not int:
        raise Invalid("an integer expected")
    return int(value)


def _exact_float(value: Any) -> Native:
    if abs(_integer(value)) >= EXACT_FLOAT:
        raise Invalid("an integer below 2^53 expected by a column of floats")
    return float(value)


def decimal_reader(options: FieldTypeOptions) -> Reader:
    def read(raw: Native) -> Value:
        if raw.__class__ is str and _NORMAL(raw) and raw != "-0":
            return raw
        if raw is None:
            return None
        return _decimal_of(raw)

    return read


def _decimal_of(raw: Native) -> str | None:
    if isinstance(raw, bytes):
        raw = _ascii(raw)
    if isinstance(raw, float):
        raw = repr(raw)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        # Python refuses to write out an integer of thousands of digits, and so do we.
        raw = str(raw) if raw.bit_length() <= 4 * MOST_DIGITS else "1e999"
    if isinstance(raw, Decimal):
        return decimal_text(raw)
    if isinstance(raw, str):
        if not raw or raw.isspace():
            return None
        if len(raw) <= _LONGEST_WRITTEN and _DECIMAL(raw):
            return decimal_text(Decimal(raw.strip()))
    raise Invalid("a decimal number such as -12.5 expected")


def decimal_text(number: Decimal) -> str:
    """Normal form. Nothing is rounded."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise Invalid("a decimal number expected, not infinity or NaN")
    if number and (number.adjusted() >= MOST_DIGITS or exponent < -3 * MOST_DIGITS):
        raise Invalid(f"a decimal number of at most {MOST_DIGITS} digits expected")
    if not number:
        return "0"
    whole, point, fraction = format(number, "f").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > MOST_DIGITS:
        raise Invalid(f"a decimal number of at most {MOST_DIGITS} digits after its point expected")
    return f"{whole}{point}{fraction}" if fraction else whole


def decimal_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    match kind:
        case "text":
            return Form(_decimal)
        case "bytes":
            return Form(lambda value: _decimal(value).encode())
        case "json" | "any":
            return Form(_number)
        case "integer":
            return Form(_whole, limit="only whole numbers of 64 bits fit an integer column")
        case "float":
            return Form(_rounded, identity=False)
    return None


def _decimal(value: Any) -> str:
    if value.__class__ is not str or not _NORMAL(value):
        raise Invalid("a decimal number expected")
    return str(value)


def _number(value: Any) -> Native:
    """A number where it is exactly this one when it is read again, else the text."""
    text = _decimal(value)
    if "." not in text:
        number = int(text)
        return number if abs(number) < EXACT_FLOAT else text
    rounded = float(text)
    return rounded if _decimal_of(rounded) == text else text


def _whole(value: Any) -> Native:
    text = _decimal(value)
    if "." not in text and -LARGEST_INTEGER - 1 <= (number := int(text)) <= LARGEST_INTEGER:
        return number
    raise Invalid("a whole number of at most 64 bits expected by an integer column")


def _rounded(value: Any) -> Native:
    rounded = float(_decimal(value))
    _decimal_of(rounded)  # rounded up to more digits than can be read again?
    return rounded


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise Invalid("a number expected, not bytes that are no text") from None
