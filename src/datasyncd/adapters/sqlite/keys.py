"""Keys of rows: as SQLite holds them, and as text.

SQLite compares by the column's affinity: '17' finds 17 in a column of integers, and '007' stays itself in one of
texts. Only a column without a type can hold both 17 and '17'; there both are looked for.
"""

from __future__ import annotations

from typing import TypeAlias

from datasyncd.adapters.contract import Key, Native

NativeKey: TypeAlias = int | float | str

_LIMIT = 2**63


def key_text(native: Native) -> Key | None:
    """A key as text; None for what cannot be one: NULL and bytes."""
    if type(native) is str:
        return native
    if type(native) is int:
        return str(native)
    return repr(native) if isinstance(native, float) else None


def native_keys(key: Key, untyped: bool) -> tuple[NativeKey, ...]:
    """The values that a row with this key can have."""
    if not untyped:
        return (key,)
    number = _number(key)
    return (key,) if number is None else (key, number)


def is_number(key: Key) -> bool:
    """Whether a key is the text of a number."""
    return _number(key) is not None


def _number(key: Key) -> int | float | None:
    """The number whose text as a key is this."""
    for kind in (int, float):
        try:
            number = kind(key)
        except ValueError:
            continue
        if key_text(number) == key and abs(number) < _LIMIT:
            return number
    return None
