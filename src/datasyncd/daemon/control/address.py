"""Address: the socket's place. The system takes at most 107 bytes of a socket's path (unix(7))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

SOCKET = "control.sock"
LONGEST = 107


@contextlib.contextmanager
def address(folder: str, name: str = SOCKET) -> Iterator[str]:
    """A name for a socket in `folder` that is short enough, for as long as the context lasts.

    A longer path is reached through a descriptor of its folder. Raises `OSError` where the folder is not there.
    """
    path = os.path.join(folder, name)
    if len(os.fsencode(path)) <= LONGEST:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        through = f"/proc/self/fd/{descriptor}"
        if not os.path.isdir(through):
            raise OSError(
                f"{path}: longer than {LONGEST} bytes, and no /proc to shorten it; choose a shorter state_dir"
            )
        yield f"{through}/{name}"
    finally:
        os.close(descriptor)
