"""Scratch: a stream that is made for the conformance suite, and another connection that works with it."""

from __future__ import annotations

from collections.abc import Mapping

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.streams.log import Append, Replay
from datasyncd.adapters.streams.scratch import StreamScratch
from datasyncd.adapters.testing.scratch import Site

from .session import Session, StreamLog


class AmqpScratch(StreamScratch):
    """A stream of people."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.made = f"the stream {site.object}"
        self._session = Session(site.system, site.base, self.options)
        self._log = StreamLog(self._session, site.object)
        self._replay = Replay(StreamLog(self._session, site.object), self.made)

    async def make(self) -> None:
        await self._log.make()

    async def remove(self) -> None:
        try:
            await self._log.delete()
        except NotFound:
            pass  # it was not made
        finally:
            await self._session.aclose()

    async def send(self, states: Mapping[Key, bytes | None]) -> None:
        await self._log.append([Append(key, state, "") for key, state in states.items()])

    async def last(self) -> Mapping[Key, bytes | None]:
        await self._replay.catch_up()
        return {key: held.data for key, held in self._replay.since(0)}
