"""Keys: as text, and as the texts that the server casts to the types of the key's columns.

The key of one column is its value as text; a composite key is a JSON array of texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Native

from .table import TableColumn

Parts: TypeAlias = tuple[str, ...]
"""The texts of a key, one a column."""

_texts = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch


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


def parts_of(key: Key, columns: Sequence[TableColumn]) -> Parts | None:
    """The texts of a key; None: no row has it, as its form tells."""
    parts = [key]
    if len(columns) > 1:
        try:
            parts = _texts(key)
        except (msgspec.DecodeError, ValueError):
            return None
    if len(parts) != len(columns):
        return None
    fits = all(_can_be(part, column) for part, column in zip(parts, columns, strict=True))
    return tuple(parts) if fits else None


def is_told(column: TableColumn) -> bool:
    """Whether `parts_of` tells each text that no value of the column has."""
    return column.bounds is not None or column.type_name in ("uuid", "text", "varchar", "bpchar")


def _can_be(part: str, column: TableColumn) -> bool:
    """Whether a value of the column can have this text; what is not told here, the server tells."""
    if column.bounds is not None:
        return _WHOLE(part) is not None and column.bounds[0] <= int(part) <= column.bounds[1]
    if column.type_name == "uuid":
        return _UUID(part) is not None
    return "\0" not in part and not any("\ud800" <= letter <= "\udfff" for letter in part)
