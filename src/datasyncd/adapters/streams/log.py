"""Logs that look up nothing by key: a log is read from its begin, and the last entry of each key is kept in memory.

Such a log refuses no write, and does not say where it ends. So whoever wants to know its end appends a mark, and reads
until it comes; and whoever has written reads its own entries, and sees what came between.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from typing import Literal, Protocol

import anyio
import msgspec

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import Transient, Unsupported

from .state import Held

MOST = 1_000_000
"""Keys, those of deleted records among them."""
MOST_BYTES = 512 * 1024 * 1024
"""Octets of states."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of a log."""

    offset: int
    """Its place; the next entry has the next number."""
    key: Key | None
    """None: it is of no record."""
    data: bytes | None
    """The state; None: a tombstone."""
    mark: str = ""
    """What it was sent with by an adapter."""


class Append(msgspec.Struct, frozen=True):
    """What is to be appended."""

    key: Key | None
    data: bytes | None
    mark: str


class Log(Protocol):
    """A log, read from a place on."""

    @property
    def is_read(self) -> bool:
        """Whether it is read, as far as is known without asking."""
        ...

    async def begin(self, offset: int | Literal["last"]) -> None:
        """Read from this place on, or from the first entry that is there still; "last": from one near the end."""
        ...

    async def next(self) -> Sequence[Entry]:
        """The next entries, at least one, in order. Raises `Transient` if none comes in time."""
        ...

    async def append(self, entries: Sequence[Append]) -> Sequence[str]:
        """Append entries, in any order: "" for each that is there, or why it is not known. Raises the errors of a call
        if none of them was sent."""
        ...


class Last(msgspec.Struct, frozen=True):
    """The last entry of a key."""

    offset: int
    data: bytes | None


class Landed(msgspec.Struct, frozen=True):
    """An entry of ours as it stands in the log."""

    offset: int
    before: Last | None
    """The entry of its key that it followed."""
    is_last: bool
    """No other one of its key has followed it."""


class Replay:
    """A log as far as it was read."""

    def __init__(self, log: Log, place: str) -> None:
        self._log = log
        self._place = place
        self._lock = anyio.Lock()
        self._lasts: dict[Key, Last] = {}  # in the order of their places
        self._size = 0
        self._reading = False
        self._joins = False
        self._tip = ""
        self.at = 0
        """The place behind the last entry that was read."""
        self.name = ""
        """Names the log: another one begins with another entry."""
        self.whole = True
        """All that was ever in the log was read."""
        self.unread = 0
        """Entries that are of no record."""

    async def catch_up(self) -> None:
        """Read to the end of now. Raises `Transient`, and `Unsupported` if there is more than memory is meant for."""
        mark = secrets.token_hex(8)
        async with self._lock:
            await self._begin()
            why = (await self._log.append([Append(None, None, mark)]))[0]
            if why:
                raise Transient(f"{self._place}: the server did not answer ({why})")
            await self._read_until({mark})

    async def append(self, entries: Sequence[Append]) -> list[Landed | str]:
        """Append entries of different keys, and read until they come. How each stands in the log, or why it is not
        known whether it does."""
        async with self._lock:
            await self._begin()
            answers = await self._log.append(entries)
            there = {each.mark for each, why in zip(entries, answers, strict=True) if not why}
            found = await self._read_until(there)
            landed: list[Landed | str] = []
            for each, why in zip(entries, answers, strict=True):
                if why:
                    landed.append(why)
                    continue
                offset, before = found[each.mark]
                landed.append(Landed(offset, before, self._lasts[each.key or ""].offset == offset))
            return landed

    def last(self, key: Key) -> Held | None:
        """The last entry of a key, with its version."""
        found = self._lasts.get(key)
        return None if found is None else Held(found.data, self.version(found.offset))

    def since(self, offset: int) -> Iterator[tuple[Key, Held]]:
        """The last entries of all keys from this place on, the newest first."""
        for key, found in reversed(self._lasts.items()):
            if found.offset < offset:
                return
            yield key, Held(found.data, self.version(found.offset))

    def version(self, offset: int) -> bytes:
        return f"{offset} {self.name}".encode()

    async def _begin(self) -> None:
        """Go on reading at the last entry that was read: if it is not there any more, this is another log."""
        if self._reading and self._log.is_read:
            return
        if self.at and await self._end() < self.at:
            self._forget()
        await self._log.begin(max(self.at - 1, 0))
        self._reading, self._joins = True, self.at > 0

    async def _end(self) -> int:
        """The place of an entry that was appended just now: a log that is shorter than it was would show nothing."""
        mark = secrets.token_hex(8)
        await self._log.begin("last")
        await self._log.append([Append(None, None, mark)])
        while True:
            for entry in await self._log.next():
                if entry.mark == mark:
                    return entry.offset

    def _forget(self) -> None:
        """It is another log: nothing of the one before is known any more."""
        self._lasts, self._size, self.at, self.name, self.whole = {}, 0, 0, "", False

    async def _read_until(self, marks: Collection[str]) -> dict[str, tuple[int, Last | None]]:
        """Read until entries with these marks came. Where they stand, and what they followed, by their marks."""
        left, found = set(marks), dict[str, tuple[int, Last | None]]()
        try:
            while left:
                for entry in await self._log.next():
                    if self._joins and not self._goes_on(entry):
                        await self._log.begin(0)
                        break
                    before = self._take(entry)
                    if entry.mark in left:
                        left.discard(entry.mark)
                        found[entry.mark] = entry.offset, before
        except BaseException:
            self._reading = False
            raise
        return found

    def _goes_on(self, entry: Entry) -> bool:
        """Whether this is the log that was read before."""
        self._joins = False
        if entry.offset == self.at - 1 and _digest(entry) == self._tip:
            return True
        self._forget()
        return False

    def _take(self, entry: Entry) -> Last | None:
        """Take an entry in. The one of its key that it follows."""
        if entry.offset < self.at:
            return None  # the one that was the last
        self._tip = _digest(entry)
        self.name = self.name or self._tip
        if entry.offset > self.at:
            self.whole = False
        self.at = entry.offset + 1
        if entry.key is None:
            self.unread += not entry.mark
            return None
        before = self._lasts.pop(entry.key, None)
        self._lasts[entry.key] = Last(entry.offset, entry.data)
        self._size += len(entry.data or b"") - len((before.data if before is not None else None) or b"")
        if len(self._lasts) > MOST or self._size > MOST_BYTES:
            raise Unsupported(
                f"{self._place}: there are more than {MOST:,} records, or {MOST_BYTES >> 20} MB of them, which are "
                "kept in memory; use a system that looks them up by key"
            )
        return before


def _digest(entry: Entry) -> str:
    said = repr((entry.offset, entry.key, entry.data, entry.mark))
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
