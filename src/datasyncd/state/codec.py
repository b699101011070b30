"""Codec: documents as stored. The first byte names the form, so that another (encrypted) can come later."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

PLAIN = b"\x01"
_encode = msgspec.msgpack.Encoder().encode


class DamagedState(Exception):
    """A stored document cannot be read: the state file is damaged, or from a newer version."""


def pack(document: Any) -> bytes:
    """Msgpack behind the codec byte."""
    return PLAIN + _encode(document)


class Unpack(msgspec.Struct, frozen=True):
    """Reads documents of one type."""

    decoder: msgspec.msgpack.Decoder[Any]

    @classmethod
    def of(cls, kind: Any) -> Unpack:
        return cls(msgspec.msgpack.Decoder(kind))

    def __call__(self, blob: bytes) -> Any:
        if blob[:1] != PLAIN:
            raise DamagedState(f"unknown form {blob[:1]!r} of a stored document")
        try:
            return self.decoder.decode(memoryview(blob)[1:])
        except msgspec.MsgspecError as error:
            raise DamagedState(f"a stored document cannot be read: {error}") from error
