"""Throttle: a system that asked to be left alone is left alone as a whole, and the others go on.

`Throttled` on any call of a system, for whichever of its links, starts a wait for all its calls. Until it is over every
call is answered here with what is left of it, opt-outs included: another call would only make the system wait longer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Capabilities,
    Concerned,
    Cursor,
    Hint,
    Key,
    Native,
    Outcome,
    Page,
    Record,
    Schema,
    Write,
)
from datasyncd.adapters.errors import Throttled

log = structlog.get_logger()

SHORTEST_S, LONGEST_S = 0.05, 86_400.0
"""What a system can make us wait."""


class Waits:
    """Until when each system asked to be left alone, in this process."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._until: dict[str, int] = {}

    def ask(self, system: str, after_s: float) -> None:
        """The system asked for a wait; of two the longer one counts."""
        wait = min(max(after_s, SHORTEST_S), LONGEST_S)
        log.info("throttled", system=system, seconds=round(wait, 1))
        self._until[system] = max(self._until.get(system, 0), self._now() + int(wait * 1_000_000))

    def left_s(self, system: str) -> float:
        """Seconds that are left; 0.0: it can be called."""
        until = self._until.get(system)
        return 0.0 if until is None else max(0.0, (until - self._now()) / 1_000_000)

    def obey(self, system: str) -> None:
        """Raises `Throttled` as long as the wait lasts."""
        left = self.left_s(system)
        if left:
            raise Throttled(f"{system}: it asked us to wait; {left:.1f} s are left", left)

    @contextmanager
    def around(self, system: str) -> Iterator[None]:
        """A call: refused while the wait lasts, and listened to for the next one."""
        self.obey(system)
        try:
            yield
        except Throttled as error:
            self.ask(system, error.after_s)
            raise


class Obedient:
    """An adapter whose calls wait when its system asked for it."""

    def __init__(self, system: str, adapter: Adapter, waits: Waits) -> None:
        self._system = system
        self._adapter = adapter
        self._waits = waits

    def capabilities(self, object: str) -> Capabilities:
        return self._adapter.capabilities(object)

    async def describe(self, object: str) -> Schema:
        with self._waits.around(self._system):
            return await self._adapter.describe(object)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        pages = aiter(self._adapter.pull(object, since))
        try:
            while True:
                with self._waits.around(self._system):
                    page = await anext(pages, None)
                if page is None:
                    return
                yield page
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        with self._waits.around(self._system):
            return await self._adapter.read(object, keys, strong=strong)

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        with self._waits.around(self._system):
            return await self._adapter.find(object, field, values)

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        with self._waits.around(self._system):
            return await self._adapter.push(object, writes)

    def watch(self, object: str) -> AsyncIterator[Hint]:
        return self._adapter.watch(object)

    def concerns(self) -> Sequence[str]:
        return self._adapter.concerns() if isinstance(self._adapter, Concerned) else ()

    def figures(self) -> Mapping[str, int]:
        return self._adapter.figures() if isinstance(self._adapter, Concerned) else {}

    async def aclose(self) -> None:
        await self._adapter.aclose()
