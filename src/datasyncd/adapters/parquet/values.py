"""Values: how those of each type of Parquet cross the border.

What has no native form of its own (decimal numbers, dates, times) is text. Moments and dates are read as the numbers
that the file holds, so that none is too early, too late or too fine for Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import msgspec
import pyarrow as pa
from pyarrow import types

from datasyncd.adapters.contract import Native
from datasyncd.adapters.keeps import DAYS, ITS_OWN, Keeps, floats, moments, numbers
from datasyncd.adapters.number import shortest
from datasyncd.adapters.sql.form import Unfit, a_float, blob, boolean, iso, moment, trimmed, whole_text

Kind: TypeAlias = Literal["text", "integer", "float", "boolean", "json", "list", "bytes", "any"]

_EPOCH = date(1970, 1, 1).toordinal()
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S = 86_400
_CALENDAR = (-62_135_596_800, 253_402_300_799)
"""The seconds since 1970 of the years 1 to 9999."""
_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)").fullmatch
_LIST = re.compile(r"list<(\w+)>").fullmatch
_PLAIN = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?").fullmatch


class Form(msgspec.Struct, frozen=True):
    """How values of one type are read and written."""

    kind: Kind
    read: Callable[[pa.ChunkedArray], list[Native]]
    """All values of a column."""
    write: Callable[[Native], Any] | None
    """A native value that is not None as pyarrow takes it. Raises `Unfit`. None: values are only read."""
    stored: pa.DataType
    """What pyarrow makes of such values, before they are cast to the column's type."""
    bounds: tuple[int, int] | None = None
    digits: tuple[int, int] | None = None


def form_of(type: pa.DataType) -> Form:
    """The form of a type."""
    if types.is_dictionary(type):
        inner = form_of(type.value_type)
        return msgspec.structs.replace(inner, read=lambda column: inner.read(column.cast(type.value_type)))
    if types.is_null(type):
        return Form("any", _listed, None, type)
    if types.is_integer(type):
        signed, bits = types.is_signed_integer(type), type.bit_width
        bounds = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        return Form("integer", _listed, _whole(bounds), type, bounds=bounds)
    if types.is_decimal(type):
        return Form("text", _decimals, _decimal(type), type, digits=(type.precision, type.scale))
    if types.is_timestamp(type):
        return Form("text", _moments(type), _moment(type), pa.int64())
    if types.is_date(type):
        days = 1 if types.is_date32(type) else _DAY_S * 1000
        stored = pa.int32() if types.is_date32(type) else pa.int64()
        return Form("text", _dates(stored, days), _date(days), stored)
    if types.is_list(type) or types.is_large_list(type):
        inner = form_of(type.value_type)
        if inner.kind in ("text", "integer", "float", "boolean") and inner.write is not None:
            return Form("list", _lists(inner, type), _list(inner), pa.list_(inner.stored))
    if types.is_fixed_size_binary(type):
        return Form("bytes", _listed, None, type)
    if types.is_temporal(type) or isinstance(type, pa.BaseExtensionType):
        return Form("text", _spoken, None, type)
    return _BY_ID.get(type.id) or Form("json", _spoken, None, type)


def keeps_of(type: pa.DataType) -> Keeps | None:
    """What a type gives back as it was written; None: all that it takes."""
    if types.is_dictionary(type):
        return keeps_of(type.value_type)
    if types.is_float16(type):
        return ITS_OWN
    if types.is_float32(type):
        return floats(single=True)
    if types.is_timestamp(type):
        return moments(utc=bool(type.tz), places=_PLACES[type.unit])
    if types.is_date(type):
        return DAYS
    if types.is_list(type) or types.is_large_list(type):
        element = type.value_type
        if types.is_integer(element):
            return numbers()
        return DAYS if types.is_date(element) else None if form_of(element).stored == pa.string() else ITS_OWN
    return None


_PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 6}
"""Digits of a second that a moment is written with, by its unit."""


def type_of(name: str) -> pa.DataType:
    """The type that a config names. Raises `ValueError`."""
    if name in _NAMES:
        return _NAMES[name]
    if found := _DECIMAL(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if (found := _LIST(name)) and found[1] in _NAMES:
        return pa.list_(_NAMES[found[1]])
    raise ValueError(f"{name!r} is none of {', '.join(_NAMES)}, decimal(9,2), list<string>")


def type_for(native: Native) -> pa.DataType:
    """The type of a column whose first value is this."""
    for known, type in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (bytes, pa.binary())):
        if isinstance(native, known):
            return type
    if isinstance(native, list):
        first = next((item for item in native if item is not None), "")
        return pa.list_(type_for(first) if not isinstance(first, list | dict) else pa.string())
    return pa.string()


# Reading


def _listed(column: pa.ChunkedArray) -> list[Native]:
    found: list[Native] = column.to_pylist()
    return found


def _singles(column: pa.ChunkedArray) -> list[Native]:
    return [None if value is None else shortest(value) for value in column.to_pylist()]


def _halves(column: pa.ChunkedArray) -> list[Native]:
    return [None if value is None else float(value) for value in column.to_pylist()]


def _decimals(column: pa.ChunkedArray) -> list[Native]:
    return [None if value is None else trimmed(f"{value:f}") for value in column.to_pylist()]


def _moments(type: pa.TimestampType) -> Callable[[pa.ChunkedArray], list[Native]]:
    per_second, end = _PER_SECOND[type.unit], "Z" if type.tz else ""

    def read(column: pa.ChunkedArray) -> list[Native]:
        return [None if n is None else _shown(n, per_second, end) for n in column.cast(pa.int64()).to_pylist()]

    return read


