"""Overlap: an incremental pull begins where the last ones had come to some time ago.

A transaction may take a value of the cursor column, a time or a number of a sequence, and commit long after another one
that took a higher one. So a pull begins at the highest value that was seen by a pull that began `overlap_s` ago or
earlier: what any transaction shorter than that has left behind is found, whatever the column counts.
"""

from __future__ import annotations

import json
from typing import TypeAlias

from datasyncd.adapters.contract import Cursor, Native

Seen: TypeAlias = list[tuple[int, Native]]
"""When a pull began, in microseconds of the daemon's clock, and the highest value that had been seen by its end;
oldest first."""

_STEPS = 8
"""Entries that one overlap is divided into; a value is forgotten that much later than it could be."""


def seen_in(cursor: Cursor | None, column: str | None) -> Seen:
    """What a cursor remembers; empty: nothing for this column, and everything must be read."""
    if cursor is None or column is None:
        return []
    try:
        name, seen = json.loads(cursor)
        return [(int(at), mark) for at, mark in seen] if name == column else []
    except (ValueError, TypeError):
        return []


def begin(seen: Seen, now: int, overlap: int) -> Native:
    """The value to read from: the last one that is old enough, else the oldest one."""
    old = [mark for at, mark in seen if at <= now - overlap]
    return old[-1] if old else seen[0][1]


def position(column: str, seen: Seen, mark: Native, now: int, overlap: int) -> Cursor | None:
    """The cursor after a pull that began `now` and saw `mark` as the highest value; None: there is no value yet."""
    if mark is None:
        return None
    while len(seen) > 1 and seen[1][0] <= now - overlap:
        seen = seen[1:]
    if not seen or (mark != seen[-1][1] and now - seen[-1][0] >= overlap // _STEPS):
        seen = [*seen, (now, mark)]
    return json.dumps([column, seen])
