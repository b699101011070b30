"""The lock of a file: an flock on a file beside it, which every writer takes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from datasyncd.adapters.errors import Transient, Unauthorised, Unreachable

PATIENCE_S = 5.0
"""How long to wait for a lock that somebody else holds."""

PAUSE_S = 0.01


@asynccontextmanager
async def locked(path: Path, shared: bool) -> AsyncIterator[None]:
    """Hold the lock; `shared` with other readers, but no writer. Raises `Transient` if it stays taken.

    On crash: the lock goes with the process.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        raise Unauthorised(f"{path}: the daemon's user may not take this lock") from None
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror}") from None
    try:
        deadline = anyio.current_time() + PATIENCE_S
        while not _taken(number, shared):
            if anyio.current_time() >= deadline:
                raise Transient(f"{path} has been locked by somebody else for {PATIENCE_S:g} s")
            await anyio.sleep(PAUSE_S)
        yield
    finally:
        os.close(number)


def _taken(number: int, shared: bool) -> bool:
    try:
        fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
