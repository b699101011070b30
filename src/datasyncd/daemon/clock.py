"""Clock: the daemon's own time, in microseconds since 1970, which never goes back and never stands still.

It starts no earlier than the last time that the state knows, so that a wall clock set back while the daemon
was down reorders nothing. Delays are counted on the monotonic clock from there: a wall clock that jumps
meanwhile is followed forward only as far as it really went. Where the state knows a later time than the wall clock
shows, as after a run whose wall clock was wrong, time goes on from there at half its speed until the two meet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Gives each moment once. Safe to be read from several threads."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._monotonic_ns = monotonic_ns
        self._offset = wall_ns() - monotonic_ns()
        self._ahead: tuple[int, int] | None = None
        """A time that was ahead of the wall clock, and when it was, on the monotonic clock in nanoseconds."""

    def start_after(self, at: int) -> None:
        """Never give a time at or before `at`."""
        with self._lock:
            self._last = max(self._last, at)
            monotonic = self._monotonic_ns()
            if at > (monotonic + self._offset) // 1000:
                self._ahead = at, monotonic

    def now(self) -> int:
        """Microseconds, later than at each call before."""
        with self._lock:
            monotonic = self._monotonic_ns()
            at = (monotonic + self._offset) // 1000
            if self._ahead is not None:
                ahead, since = self._ahead
                slowed = ahead + (monotonic - since) // 2000
                if slowed > at:
                    at = slowed
                else:
                    self._ahead = None
            self._last = at if at > self._last else self._last + 1
            return self._last
