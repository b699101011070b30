"""Values: how those of each type of Tryton's fields cross the border, and their form in JSON-RPC (`__class__`)."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.sql.form import Kind, Unfit, a_float, blob, boolean, text

WHOLE = (-(2**63), 2**63 - 1)


class Form(msgspec.Struct, frozen=True):
    """How values of one type are read and written; none of the two sees a null."""

    kind: Kind
    to_wire: Callable[[Any], Any]
    """A native value as JSON-RPC has it. Raises `Unfit`."""
    decode: Callable[[Any], Native] = lambda value: value


def form_of(type_name: str) -> Form | None:
    """The form of a type; None: values of it cannot be mapped."""
    return _FORMS.get(type_name)


def whole(value: Native) -> int:
    if type(value) is not int or not WHOLE[0] <= value <= WHOLE[1]:
        raise Unfit("a whole number of 64 bits expected")
    return value


def _texts(value: Native) -> list[str]:
    if not isinstance(value, list) or not all(type(each) is str for each in value):
        raise Unfit("a list of texts expected")
    return value


def _decimal(value: Native) -> dict[str, Any]:
    try:
        number = Decimal(text(value))
    except InvalidOperation:
        raise Unfit("a decimal number expected") from None
    if not number.is_finite():
        raise Unfit("a finite number expected")
    return {"__class__": "Decimal", "decimal": str(number)}


def _date(value: Native) -> dict[str, Any]:
    try:
        found = date.fromisoformat(text(value))
    except ValueError:
        raise Unfit("a date expected, such as 2024-02-29") from None
    return {"__class__": "date", "year": found.year, "month": found.month, "day": found.day}


def _datetime(value: Native) -> dict[str, Any]:
    try:
        found = datetime.fromisoformat(text(value))
        found = found.astimezone(UTC) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise Unfit("an instant in ISO 8601 expected") from None
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(found, name) for name in names}}


def _time(value: Native) -> dict[str, Any]:
    try:
        found = time.fromisoformat(text(value))
    except ValueError:
        raise Unfit("a time of day expected, such as 17:30:00") from None
    return {"__class__": "time", **{n: getattr(found, n) for n in ("hour", "minute", "second", "microsecond")}}


def _seconds(value: Native) -> dict[str, Any]:
    return {"__class__": "timedelta", "seconds": a_float(value)}


def _bytes(value: Native) -> dict[str, Any]:
    return {"__class__": "bytes", "base64": b64encode(blob(value)).decode()}


def _document(value: Native) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise Unfit("a value that JSON has a form for expected") from None
    return value


def _read_datetime(value: Any) -> Native:
    """Tryton keeps instants in UTC, without saying so."""
    parts = [value[name] for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
    return datetime(*parts).replace(tzinfo=UTC).isoformat()


def _read_time(value: Any) -> Native:
    return time(value["hour"], value["minute"], value["second"], value["microsecond"]).isoformat()


_TEXT = Form("text", text)
_WHOLE = Form("integer", whole)
INSTANT = Form("text", _datetime, _read_datetime)
_FORMS = {
    "binary": Form("bytes", _bytes, lambda value: b64decode(value["base64"])),
    "boolean": Form("boolean", boolean, bool),  # SQLite keeps 0 and 1
    "char": _TEXT,
    "date": Form("text", _date, lambda value: date(value["year"], value["month"], value["day"]).isoformat()),
    "datetime": INSTANT,
    "dict": Form("json", _document),
    "float": Form("float", a_float),
    "fullTextSearch": _TEXT,
    "integer": _WHOLE,
    "many2one": _WHOLE,
    "multiselection": Form("list", _texts, list),
    "numeric": Form("text", _decimal, lambda value: value["decimal"]),
    "one2one": _WHOLE,
    "reference": _TEXT,
    "selection": _TEXT,
    "text": _TEXT,
    "time": Form("text", _time, _read_time),
    "timedelta": Form("float", _seconds, lambda value: timedelta(seconds=value["seconds"]).total_seconds()),
    "timestamp": INSTANT,
}
"""Type of a field -> its form. A relation to many has none: its records are reached by a name with a point."""
