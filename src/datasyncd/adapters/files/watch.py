"""Watching a folder: being told, within tens of milliseconds, that one of some files was changed by anybody."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import anyio
from watchfiles import Change, awatch

from datasyncd.adapters.errors import Unreachable

STEP_MS = 50
"""How often the watcher looks at what the kernel has told it; a change is passed on after one quiet step."""

LOOK_MS = 1_000
"""How often it looks whether the folder is still the one that it watches, while nothing happens."""


class Watches:
    """The watches of one adapter, which all end with it."""

    def __init__(self) -> None:
        self._stops: set[anyio.Event] = set()
        self._closed = False

    async def changes(self, folder: Path, names: Collection[str]) -> AsyncIterator[bool]:
        """Yield true after each burst of changes to files of these names in the folder, until `close`.

        The first is true in any case: it comes once the watch listens, for what was changed before. False: nothing
        happened for a while, and the caller may look for what no event tells of. A folder that was moved away and
        made again is watched again. Raises `Unreachable` if there is none.
        """
        watched, began = _identity(folder), False
        while not self._closed:
            stop = anyio.Event()  # awatch sets it on cancel, so it cannot be shared
            self._stops.add(stop)
            try:
                async for changes in awatch(
                    folder,
                    watch_filter=_Named(names),
                    debounce=STEP_MS,
                    step=STEP_MS,
                    stop_event=stop,
                    rust_timeout=LOOK_MS,
                    yield_on_timeout=True,
                    recursive=False,
                ):
                    now = _identity(folder)
                    yield bool(changes) or now != watched or not began
                    began = True
                    if now != watched:
                        watched = now
                        break
            finally:
                self._stops.discard(stop)

    def close(self) -> None:
        """End all watches within a step."""
        self._closed = True
        for stop in self._stops:
            stop.set()


class _Named:
    """Lets through what happens to files of certain names."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def __call__(self, change: Change, path: str) -> bool:
        return os.path.basename(path) in self._names


def _identity(folder: Path) -> tuple[int, int]:
    try:
        found = os.stat(folder)
    except OSError as error:
        raise Unreachable(f"cannot watch the folder {folder}: {error.strerror}") from None
    return found.st_dev, found.st_ino
