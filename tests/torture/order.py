"""Order: when files and folders are put on the disk, renamed, and their writes answered; a line each in a file.

What a loss of power leaves cannot be tried here, but whether all is on the disk before anybody relies on it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from datasyncd.adapters.files import content
from datasyncd.adapters.files import exchange as exchanging
from datasyncd.daemon import throttle
from tests.torture.patching import put


def note_order(file: Path) -> None:
    """From now on, in this process."""
    sync, replace, exchange, push = os.fsync, os.replace, exchanging.exchange, throttle.Obedient.push

    def note(*words: Any) -> None:
        with file.open("a") as out:
            print(*words, file=out)

    def synced(number: int) -> None:
        sync(number)
        note("synced", os.readlink(f"/proc/self/fd/{number}"))

    def replaced(source: Any, target: Any) -> None:
        replace(source, target)
        note("renamed", source, target)

    def exchanged(source: str, target: str) -> bool:
        done = exchange(source, target)
        if done:
            note("renamed", source, target)
        return done

    async def answered(adapter: Any, object: str, writes: Any) -> Any:
        outcomes = await push(adapter, object, writes)
        note("answered", adapter._system)
        return outcomes

    put(os, fsync=synced, replace=replaced)
    put(content, exchange=exchanged)
    put(throttle.Obedient, push=answered)
