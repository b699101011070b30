"""Clock: the daemon's own time, in microseconds since 1970, which never goes back and never stands still.

It starts no earlier than the last time that the state knows, so that a wall clock set back while the daemon
was down reorders nothing. Delays are counted on the monotonic clock from there: a wall clock that jumps
meanwhile is followed forward only as far as it really went.
"""

from __future__ import annotations

import threading
import time


class Clock:
    """Gives each moment once. Safe to be read from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._offset = time.time_ns() - time.monotonic_ns()

    def start_after(self, at: int) -> None:
        """Never give a time at or before `at`."""
        with self._lock:
            self._last = max(self._last, at)

    def now(self) -> int:
        """Microseconds, later than at each call before."""
        with self._lock:
            at = (time.monotonic_ns() + self._offset) // 1000
            self._last = at if at > self._last else self._last + 1
            return self._last
