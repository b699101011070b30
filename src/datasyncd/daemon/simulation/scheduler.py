"""Scheduler: coroutines in virtual time. Nothing here knows of threads, sockets or the real clock.

A coroutine waits by `await scheduler.pause(seconds)`. Whenever several are due, the seed decides which one goes on, so
that one seed gives one history and many seeds give many orders. A pause in which nobody else is due takes no turn at
all: most of them are like that, and a history is made of thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, TypeAlias

SECOND = 1_000_000


MOST_PAUSES = 25_000
"""Of one history: the longest ones have a few thousand."""


class Endless(Exception):
    """Somebody goes round in circles."""


class Pause:
    """Waits until a moment of virtual time."""

    __slots__ = ("due",)

    def __init__(self, due: int) -> None:
        self.due = due

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class Task:
    """One coroutine."""

    __slots__ = ("coroutine", "name")

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.name = name
        self.coroutine = coroutine


_Turn: TypeAlias = tuple[int, float, int, Task]
"""When it is due, what the seed says among those due at once, a number that no other turn has."""


class Scheduler:
    """Runs tasks until none is left or time is over."""

    def __init__(self, random: Random) -> None:
        self.now = 0
        """Microseconds of virtual time."""
        self.pauses = 0
        """How many there were: a history's own clock, which a crash is timed by."""
        self.fuse = -1
        """Pauses until the process dies where it stands; below 0: it lives."""
        self.task = ""
        """Name of the task that goes on now."""
        self.moved: Callable[[int], None] = lambda _now: None
        """Called whenever time has passed."""
        self._until = 0
        self._random = random
        self._turns: list[_Turn] = []
        self._number = 0

    def start(self, name: str, coroutine: Coroutine[Any, Any, Any], after_s: float = 0.0) -> None:
        """Add a task."""
        self._push(self.now + round(after_s * SECOND), Task(name, coroutine))

    def kill(self, prefix: str) -> int:
        """End all tasks whose name begins so, wherever they stand; returns how many."""
        dead = [turn[3] for turn in self._turns if turn[3].name.startswith(prefix)]
        self._turns = [turn for turn in self._turns if not turn[3].name.startswith(prefix)]
        heapify(self._turns)
        for task in dead:
            task.coroutine.close()
        return len(dead)

    def run(self, until: int) -> bool:
        """Run everything that is due until then. False: the fuse burnt down before."""
        self._until = until
        turns = self._turns
        while turns and turns[0][0] <= until:
            due, _, _, task = heappop(turns)
            self._move(due)
            self.task = task.name
            try:
                pause = task.coroutine.send(None)
            except StopIteration:
                continue
            self._push(pause.due, task)
            if self.fuse == 0:
                return False
        self._move(until)
        return True

    def jump(self, microseconds: int) -> None:
        """Time passes in which nobody gets on."""
        self._move(self.now + microseconds)

    async def pause(self, seconds: float) -> None:
        """Wait. The process may die here."""
        self.pauses += 1
        if self.pauses > MOST_PAUSES:
            raise Endless(self.task)
        if self.fuse > 0:
            self.fuse -= 1
        due = self.now + round(seconds * SECOND) if seconds else self.now
        if self.fuse != 0 and due <= self._until and (not self._turns or due < self._turns[0][0]):
            self._move(due)
            return
        await Pause(due)

    def _move(self, at: int) -> None:
        if at > self.now:
            self.now = at
            self.moved(at)

    def _push(self, due: int, task: Task) -> None:
        self._number += 1
        heappush(self._turns, (due, self._random.random(), self._number, task))
