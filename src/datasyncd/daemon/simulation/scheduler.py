"""Scheduler: coroutines in virtual time. Nothing here knows of threads, sockets or the real clock.

A coroutine waits by `await pause(seconds)`. Whenever several are due, the seed decides which one goes on, so
that one seed gives one history and many seeds give many orders.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from random import Random
from typing import Any

SECOND = 1_000_000


class Pause:
    """Waits for some virtual seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class Task:
    """One coroutine and when it goes on."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, Any], due: int, number: int) -> None:
        self.name = name
        self.coroutine = coroutine
        self.due = due
        self.number = number


class Scheduler:
    """Runs tasks until none is left or time is over."""

    def __init__(self, random: Random) -> None:
        self.now = 0
        """Microseconds of virtual time."""
        self.steps = 0
        self._random = random
        self._tasks: list[Task] = []
        self._number = 0

    def start(self, name: str, coroutine: Coroutine[Any, Any, Any], after_s: float = 0.0) -> None:
        """Add a task."""
        self._number += 1
        self._tasks.append(Task(name, coroutine, self.now + round(after_s * SECOND), self._number))

    def kill(self, prefix: str) -> int:
        """End all tasks whose name begins so, wherever they stand; returns how many."""
        dead = [task for task in self._tasks if task.name.startswith(prefix)]
        self._tasks = [task for task in self._tasks if not task.name.startswith(prefix)]
        for task in dead:
            task.coroutine.close()
        return len(dead)

    def step(self, until: int) -> bool:
        """Let one task go on to its next pause. False: nothing is due before `until`."""
        if not self._tasks:
            return False
        first = min(task.due for task in self._tasks)
        if first > until:
            return False
        self.now = max(self.now, first)
        ready = [task for task in self._tasks if task.due <= self.now]
        task = ready[self._random.randrange(len(ready))] if len(ready) > 1 else ready[0]
        self.steps += 1
        try:
            pause = task.coroutine.send(None)
        except StopIteration:
            self._tasks.remove(task)
            return True
        task.due = self.now + round(pause.seconds * SECOND)
        return True

    def run(self, until: int) -> None:
        """Run everything that is due until then."""
        while self.step(until):
            pass
        self.now = max(self.now, until)

    async def pause(self, seconds: float) -> None:
        """What a simulated system waits with."""
        await Pause(seconds)
