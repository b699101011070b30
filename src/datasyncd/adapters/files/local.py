"""The store that is a folder of this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import anyio

from datasyncd.adapters.errors import Unreachable

from . import content
from .lock import locked
from .patience import in_thread
from .store import Content, Doubt, Promises
from .watch import Watches
from .writers import writer_of

PATIENCE_S = 5.0
"""How long to wait for a program that has a file open for writing to close it; then the call is tried again later."""


class LocalStore:
    """A folder."""

    def __init__(self, folder: Path, *, lock: bool, settle_s: float) -> None:
        """`lock`: every program that writes the files takes a lock beside them."""
        self.promises = Promises(
            compares=lock,
            last_look="the file is replaced",
            remedy="with `lock = true` none can, if every program that writes the file takes the lock",
            watches=True,
            settle_s=settle_s,
        )
        self._folder = folder
        self._lock = lock
        self._swept: set[str] = set()
        self._busy_since: dict[str, float] = {}
        """Files that others had open for writing when they were last looked at: since when, by anyio's clock."""
        self._watches = Watches()

    def shown(self, name: str) -> str:
        return str(self._folder / name)

    async def read(self, name: str) -> Content:
        """What a process of ours that died left beside the file is removed first.

        Where writers take no lock, it is read when nobody has it open for writing: that is waited for a while, and a
        while only, however often it is asked for. Raises `BeingWritten`.
        """
        path = self._folder / name
        if name not in self._swept:
            self._swept.add(name)
            await in_thread(content.sweep, path)
        while True:
            try:
                seen = await in_thread(content.read, path, closed=not self._lock)
            except content.BeingWritten:
                since = self._busy_since.setdefault(name, anyio.current_time())
                if anyio.current_time() < since + PATIENCE_S:
                    continue  # it has been looked at for a tenth of a second
                who = await in_thread(writer_of, path)
                raise content.BeingWritten(f"{path} is open for writing by {who}; it is waited for") from None
            self._busy_since.pop(name, None)
            return seen

    async def stamp(self, name: str) -> Hashable:
        return (await self.read(name)).stamp

    async def replace(self, name: str, seen: Content, data: bytes) -> bool:
        """If the folder cannot be put on the disk after the renaming, a power cut might bring the old file back."""
        try:
            return await in_thread(content.replace, self._folder / name, seen, data, closed=not self._lock)
        except OSError as error:
            raise Doubt(f"the folder could not be put on the disk: {error.strerror}") from None

    async def create(self, name: str, data: bytes) -> bool:
        try:
            return await in_thread(content.create, self._folder / name, data)
        except OSError as error:
            raise Doubt(f"the folder could not be put on the disk: {error.strerror}") from None

    async def may_be_made(self, name: str) -> None:
        await in_thread(_check_place, self._folder / name)

    async def remove(self, name: str) -> None:
        await in_thread((self._folder / name).unlink, missing_ok=True)

    def locked(self, name: str, *, shared: bool) -> AbstractAsyncContextManager[None]:
        """The lock of contacts.csv is contacts.lock."""
        return locked((self._folder / name).with_suffix(".lock"), shared) if self._lock else nullcontext()

    async def changes(self, name: str) -> AsyncIterator[bool]:
        path = self._folder / name
        async for changed in self._watches.changes(path.parent, [path.name]):
            yield changed

    async def aclose(self) -> None:
        self._watches.close()


def _check_place(path: Path) -> None:
    if os.path.lexists(path) or not path.parent.is_dir():  # a link to nowhere, a share that is not mounted
        raise Unreachable(f"{path}: {os.strerror(errno.ENOENT)}")
