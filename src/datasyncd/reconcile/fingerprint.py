"""Fingerprints: keyed digests of canonical values, so that a shadow costs 8 bytes and tells nobody anything.

The key belongs to one state file. Blank (None) has a fingerprint; an absent value has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from .rules import Value

_CACHED = 65_536
_encode = msgspec.msgpack.Encoder().encode


class Fingerprinter:
    """Makes fingerprints (8 bytes) and match digests (16 bytes) under one secret key of up to 64 bytes."""

    __slots__ = ("_base", "_known", "_match", "blank")

    def __init__(self, key: bytes) -> None:
        self._base = hashlib.blake2b(digest_size=8, key=key)
        self._match = hashlib.blake2b(digest_size=16, key=key)
        self._known: dict[str, bytes] = {}
        self.blank = b""
        self.blank = self(None)

    def __call__(self, value: Value) -> bytes:
        """Fingerprint of a canonical value."""
        if type(value) is str:
            known = self._known.get(value)
            if known is not None:
                return known
        elif value is None and self.blank:
            return self.blank
        digest = self._base.copy()
        digest.update(_encode(value))
        out = digest.digest()
        if type(value) is str:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[value] = out
        return out

    def match(self, entity: str, kind: int, texts: Sequence[str]) -> bytes:
        """Digest of a match key: the entity, the index in its `identify`, the texts of its fields in order."""
        digest = self._match.copy()
        digest.update(_encode((entity, kind, texts)))
        return digest.digest()

    def of_dots(self, kind: str, cluster: int, field: int | None, dots: Iterable[Sequence[int]]) -> bytes:
        """Digest that names a report: the same dots give the same report."""
        digest = self._base.copy()
        digest.update(_encode((kind, cluster, field, sorted(tuple(dot) for dot in dots))))
        return digest.digest()
