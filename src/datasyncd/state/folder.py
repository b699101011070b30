"""The folder of a state: whether it can be made and written, told before anything is."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import StateError, StateMisplaced, StateUnavailable

FIX = "name a folder that can be made and written in [daemon] state_dir"


def refusal(folder: Path) -> StateError | None:
    """Why the folder cannot be made or written, with what to do; None: it can. Makes nothing."""
    try:
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        if not there.is_dir():
            return StateMisplaced(f"{folder}: {there} is there and is no folder; move it away, or {FIX}")
        if there != folder:
            _look_at_name(folder)
    except OSError as error:
        return StateMisplaced(f"{folder}: {error.strerror}; {FIX}")
    if os.access(there, os.W_OK | os.X_OK):
        return None
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return StateUnavailable(f"{folder}: its disk is read-only; see how that is mounted, or {FIX}")
    makes = "" if there == folder else f"it cannot be made in {there}: "
    return StateUnavailable(
        f"{folder}: {makes}the user {os.geteuid()} may not write there; give it the right, or {FIX}"
    )


def refuse_unusable(folder: Path) -> None:
    """Raises `StateMisplaced`, `StateUnavailable`."""
    why = refusal(folder)
    if why is not None:
        raise why


def _look_at_name(folder: Path) -> None:
    """Raises `OSError` for a name that no file can have; whether there is one is nobody's question."""
    try:
        folder.lstat()
    except FileNotFoundError:
        return
