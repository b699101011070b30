"""Lines: one JSON object each, of which single fields are changed and all others stay as they are written.

A number that nobody changes keeps its digits, and a text its escapes: only their place in the line is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

import msgspec

from datasyncd.adapters.contract import Native, Undecodable
from datasyncd.adapters.digest import row_digest
from datasyncd.adapters.files.sheet import Unfit
from datasyncd.adapters.number import json_text, number

Parts = dict[str, msgspec.Raw]
"""Name -> value as it is written, in the order of the line."""

ENCODING = "UTF-8"
"""JSON has no other."""

_parts = msgspec.json.Decoder(Parts).decode
_value = msgspec.json.Decoder(Native, float_hook=number).decode
_object = msgspec.json.Decoder(dict[str, Native], float_hook=number).decode

_STYLES = tuple(product((b",", b", "), (b":", b": ")))
"""What may stand between two fields, and between a name and its value."""

_AT = re.compile(r" \(byte [0-9]+\)$")
"""Where in a line a mistake is: not part of the reason."""

_END = re.compile(rb"[\r\n]*$")


def decoded(line: bytes) -> dict[str, Native]:
    """The object on a line; a value with bytes that are no UTF-8 is `Undecodable`, and the others are read.

    Raises `ValueError` with a reason that quotes nothing of it.
    """
    try:
        return _decoded(line)
    except msgspec.ValidationError:
        raise ValueError("it is JSON, but no object") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except UnicodeDecodeError:
        raise ValueError(f"a name in it is no {ENCODING}") from None
    except msgspec.DecodeError as error:
        raise ValueError(_AT.sub("", str(error))) from None


def _decoded(line: bytes) -> dict[str, Native]:
    try:
        return _object(line)
    except UnicodeDecodeError:
        return {name: _read(bytes(raw)) for name, raw in _parts(line).items()}


def _read(raw: bytes) -> Native:
    try:
        return _value(raw)
    except UnicodeDecodeError:
        return Undecodable(raw, ENCODING)


def parts(line: bytes) -> Parts:
    """The fields of an object as they are written."""
    return _parts(line)


def written(name: str, value: Native) -> msgspec.Raw:
    """A value as it is written. Raises `Unfit` for what JSON has no form for."""
    try:
        return msgspec.Raw(json_text(value).encode())
    except (TypeError, ValueError, RecursionError):
        raise Unfit(f"JSON has no form for the value of {name}", name) from None


def same(one: Native, other: Native) -> bool:
    """Whether two values are written the same: True is no 1."""
    return type(one) is type(other) and bool(one == other) and row_digest([one]) == row_digest([other])


def changed(line: bytes, fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The line with other values for these fields; those that it lacks come last."""
    before = parts(line)
    end = _END.search(line)
    return joined({**before, **fields}, style_of(line, before)) + (end.group() if end else b"")


def style_of(line: bytes, before: Parts) -> tuple[bytes, bytes]:
    """How the fields of a line are set apart; without blanks if that cannot be told."""
    body = line.strip()
    return next((style for style in _STYLES if joined(before, style) == body), _STYLES[0])


def joined(fields: Mapping[str, msgspec.Raw], style: tuple[bytes, bytes]) -> bytes:
    """An object of values that are written already."""
    comma, colon = style
    return b"{" + comma.join(msgspec.json.encode(name) + colon + bytes(raw) for name, raw in fields.items()) + b"}"
