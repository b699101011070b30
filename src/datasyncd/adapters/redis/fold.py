"""The fold: the last state of each record of one stream, kept inside Redis.

Whoever reads or writes by this adapter folds first, in the same step of the server: nobody sees a state that the stream
has overtaken, and no write follows another entry than the one that it was decided on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import Transient, Unsupported
from datasyncd.adapters.streams.state import Held

from .session import Lost, Session

AT_A_TIME = 10_000
"""Entries that are folded in one call: other clients of the server wait meanwhile."""
_TAG = re.compile(r"\{[^}]+\}")


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a fold."""

    done: int
    at: bytes
    """ID of the last entry that was folded."""
    added: int
    """How many entries there had been by then."""
    born: bytes
    """Names the fold."""
    whole: int
    """Nothing was taken out of the stream before the fold began."""
    lost: int
    """Entries that were taken out before they were folded."""
    unread: int
    """Entries without a key, or with neither a state nor a tombstone."""


class Append(msgspec.Struct, frozen=True):
    """An entry that is added only if it follows the one that it was decided on."""

    key: Key
    after: bytes
    """ID of that entry; empty: there is none."""
    data: bytes | None
    """The state; None: a tombstone."""


class Fold:
    """The fold of one stream."""

    def __init__(self, session: Session, object: str) -> None:
        self._session = session
        self.object = object
        self.place = f"{session.place}: {object}"
        # In a cluster, all of it must lie on one node (Redis documentation, "Hash tags").
        beside = object if _TAG.search(object) else f"{{{object}}}"
        self.keys = (object, f"{beside}:datasyncd:states", f"{beside}:datasyncd:fold")
        self.known: Known | None = None
        """As of the last call."""

    async def look(self) -> Known:
        """What is known of it now."""
        known, _found = await self._asked("look")
        return known

    async def read(self, keys: Sequence[Key]) -> Mapping[Key, Held | None]:
        """Records by key; None: it is not there."""
        _known, found = await self._asked("read", *(key.encode() for key in keys))
        return {key: None if state is None else held(state) for key, state in zip(keys, found, strict=True)}

    async def some(self, place: bytes, count: int) -> tuple[bytes, dict[Key, Held]]:
        """Some records from a place of the hash, and the next place: b"0" where it begins and ends."""
        _known, (place, flat) = await self._asked("list", place, count)
        return place, {key_of(key): held(state) for key, state in zip(flat[::2], flat[1::2], strict=True)}

    async def since(self, after: bytes, until: bytes, count: int) -> tuple[int, bytes, dict[Key, Held | None]]:
        """Some entries from one ID to another: how many, the last ID, and their records as they are now."""
        _known, (entries, last, found) = await self._asked("since", after, until, count)
        return entries, last, {key_of(key): None if state is None else held(state) for key, state in found}

    async def append(self, entries: Sequence[Append]) -> list[bytes]:
        """Add entries. Their IDs, empty for those that another one came before. Raises `Lost`."""
        words: list[bytes] = []
        for each in entries:
            kind, data = (b"tombstone", b"1") if each.data is None else (b"data", each.data)
            words += (each.key.encode(), each.after, kind, data)
        _known, found = await self._called("write", *words)
        return list(found)

    async def _asked(self, call: str, *words: bytes | int) -> tuple[Known, Any]:
        """A call that only asks: if its answer is lost, it had no effect."""
        try:
            return await self._called(call, *words)
        except Lost as lost:
            await self._session.reached()
            raise Transient(f"{self.place}: the server did not answer ({lost})") from None

    async def _called(self, call: str, *words: bytes | int) -> tuple[Known, Any]:
        while True:
            answer = await self._session.call(self.keys, (AT_A_TIME, call, *words))
            if answer[0] is None:
                raise Unsupported(f"{self.place}: Redis 7 or newer is needed")
            self.known = known = msgspec.convert(answer[0], Known)
            if known.done:
                return known, answer[1]


def held(state: bytes) -> Held:
    """A state, or a tombstone, with the ID of its entry as its version."""
    version, _, data = state.partition(b" ")
    return Held(data or None, version)


def fits(key: Key) -> bool:
    """Whether a key is text that can be sent."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def key_of(octets: bytes) -> Key:
    """A key that somebody sent; one that does not fit, if it is no text."""
    return octets.decode("utf-8", "surrogateescape")
