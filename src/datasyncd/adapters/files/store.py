"""Stores: where the files of a folder are kept, and what can be promised there.

A *stamp* tells whether a file is still the one that was read; what it is made of is the store's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from datasyncd.adapters.errors import Unreachable


class NoFile(Unreachable):
    """There is no file of this name."""


class Doubt(Exception):
    """It was sent, and nobody knows whether the file was replaced. The text says why."""


class Content(msgspec.Struct, frozen=True):
    """What a file held, and the stamp that it had."""

    data: bytes
    stamp: Hashable


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """What a store promises."""

    compares: bool
    """Nobody's edit is replaced that was not read."""
    last_look: str = ""
    """Where it does not compare: what comes right after the last comparison."""
    remedy: str = ""
    """Where it does not compare: what in the config would change that."""
    watches: bool = False
    """It tells of changes as they happen."""
    tells_stamps: bool = False
    """Two contents never have the same stamp, and to ask for it is much cheaper than to read."""
    tells_unchanged: bool = False
    """It is worth the while to look whether a file is still what it was before it is taken apart."""
    settle_s: float = 0.05
    """How long a file whose end looks half-written must stay the same to be believed."""
    late_s: float = 0.0
    """Longest time after we gave up in which a file can still be replaced."""


class Store(Protocol):
    """A folder of files. Raises `Unreachable`, `Unauthorised`, `Transient`, and `NoFile` where there is none."""

    promises: Promises

    def shown(self, name: str) -> str:
        """Where a file stands, for people; without secrets."""
        ...

    async def read(self, name: str) -> Content:
        """A file at a moment when nobody writes it."""
        ...

    async def stamp(self, name: str) -> Hashable:
        """The stamp that a file has now."""
        ...

    async def replace(self, name: str, seen: Content, data: bytes) -> bool:
        """Put `data` in the place of what was seen; false, and nothing done, if the file is no longer that.

        Raises `Doubt`.
        """
        ...

    async def create(self, name: str, data: bytes) -> bool:
        """Make a file that does not exist; false, and nothing done, if it does. Raises `Doubt`."""
        ...

    async def may_be_made(self, name: str) -> None:
        """Raise `Unreachable` if there is no file because its place is not there."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def locked(self, name: str, *, shared: bool) -> AbstractAsyncContextManager[None]:
        """Keep out, or wait for, those who take the lock of a file; `shared` with other readers."""
        ...

    def changes(self, name: str) -> AsyncIterator[bool]:
        """True after each burst of changes, and to begin with. Raises `Unsupported`."""
        ...

    async def aclose(self) -> None:
        """Free everything."""
        ...