def _shown(number: int, per_second: int, end: str) -> str:
    """A moment as ISO 8601 writes it; outside of its years, the number that the file holds."""
    seconds, rest = divmod(number, per_second)
    if not _CALENDAR[0] <= seconds <= _CALENDAR[1]:
        return str(number)
    there = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    width = len(str(per_second)) - 1
    return iso(f"{there.isoformat(' ')}.{rest:0{width}}" if width else there.isoformat(" ")) + end


def _dates(stored: pa.DataType, days: int) -> Callable[[pa.ChunkedArray], list[Native]]:
    def shown(number: int) -> str:
        ordinal = number // days + _EPOCH
        return date.fromordinal(ordinal).isoformat() if 0 < ordinal <= date.max.toordinal() else str(number)

    def read(column: pa.ChunkedArray) -> list[Native]:
        return [None if number is None else shown(number) for number in column.cast(stored).to_pylist()]

    return read


def _lists(inner: Form, type: pa.DataType) -> Callable[[pa.ChunkedArray], list[Native]]:
    def read(column: pa.ChunkedArray) -> list[Native]:
        found: list[Native] = []
        for chunk in column.chunks:
            values = inner.read(pa.chunked_array([chunk.values], type.value_type))
            offsets, valid = chunk.offsets.to_pylist(), chunk.is_valid().to_pylist()
            found += [values[offsets[n] : offsets[n + 1]] if is_there else None for n, is_there in enumerate(valid)]
        return found

    return read


def _spoken(column: pa.ChunkedArray) -> list[Native]:
    """Values of types that are only read: objects and lists as JSON has them."""
    try:
        return [_plain(value) for value in column.to_pylist()]
    except (ValueError, OverflowError):  # too early, too late or too fine for Python
        return [str(value) if value.is_valid else None for value in column]


def _plain(value: Any) -> Native:
    match value:
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case bytes():
            return value.hex()
        case None | bool() | int() | float() | str() | Decimal():
            return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# Writing


def _whole(bounds: tuple[int, int]) -> Callable[[Native], int]:
    def write(native: Native) -> int:
        if type(native) is not int or not bounds[0] <= native <= bounds[1]:
            raise Unfit(f"a whole number from {bounds[0]} to {bounds[1]} expected")
        return native

    return write


def _decimal(type: pa.DataType) -> Callable[[Native], Decimal]:
    context = Context(prec=type.precision, rounding=ROUND_HALF_EVEN)
    unit = Decimal(1).scaleb(-type.scale)

    def write(native: Native) -> Decimal:
        try:
            return Decimal(whole_text(native)).quantize(unit, context=context)
        except InvalidOperation:
            raise Unfit(
                f"a decimal number of {type.precision} digits, {type.scale} behind the point, expected"
            ) from None

    return write


def _moment(kind: pa.TimestampType) -> Callable[[Native], int]:
    per_second = _PER_SECOND[kind.unit]

    def write(native: Native) -> int:
        text = whole_text(native)
        found = _PLAIN(moment(text)) or _PLAIN(moment(f"{text} 00:00"))
        if found is None:
            raise Unfit("a date with a time, as ISO 8601 writes it, expected")
        day, hour, minute, second, fraction = found.groups()
        whole = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
        seconds = (_ordinal(day) - _EPOCH) * _DAY_S + whole
        number = (seconds + Decimal(fraction or 0)) * per_second
        if number != int(number):
            raise Unfit(f"a moment that is no finer than the column, which counts {kind.unit}, expected")
        if abs(number) >= 1 << 63:
            raise Unfit("a moment that the column has room for expected")
        return int(number)

    return write


def _date(days: int) -> Callable[[Native], int]:
    return lambda native: (_ordinal(whole_text(native)) - _EPOCH) * days


def _ordinal(day: str) -> int:
    try:
        return date.fromisoformat(day).toordinal()
    except ValueError:
        raise Unfit("a date, as ISO 8601 writes it, expected") from None


def _list(inner: Form) -> Callable[[Native], list[Any]]:
    write = inner.write
    assert write is not None

    def written(native: Native) -> list[Any]:
        if type(native) is not list:
            raise Unfit("a list expected")
        return [None if item is None else write(item) for item in native]

    return written


def _single(native: Native) -> float:
    number = a_float(native)
    if number - number == 0 and abs(number) > _LARGEST_SINGLE:
        raise Unfit("a number of 32 bits expected")
    return number


_LARGEST_SINGLE = 3.4028235677973366e38


def _one(kind: Kind, type: pa.DataType, write: Callable[[Native], Any], read: Any = _listed) -> Form:
    return Form(kind, read, write, type)


_TEXTS: Sequence[pa.DataType] = (pa.string(), pa.large_string(), pa.string_view())
_BYTES: Sequence[pa.DataType] = (pa.binary(), pa.large_binary(), pa.binary_view())

_BY_ID: dict[int, Form] = {
    **{type.id: _one("text", type, whole_text) for type in _TEXTS},
    **{type.id: _one("bytes", type, blob) for type in _BYTES},
    pa.bool_().id: _one("boolean", pa.bool_(), boolean),
    pa.float64().id: _one("float", pa.float64(), a_float),
    pa.float32().id: _one("float", pa.float32(), _single, _singles),
    pa.float16().id: Form("float", _halves, None, pa.float16()),
}

_NAMES: dict[str, pa.DataType] = {
    "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(),
    "binary": pa.binary(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
    "timestamp_utc": pa.timestamp("us", "UTC"),
}  # fmt: skip
"""What a config may name."""
