"""The store that is a folder of this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from datasyncd.adapters.errors import Unreachable

from . import content
from .lock import locked
from .patience import in_thread
from .store import Content, Doubt, Promises
from .watch import Watches


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
        self._watches = Watches()

    def shown(self, name: str) -> str:
        return str(self._folder / name)

    async def read(self, name: str) -> Content:
        """What a process of ours that died left beside the file is removed first."""
        path = self._folder / name
        if name not in self._swept:
            self._swept.add(name)
            await in_thread(content.sweep, path)
        return await in_thread(content.read, path)

    async def stamp(self, name: str) -> Hashable:
        return (await self.read(name)).stamp

    async def replace(self, name: str, seen: Content, data: bytes) -> bool:
        """If the folder cannot be put on the disk after the renaming, a power cut might bring the old file back."""
        try:
            return await in_thread(content.replace, self._folder / name, seen, data)
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
