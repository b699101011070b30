"""Exchange: two files trade their names, in one step of the kernel (`renameat2` of Linux).

Unlike a renaming it destroys nothing: what stood there can still be looked at, and put back.
"""

from __future__ import annotations

import ctypes
import errno
import os

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV})

_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str) -> bool:
    """Let two files trade their names; false, and nothing done, where system or file system cannot. Raises OSError."""
    try:
        call = _libc.renameat2
    except AttributeError:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), other)
