"""The content of a file at one moment: read whole, and replaced whole.

Other programs write these files, too.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from datasyncd.adapters.errors import Transient, Unauthorised, Unreachable

from .exchange import exchange
from .store import Content, NoFile
from .writers import is_open_for_writing

Stamp: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size, time of the last change in nanoseconds."""

TRIES = 20
PAUSE_S = 0.005
"""A reading during which the file changed is repeated so many times, after so long."""

_OURS = ".datasyncd-new"
"""Ending of the files that are written to take another's place."""


class BeingWritten(Transient):
    """Somebody has the file open for writing."""


def read(path: Path, *, closed: bool = False) -> Content:
    """Read a file at a moment when nobody writes it. Raises `Unreachable`, `Unauthorised`, `Transient`.

    `closed`: and when nobody has it open for writing, as far as that can be known; else raises `BeingWritten`.
    """
    busy = False
    for _ in range(TRIES):
        try:
            with open(path, "rb", opener=_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreachable(f"{path}: not a file; a pipe, a socket or a device cannot be kept the same")
                before = _stamp(os.fstat(file.fileno()))
                data = file.read()
                after = _stamp(os.fstat(file.fileno()))
                # After the reading: who opened the file before may have cut it off, who does now has not yet.
                busy = closed and is_open_for_writing(file.fileno(), path)
            if busy:
                pass
            elif before == after == _stamp(os.stat(path)) and len(data) == before[2]:
                return Content(data, before)
        except FileNotFoundError as error:
            raise NoFile(f"{path}: {error.strerror}") from None
        except PermissionError:
            raise Unauthorised(f"{path}: reading is not allowed to the daemon's user") from None
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}") from None
        time.sleep(PAUSE_S)
    if busy:
        raise BeingWritten(f"{path} is open for writing")
    raise Transient(f"{path} changes faster than it can be read")


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for anybody, as opening a pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def replace(path: Path, seen: Content, data: bytes, *, closed: bool = False) -> bool:
    """Put `data` in the place of what was seen; false, and nothing done, if the file is no longer that.

    `closed`: or if somebody has it open for writing, who would go on writing what no longer has a name.

    On crash: the file holds all of the old or all of the new content; what was written beside it is removed by
    `sweep` at the next start. A change that another program makes at the very moment, without taking the lock, is put
    back where files can be exchanged, and lost where they cannot (or if the process dies just then).
    """
    target = Path(os.path.realpath(path))
    with _written(target, data, like=target) as new:
        if not _is_still(target, seen, closed) or not _put(new, target, seen, closed):
            return False
    _sync_folder(target.parent)
    return True


def _put(new: str, target: Path, seen: Content, closed: bool) -> bool:
    """Let the new file take the other's name; false if that was not what was seen, which then stands there again."""
    ours = os.stat(new).st_ino
    if not exchange(new, str(target)):
        os.replace(new, target)
        return True
    if _is_still(Path(new), seen, closed):
        return True
    exchange(new, str(target))
    if os.stat(new).st_ino != ours:
        # Somebody has replaced ours by now, and theirs is the newest.
        exchange(new, str(target))
    return False


def create(path: Path, data: bytes) -> bool:
    """Make a file that does not exist; false, and nothing done, if it does. On crash: as `replace`."""
    with _written(path, data, like=None) as new:
        try:
            os.link(new, path)
        except FileExistsError:
            return False
    _sync_folder(path.parent)
    return True


def sweep(path: Path) -> None:
    """Remove what a process that died left beside this file. What another one is writing now is locked, and stays."""
    with suppress(OSError):
        for left in path.parent.glob(f".{path.name}.*{_OURS}"):
            with suppress(OSError), open(left, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


@contextmanager
def _written(target: Path, data: bytes, like: Path | None) -> Iterator[str]:
    """A file beside the target that holds `data` on the disk, with the mode and owner of `like`; removed at the end."""
    if like is not None and not os.access(like, os.W_OK):
        raise Unauthorised(f"{like}: writing is not allowed to the daemon's user")
    try:
        number, new = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=_OURS)
    except PermissionError:
        raise Unauthorised(f"{target.parent}: the daemon's user may not make files in this folder") from None
    except OSError as error:
        raise Unreachable(f"{target.parent}: {error.strerror}") from None
    try:
        with open(number, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _dress(file.fileno(), like)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            yield new
    except OSError as error:
        raise Transient(f"{target}: {error.strerror}; nothing was changed") from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(new)


def _dress(number: int, like: Path | None) -> None:
    """Give a new file the mode and owner of another one, as far as the daemon's user may; else what a new file gets."""
    if like is None:
        mask = os.umask(0o077)
        os.umask(mask)
        os.fchmod(number, 0o666 & ~mask)
        return
    old = os.stat(like)
    os.fchmod(number, old.st_mode & 0o7777)
    with suppress(PermissionError):
        os.fchown(number, old.st_uid, old.st_gid)


def _is_still(path: Path, seen: Content, closed: bool) -> bool:
    """Compares the bytes, too: the clock of a file system has steps, and two changes can fall into one."""
    try:
        if _stamp(os.stat(path)) != seen.stamp:
            return False
        with path.open("rb") as file:
            if file.read() != seen.data or (closed and is_open_for_writing(file.fileno(), path)):
                return False
        return _stamp(os.stat(path)) == seen.stamp
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk. Raises OSError: the change is made, but may not survive a power cut."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
