"""The digest of a row: an 8-byte stand-in for the version of a record in a system that has none.

Two readings of a row have the same digest if and only if its native values are the same (but for one chance in
2**64). A digest tells equal from unequal, never older from newer, and not that a row was changed and changed back.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from hashlib import blake2b

import msgspec

from .contract import Native

ABSENT = msgspec.msgpack.Ext(1, b"")
"""Stands in for a value that the row does not have at all, which differs from null."""

_WIDE = 2
"""Code of the msgpack extension for integers beyond 64 bits."""

_TEXT = 3
"""Code of the msgpack extension for texts in a row that has lone surrogates."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def row_digest(values: Iterable[Native]) -> bytes:
    """Digest of a row's values in the order of `ObjectSpec.columns`; names inside an object have no order."""
    row = values if isinstance(values, tuple | list) else list(values)
    try:
        packed = _encode(row)
    except (OverflowError, ValueError):
        packed = _encode([_packable(value) for value in row])
    return blake2b(packed, digest_size=8).digest()


def _packable(value: Native) -> Native:
    """The same value with its wide integers and texts in a form that msgpack has."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_WIDE, hex(value).encode())
    if isinstance(value, str):
        return msgspec.msgpack.Ext(_TEXT, value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list | tuple):
        return [_packable(item) for item in value]
    if isinstance(value, dict):
        return {name: _packable(item) for name, item in value.items()}
    return value


def alike_but(written: Container[str], before: Mapping[str, Native], after: Mapping[str, Native]) -> bool:
    """Whether two readings of a row differ in nothing but these fields. What is equal and of another type differs;
    an object or a list, which may hold such a thing, is not compared and counts as different."""
    for name, value in after.items():
        if name not in written:
            old = before[name]
            if old is not value and (old != value or type(old) is not type(value) or isinstance(value, list | dict)):
                return False
    return True
