"""Tally: what was done to the processes of a whole run, shown at its end; a line each in one file."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

PLACE = "DATASYNCD_TORTURE_TALLY"
"""Names the file. It is inherited by all processes of a run."""


def count(what: str) -> None:
    """Something was done."""
    if place := os.environ.get(PLACE):
        with open(place, "ab", buffering=0) as file:
            file.write(what.encode() + b"\n")


def counted() -> Counter[str]:
    return Counter(Path(os.environ[PLACE]).read_text(encoding="utf-8").splitlines())
