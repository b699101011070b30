"""Watchdog: ends a server whose tests are gone, however they ended, and removes its folder.

    python watchdog.py FOLDER

Its standard input is a pipe that the tests hold open. If it closes without a word, they were killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

PATIENCE_S = 5.0
"""How long a server that was just being started may take to say who it is, and then to end."""
LAST_WORDS = b"over"
"""What tests write that have stopped their server themselves."""


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.stdin.buffer.read() == LAST_WORDS:
        return
    note = folder / "data" / "postmaster.pid"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError, IndexError):
            _end(int(note.read_text().splitlines()[0]))
            break
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def _end(process: int) -> None:
    """Stop a server at once, and with force if need be. Raises `ProcessLookupError` if it is not there."""
    os.kill(process, signal.SIGQUIT)
    until = time.monotonic() + PATIENCE_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.kill(process, 0)
            time.sleep(0.05)
        os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
