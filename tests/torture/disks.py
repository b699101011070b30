"""Small disks, which fill up or are read-only: mounted where the tests may mount, which root may."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REMOUNT_S = 10.0


@contextlib.contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """An empty disk of its own at a folder, gone at the end."""
    folder.mkdir(exist_ok=True)
    made = _run("mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700", "datasyncd-torture", str(folder))
    if made.returncode != 0:
        reason = f"PREREQUISITE MISSING: a full disk is not tested, since nothing can be mounted: {made.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; run the job as root, with the right to mount")
        pytest.skip(f"{reason}; run as root")
    try:
        yield folder
    finally:
        done = _run("umount", "--lazy", str(folder))
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written to a disk meanwhile. It begins at a moment when nobody has a file open for writing."""
    _remount(folder, "ro")
    try:
        yield
    finally:
        _remount(folder, "rw")


def _remount(folder: Path, how: str) -> None:
    deadline = time.monotonic() + REMOUNT_S
    while (done := _run("mount", "-o", f"remount,{how}", str(folder))).returncode != 0:
        assert time.monotonic() < deadline, done.stderr


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
