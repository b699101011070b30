"""Place: whether the files that a process works on are still those that their names lead to, and whose place it is.

A file lives on without its name as long as somebody has it open. So a state that is removed or replaced beneath its
process shows nowhere by itself: the process would go on with edits that nobody finds again, and the lock of the file
that is there now keeps nobody out. Two things stand against that. The process looks at the names; and while it lives
it holds a name that the kernel keeps and that no file stands for (an abstract socket, unix(7)), so that another one
does not start at the same place.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

from .errors import RESTORE, LockGone, StateGone, StateLocked

File: TypeAlias = tuple[int, int]
"""Device and inode."""
BACKLOG = 1024
"""How many may ask who holds a place while it is held."""


class Place:
    """The files that are open, as they were found."""

    def __init__(self, state: Path, lock: Path) -> None:
        """Both are open in this process. Raises `OSError`."""
        self._state, self._lock = state, lock
        self._opened = _file(state), _file(lock)

    def confirm(self) -> None:
        """Raises `StateGone`, `LockGone`. What cannot be looked at now proves nothing."""
        with contextlib.suppress(OSError):
            state, lock = _now(self._state), _now(self._lock)
            if state != self._opened[0]:
                how = "was removed" if state is None else "was replaced"
                raise StateGone(
                    f"{self._state}: it {how} while this process worked on it; nothing more is written to any system, "
                    f"and what was noted since is lost; put back the file itself if it was only moved, or {RESTORE}"
                )
            if lock != self._opened[1]:
                raise LockGone(
                    f"{self._lock}: it was removed or replaced, so that another process could work on the same state; "
                    "nothing more is written by this one; the state is whole: start it again"
                )


def _now(path: Path) -> File | None:
    """None: it is not there."""
    try:
        return _file(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _file(path: Path) -> File:
    found = os.stat(path)
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the place of a state, whatever happens to its files. Raises `StateLocked`.

    On crash: the name is the kernel's and goes with the process.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as name:
        try:
            name.bind(_name(path))
            name.listen(BACKLOG)
        except OSError:
            if is_held(path):
                raise StateLocked(
                    f"{path}: a process that worked on the state that was here before still runs; it ends by itself "
                    "as soon as it sees that its files are gone: try again in some seconds, or stop it"
                ) from None
        yield


def is_held(path: Path) -> bool:
    """Whether a process of this user, of root or of the folder's owner holds the place of a state.

    Anybody may take a name; those who may not write the state are not believed.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(_name(path))
        except BlockingIOError:
            return True  # more have asked than wait in line
        except OSError:
            return False
        size = struct.calcsize("3i")
        _pid, uid, _gid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    trusted = {os.geteuid(), 0}
    with contextlib.suppress(OSError):
        trusted.add(os.stat(path.parent).st_uid)
    return uid in trusted


def _name(path: Path) -> bytes:
    """The same for all processes that find the same file at a path: a container has a root, and names, of its own."""
    root = os.stat("/")
    place = os.path.join(os.path.realpath(path.parent), path.name)
    known = f"{root.st_dev}:{root.st_ino}:{place}"
    return b"\0datasyncd-" + blake2b(os.fsencode(known), digest_size=16).hexdigest().encode()
