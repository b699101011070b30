"""Keys: as text, and as the texts of the key's columns.

The key of one column is its value as text; a composite key is a JSON array of texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Native

from .form import Unfit
from .table import TableColumn

Parts: TypeAlias = tuple[str, ...]
"""The texts of a key, one a column."""

_texts = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


def key_of(values: Sequence[Native]) -> Key | None:
    """The key of a row by the values of its key's columns; None: one of them is NULL or cannot be part of a key."""
    if len(values) == 1:
        return part_of(values[0])
    parts = [part_of(value) for value in values]
    return None if None in parts else _encode(parts).decode()


def part_of(native: Native) -> str | None:
    """One value of a key as text."""
    if type(native) is str:
        return native
    if type(native) is bool:
        return "true" if native else "false"
    if type(native) is int:
        return str(native)
    return repr(native) if isinstance(native, float) else None


def split(key: Key, count: int) -> Parts | None:
    """The texts of a key of so many columns; None: it is no such key."""
    if count == 1:
        return (key,)
    try:
        parts = _texts(key)
    except (msgspec.DecodeError, ValueError):
        return None
    return tuple(parts) if len(parts) == count else None


def parts_of(key: Key, columns: Sequence[TableColumn]) -> Parts | None:
    """The texts of a key; None: no row has it, as the patterns of its forms tell."""
    parts = split(key, len(columns))
    fits = parts is not None and all(_can_be(part, column) for part, column in zip(parts, columns, strict=True))
    return parts if fits else None


def native(part: str, column: TableColumn) -> Native:
    """The value of a column whose text in a key is this."""
    match column.form.kind:
        case "integer":
            return int(part)
        case "float":
            return float(part)
        case "boolean":
            return part == "true"
    return part


def _can_be(part: str, column: TableColumn) -> bool:
    """Whether a value of the column can have this text."""
    if _pattern(column.form.key).fullmatch(part) is None:
        return False
    if column.bounds is not None:
        return column.bounds[0] <= int(part) <= column.bounds[1]
    try:
        column.form.to_wire(native(part, column))
    except Unfit:
        return False
    return True


@lru_cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)
