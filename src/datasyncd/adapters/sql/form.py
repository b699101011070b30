"""Forms: how values of one type of a database cross the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.number import number

Kind: TypeAlias = Literal["text", "integer", "float", "boolean", "json", "list", "bytes"]


class Unfit(ValueError):
    """A native value that a column of this type cannot hold; the text says what was expected."""


def text(value: Native) -> str:
    if type(value) is not str:
        raise Unfit("a text expected")
    return value


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

    def reading(self, column: str) -> str:
        """SQL of the native value of a column."""
        return self.read.replace("{}", column)
