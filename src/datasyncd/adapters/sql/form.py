"""Forms: how values of one type of a database cross the border."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.number import number

Kind: TypeAlias = Literal["text", "integer", "float", "boolean", "json", "list", "bytes"]


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?").fullmatch


class Unfit(ValueError):
    """A native value that a column of this type cannot hold; the text says what was expected."""


def text(value: Native) -> str:
    if type(value) is not str:
        raise Unfit("a text expected")
    return value


def whole_text(value: Native) -> str:
    """A text that has a form in UTF-8."""
    found = text(value)
    try:
        found.encode()
    except UnicodeEncodeError:
        raise Unfit("a text without halves of characters expected") from None
    return found


def a_float(value: Native) -> float:
    if type(value) is not float and type(value) is not int:
        raise Unfit("a number expected")
    return float(value)


def boolean(value: Native) -> bool:
    if type(value) is not bool:
        raise Unfit("true or false expected")
    return value


def blob(value: Native) -> bytes:
    if type(value) is not bytes:
        raise Unfit("bytes expected")
    return value


def json_text(value: Native) -> str:
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        raise Unfit("a value that JSON has a form for expected") from None


def trimmed(text: str) -> str:
    """A number or time without zeros at the end of its fraction."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(text: str) -> str:
    """A date with a time as ISO 8601 writes it; a fraction has six digits or more, or is not there."""
    day, _, time = text.partition(" ")
    whole, _, fraction = time.partition(".")
    return f"{day}T{whole}.{fraction:0<6}" if fraction.strip("0") else f"{day}T{whole}"


def moment(value: Native) -> str:
    """A date with a time as SQL takes it, in UTC if it has a zone: what a column without one would make of the zone
    differs, and may be nothing."""
    found = _MOMENT(text(value))
    if found is None:
        return whole_text(value)  # a date alone, or what the database may know of
    day, time, fraction, zone = found.groups()
    if zone in (None, "Z"):
        return f"{day} {time}{fraction or ''}"
    try:
        there = datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("a date with a time expected") from None
    return there.replace(tzinfo=None).isoformat(" ") + (fraction or "")


decoded = msgspec.json.Decoder(float_hook=number).decode
"""The value of a JSON text of the server."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Form(msgspec.Struct, frozen=True):
    """How values of one type are read and written."""

    kind: Kind
    read: str = "{}"
    """SQL of the native value; {} stands for the column."""
    to_wire: Callable[[Any], Any] = str
    """A native value that is not None as it is sent. Raises `Unfit`."""
    decode: Callable[[Any], Native] | None = None
    """Makes the native value of the server's, which is not NULL, where they differ."""
    can_be_key: bool = True
    key: str = ""
    """Pattern of the texts that values have as keys, where it is told by that whether a text can be one."""

    def reading(self, column: str) -> str:
        """SQL of the native value of a column."""
        return self.read.replace("{}", column)
