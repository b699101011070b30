"""pgoutput: the messages of PostgreSQL's own plugin for logical decoding, of its protocol version 1.

Pure: bytes in, values out ("Logical Replication Message Formats" in PostgreSQL's manual). Values of columns stay the
texts that the server made of them.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final, TypeAlias

import msgspec

Lsn: TypeAlias = int
"""A place in the write-ahead log, in bytes."""


class Unsent(Enum):
    """Marks a value that the message does not have."""

    UNCHANGED = "unchanged"
    """A long value that is stored apart and was not touched."""


UNCHANGED: Final = Unsent.UNCHANGED

Value: TypeAlias = str | Unsent | None
Row: TypeAlias = tuple[Value, ...]


class Malformed(ValueError):
    """A message that is none of the protocol."""


class Begin(msgspec.Struct, frozen=True):
    """The changes of a transaction that was committed follow."""

    xid: int
    """Its number, 32 bits of it."""


class Commit(msgspec.Struct, frozen=True):
    """They are all told."""

    end: Lsn
    """Where its commit ends."""


class Origin(msgspec.Struct, frozen=True):
    """The transaction was made by somebody who replicates another server's, under this name."""

    name: str


class Relation(msgspec.Struct, frozen=True):
    """A table, as it is from here on."""

    id: int
    schema: str
    name: str
    columns: tuple[str, ...]
    identity: tuple[str, ...]
    """The columns by which an old row is told."""


class Insert(msgspec.Struct, frozen=True):
    relation: int
    new: Row


class Update(msgspec.Struct, frozen=True):
    relation: int
    old: Row | None
    """Of its identity alone, or all of it; None: the identity stayed as it was."""
    new: Row


class Delete(msgspec.Struct, frozen=True):
    relation: int
    old: Row
    """Of its identity alone, or all of it."""


class Truncate(msgspec.Struct, frozen=True):
    relations: tuple[int, ...]


class Other(msgspec.Struct, frozen=True):
    """A message that says nothing of rows."""

    kind: str


Message: TypeAlias = Begin | Commit | Origin | Relation | Insert | Update | Delete | Truncate | Other

_BEGIN = struct.Struct(">QqI").unpack_from
_COMMIT = struct.Struct(">BQQq").unpack_from
_TRUNCATE = struct.Struct(">IB").unpack_from
_I16 = struct.Struct(">H").unpack_from
_I32 = struct.Struct(">I").unpack_from
_TYPE_SIZE = 8
"""Of a column in the message of a relation: number and modifier of its type."""
_IGNORED = "YM"
"""Types of columns, and what programs write into the log."""


def decode(data: bytes) -> Message:
    """One message. Raises `Malformed`."""
    try:
        return _decode(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"a message of pgoutput that cannot be read ({type(error).__name__})") from None


def _decode(data: bytes) -> Message:
    kind = chr(data[0])
    match kind:
        case "I":
            return Insert(_I32(data, 1)[0], _row(data, 6)[0])
        case "U":
            return _update(data)
        case "D":
            return Delete(_I32(data, 1)[0], _row(data, 6)[0])
        case "B":
            return Begin(_BEGIN(data, 1)[2])
        case "C":
            return Commit(_COMMIT(data, 1)[2])
        case "R":
            return _relation(data)
        case "T":
            count, _options = _TRUNCATE(data, 1)
            return Truncate(struct.unpack_from(f">{count}I", data, 6))
        case "O":
            return Origin(_text(data, 9)[0])
    if kind in _IGNORED:
        return Other(kind)
    raise Malformed(f"a message of pgoutput of an unknown kind ({kind!r})")


def _update(data: bytes) -> Update:
    relation, old, at = _I32(data, 1)[0], None, 5
    if data[at : at + 1] in (b"K", b"O"):
        old, at = _row(data, at + 1)
    if data[at : at + 1] != b"N":
        raise Malformed("an update without its new row")
    return Update(relation, old, _row(data, at + 1)[0])


def _relation(data: bytes) -> Relation:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    (count,) = _I16(data, at + 1)
    at += 3
    columns, identity = [], []
    for _ in range(count):
        is_identity = data[at] & 1
        column, at = _text(data, at + 1)
        at += _TYPE_SIZE
        columns.append(column)
        if is_identity:
            identity.append(column)
    return Relation(_I32(data, 1)[0], schema or "pg_catalog", name, tuple(columns), tuple(identity))


def _row(data: bytes, at: int) -> tuple[Row, int]:
    """A row, and where it ends."""
    (count,) = _I16(data, at)
    at += 2
    values: list[Value] = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == 0x74:  # t: a text
            (size,) = _I32(data, at)
            at += 4 + size
            if at > len(data):
                raise Malformed("a row that ends too early")
            values.append(data[at - size : at].decode())
        elif kind == 0x6E:  # n: NULL
            values.append(None)
        elif kind == 0x75:  # u: not sent
            values.append(UNCHANGED)
        else:
            raise Malformed(f"a value of an unknown kind ({chr(kind)!r})")
    return tuple(values), at


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text that ends with a zero, and where the next thing begins."""
    end = data.find(b"\0", at)
    if end < 0:
        raise Malformed("a name that does not end")
    return data[at:end].decode(), end + 1
