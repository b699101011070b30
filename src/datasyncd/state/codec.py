"""Codec: documents as stored, with a checksum. The first byte names the form, so that another (encrypted) can come
later."""

from __future__ import annotations

from struct import Struct, error
from typing import Any, TypeVar
from zlib import crc32

import msgspec

from .errors import RESTORE, DamagedState

T = TypeVar("T")

PLAIN = 2
_HEAD = Struct(">BI")
"""Form and checksum, which stand before the document: SQLite has none, and a byte that a disk changed in a value would
go to the systems."""
_head, _read_head, _AFTER = _HEAD.pack, _HEAD.unpack_from, _HEAD.size
_encode = msgspec.msgpack.Encoder().encode


def pack(document: Any) -> bytes:
    """Msgpack behind the codec byte and its CRC-32."""
    body = _encode(document)
    return _head(PLAIN, crc32(body)) + body


def see_whole(blob: bytes, place: object = "the state") -> bytes:
    """The document in a blob, undecoded. Raises `DamagedState` if it is not what was stored."""
    body = blob[_AFTER:]
    try:
        form, checksum = _read_head(blob)
    except error:
        form, checksum = 0, 0
    if form != PLAIN or checksum != crc32(body):
        raise DamagedState(f"{place}: damaged: a stored document is not what was stored; {RESTORE}")
    return body


class Unpack(msgspec.Struct, frozen=True):
    """Reads documents of one type."""

    decoder: msgspec.msgpack.Decoder[Any]

    @classmethod
    def of(cls, kind: Any) -> Unpack:
        return cls(msgspec.msgpack.Decoder(kind))

    def __call__(self, blob: bytes) -> Any:
        try:
            return self.decoder.decode(see_whole(blob))
        except msgspec.MsgspecError as error:
            # Its text may quote a value.
            raise DamagedState(
                f"the state: damaged: a document cannot be read ({type(error).__name__}); {RESTORE}"
            ) from None
