"""The file of a database: whose turn it is, and whether it is still what it was.

DuckDB lets one process at a time write a file, or any number read it, by locks that POSIX ties to the process: they
are all gone as soon as the process closes any descriptor of the file, whoever opened it. So nothing in this process
opens the file but in its turn, and no turn begins before the one before it has closed everything.

A *mark* tells two states of the file apart. DuckDB counts the checkpoints in the first blocks of the file, and what was
committed since the last one is in the log beside it, which only grows until the next: no clock is relied on.
"""

from __future__ import annotations

import os
import threading
from hashlib import blake2b
from pathlib import Path

import msgspec

from datasyncd.adapters.errors import Unauthorised, Unreachable

_HEADERS = 3 * 4096
"""Bytes of the main header and of the two that take turns at each checkpoint ("Storage Versions and Format")."""
_MAGIC_AT, _MAGIC = 8, b"DUCK"

_turns: dict[str, threading.Lock] = {}
"""Whose turn it is, by the real path: a daemon may have two systems on one file."""


class Mark(msgspec.Struct, frozen=True):
    """A state of the file."""

    device: int
    inode: int
    headers: bytes
    log: tuple[int, int, int] | None
    """Of the log its inode, size, and time of the last change; None: there is none."""

    @property
    def file(self) -> tuple[int, int]:
        """Another one, another file."""
        return self.device, self.inode


class File:
    """One database file."""

    def __init__(self, system: str, path: Path) -> None:
        self.path = path
        self.place = f"{system}: {path}"
        self.epoch = 0
        """Another number once somebody else may have changed the file."""
        self.known: Mark | None = None
        """The state that we last saw, or made."""
        self._turn = _turns.setdefault(os.path.realpath(path), threading.Lock())

    def take(self) -> int | None:
        """Take the turn and open the file to look at it; None: it is somebody else's turn in this process.

        Raises `Unreachable`, `Unauthorised`; then the turn is not taken.
        """
        if not self._turn.acquire(blocking=False):
            return None
        try:
            return self._opened()
        except BaseException:
            self._turn.release()
            raise

    def leave(self, descriptor: int) -> None:
        """Give the turn back; the database is closed by now."""
        os.close(descriptor)
        self._turn.release()

    def look(self, descriptor: int) -> Mark:
        """The state of the open file."""
        found = os.fstat(descriptor)
        headers = blake2b(os.pread(descriptor, _HEADERS, 0), digest_size=16).digest()
        return Mark(found.st_dev, found.st_ino, headers, _log(self.path))

    def seen(self, mark: Mark) -> None:
        """Remember a state that was found: another one than the known one is somebody else's."""
        if mark != self.known:
            self.epoch += 1
            self.known = mark

    def is_still(self, descriptor: int) -> bool:
        """Whether the path still leads to the open file; false: it was replaced or removed."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def may_be_written(self) -> bool:
        """Whether the daemon's user may write the file, and the log beside it."""
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def _opened(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except PermissionError:
            raise Unauthorised(f"{self.place}: reading is not allowed to the daemon's user") from None
        except OSError as error:
            raise Unreachable(
                f"{self.place}: {error.strerror}; see that `path` is right and the file is there"
            ) from None
        try:
            self._check(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check(self, descriptor: int) -> None:
        """Raise `Unreachable` for what is no database: DuckDB would make one of an empty file."""
        try:
            begin = os.pread(descriptor, _MAGIC_AT + len(_MAGIC), 0)
        except OSError as error:  # a folder, a pipe
            raise Unreachable(f"{self.place}: {error.strerror}") from None
        if not begin:
            raise Unreachable(f"{self.place} is an empty file; see whether it is still being copied")
        if begin[_MAGIC_AT:] != _MAGIC:
            raise Unreachable(f"{self.place} is no DuckDB database; see whether it is still being copied")


def _log(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(f"{path}.wal")
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
