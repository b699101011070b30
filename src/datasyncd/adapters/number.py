"""Numbers of JSON, exact: a binary float where it is the number that was written, else a `Decimal`.

JSON sets no bounds to the digits of a number, and libraries round what has more than a float holds without a word.
"""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import Native


def number(text: str) -> float | Decimal:
    """A number with a fraction or an exponent, as JSON writes it."""
    found = float(text)
    if math.isfinite(found) and Decimal(repr(found)) == Decimal(text):
        return found
    return Decimal(text)


def shortest(value: float) -> float:
    """Of a number of 32 bits the shortest one that is the same there: 0.1, and not what is left of it.

    Raises `OverflowError` for what they do not hold.
    """
    packed = struct.pack("<f", value)
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == packed:
            return short
    return value


def json_text(value: Native) -> str:
    """A value as JSON without blanks, a `Decimal` as a number with all its digits.

    Raises `TypeError` or `ValueError` for what JSON has no form for, and `RecursionError`.
    """
    try:
        return _dumps(value)
    except TypeError:
        return _parts(value)


def _parts(value: Native) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a finite number expected")
        return str(value)
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return "{" + ",".join(f"{_dumps(name)}:{_parts(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_parts, value)) + "]"
    return _dumps(value)


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
