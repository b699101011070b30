"""Keys: as text, and as the texts of the key's columns.

The key of one column is its value as text; a composite key is a JSON array of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Native

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
