"""Writers: whether a file is open for writing, and by whom.

A program that writes a file in place has it open meanwhile, however long it pauses, so what the file lacks then may be
yet to come. The kernel counts such openings: it grants no read lease on a file that has any (fcntl(2), "Leases"). That
is exact for files of this machine. It takes the owner of the file, or CAP_LEASE; without them it is asked which open
files the processes show that may be looked at.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_PROCESSES = Path("/proc")


def is_open_for_writing(number: int, path: Path) -> bool:
    """Whether anybody has the file of this descriptor, which reads it, open for writing; false if that cannot be known.

    Who opens the file for writing at the very moment of the lease waits until it is given back, microseconds later.
    """
    try:
        # If somebody waits, a signal tells us to give the lease back: by default one that ends the process.
        fcntl.fcntl(number, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(number, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN or next(_writers(path), None) is not None
    fcntl.fcntl(number, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def writer_of(path: Path) -> str:
    """A program that has a file open for writing, for people; its name and number if it may be looked at."""
    for process in _writers(path):
        try:
            return f"{(process / 'comm').read_text().strip()!a} (process {process.name})"
        except OSError:
            continue
    return "another program"


def _writers(path: Path) -> Iterator[Path]:
    """The folders in /proc of processes that have a file open for writing, as far as they may be looked at."""
    target = os.path.realpath(path)
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            numbers = os.listdir(process / "fd")
        except OSError:  # another user's, or it has ended
            continue
        if process.name != str(os.getpid()) and any(_writes(process, number, target) for number in numbers):
            yield process


def _writes(process: Path, number: str, target: str) -> bool:
    try:
        if os.readlink(process / "fd" / number) != target:
            return False
        lines = (process / "fdinfo" / number).read_text().splitlines()
    except OSError:
        return False
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), os.O_RDONLY)
    return flags & _ACCESS != os.O_RDONLY
