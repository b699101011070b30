"""Functions: what an expression can call, and how it calculates. All are pure; none knows the time."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from datasyncd.adapters.translate.field_type import LONGEST_VALUE
from datasyncd.adapters.translate.numbers import MOST_DIGITS

from .kinds import LARGEST, Family, Kind

MOST_PLACES = 10
"""That round() keeps."""

_TEXT: tuple[Family, ...] = ("text", "any")
_NUMBER: tuple[Family, ...] = ("number", "any")
_DAY: tuple[Family, ...] = ("date", "datetime", "any")
_WRITTEN: tuple[Family, ...] = ("text", "number", "date", "datetime", "any")
_ALL: tuple[Family, ...] = ("text", "number", "boolean", "date", "datetime", "set", "consent", "any")
_TRAPS = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
_EXACT = decimal.Context(prec=5 * MOST_DIGITS, rounding=decimal.ROUND_HALF_EVEN, traps=_TRAPS)
"""Sums and products of two numbers of the largest size and the most places lose nothing in it."""
_ROUNDED = decimal.Context(prec=28, rounding=decimal.ROUND_HALF_EVEN, traps=_TRAPS)
_SMALLEST = Decimal(1).scaleb(-MOST_DIGITS)


class Function(NamedTuple):
    """A function of the language; of a blank it is blank, unless it `takes_blanks`."""

    signature: str
    takes: tuple[tuple[Family, ...], ...]
    """For each argument, what it may be."""
    gives: Kind | None
    """None: what its arguments are, the condition of an `if` left out."""
    doc: str
    call: Callable[..., Any] | None = None
    """None: it chooses among its arguments and evaluates only what it needs."""
    least: int | None = None
    """How many arguments it needs, where that is fewer than it takes."""
    more: bool = False
    """The last argument may come again and again."""
    takes_blanks: bool = False

    def counts(self) -> tuple[int, int | None]:
        """The fewest and the most arguments; None: no limit."""
        most = len(self.takes)
        return most if self.least is None else self.least, None if self.more else most


def calculate(compute: Callable[..., Any], values: list[Any]) -> Any:
    """What `compute` makes of the values; None where that cannot be computed or has no bounded size."""
    try:
        result = compute(*values)
    except (ArithmeticError, TypeError, ValueError):
        return None
    if result.__class__ is str:
        return result if len(result) <= LONGEST_VALUE else None
    return result


def add(left: Any, right: Any) -> Any:
    if left.__class__ is str:
        return left + right
    return _bounded(left + right if _whole(left, right) else _EXACT.add(_number(left), _number(right)))


def subtract(left: Any, right: Any) -> Any:
    return _bounded(left - right if _whole(left, right) else _EXACT.subtract(_number(left), _number(right)))


def multiply(left: Any, right: Any) -> Any:
    return _bounded(left * right if _whole(left, right) else _EXACT.multiply(_number(left), _number(right)))


def divide(left: Any, right: Any) -> Any:
    return _bounded(_ROUNDED.divide(_number(left), _number(right)))


def negate(value: Any) -> Any:
    return subtract(0, value)


def _number(value: Any) -> Decimal:
    """Raises TypeError, also for a number out of bounds, so that nothing is calculated with it."""
    if value.__class__ is int and -LARGEST < value < LARGEST:
        return Decimal(value)
    if value.__class__ is Decimal:
        return Decimal(value)
    raise TypeError


def _whole(left: Any, right: Any) -> bool:
    if left.__class__ is int and right.__class__ is int:
        return bool(-LARGEST < left < LARGEST and -LARGEST < right < LARGEST)
    return False


def _bounded(number: int | Decimal) -> int | Decimal | None:
    if not -LARGEST < number < LARGEST:
        return None
    if isinstance(number, Decimal) and int(number.as_tuple().exponent) < -MOST_DIGITS:
        return number.quantize(_SMALLEST, context=_EXACT)
    return number


def _round(value: Any, places: int | None = None) -> Any:
    """Halves away from zero, as people round; without places to a whole number."""
    unit = Decimal(1).scaleb(-(places or 0))
    rounded = _number(value).quantize(unit, rounding=decimal.ROUND_HALF_UP, context=_EXACT)
    return int(rounded) if places is None else rounded


def _concat(*values: Any) -> str:
    """Of canonical values. Raises ValueError for what is too long."""
    texts = [value if value.__class__ is str else str(_number(value)) for value in values if value is not None]
    if sum(map(len, texts)) > LONGEST_VALUE:
        raise ValueError
    return "".join(texts)


def _year(day: Any) -> int:
    if day.__class__ is not str or not (day[:4].isascii() and day[:4].isdigit()):
        raise ValueError
    return int(day[:4])


FUNCTIONS: Mapping[str, Function] = {
    "if": Function(
        "if(condition, x, y)",
        (_ALL, _ALL, _ALL),
        None,
        "`x` where the condition is true, else `y`, or a blank where `y` is left out; a blank condition is not true",
        least=2,
        takes_blanks=True,
    ),
    "coalesce": Function(
        "coalesce(x, y, ...)", (_ALL,), None, "the first that is not blank", more=True, takes_blanks=True
    ),
    "blank": Function(
        "blank(x)",
        (_ALL,),
        "boolean",
        "true when it has no value",
        lambda value: value in (None, "", []),
        takes_blanks=True,
    ),
    "lower": Function("lower(x)", (_TEXT,), "text", "the text in lower case", str.lower),
    "upper": Function("upper(x)", (_TEXT,), "text", "the text in upper case", str.upper),
    "trim": Function("trim(x)", (_TEXT,), "text", "the text without white space around it", str.strip),
    "concat": Function(
        "concat(x, y, ...)",
        (_WRITTEN,),
        "text",
        "texts, numbers and dates as one text; a blank adds nothing",
        _concat,
        more=True,
        takes_blanks=True,
    ),
    "len": Function("len(x)", (("set", *_TEXT),), "integer", "how many characters or elements it has", len),
    "round": Function(
        "round(x, places)",
        (_NUMBER, ("number",)),
        "decimal",
        f"the number with so many places, 0 to {MOST_PLACES}, halves away from zero; "
        "where `places` is left out a whole number",
        _round,
        least=1,
    ),
    "year": Function("year(x)", (_DAY,), "integer", "the year of a date, or of an instant in UTC", _year),
    "starts": Function("starts(x, y)", (_TEXT, _TEXT), "boolean", "the first begins with the second", str.startswith),
    "ends": Function("ends(x, y)", (_TEXT, _TEXT), "boolean", "the first ends with the second", str.endswith),
}
