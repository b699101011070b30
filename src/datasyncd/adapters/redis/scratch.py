"""Scratch: a stream that is made for the conformance suite, and another connection that adds to it and reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasyncd.adapters.contract import Key
from datasyncd.adapters.streams.scratch import StreamScratch
from datasyncd.adapters.testing.scratch import Site

from .fold import Fold
from .session import Session

AT_A_TIME = 500


class RedisScratch(StreamScratch):
    """A stream of people."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.made = f"the stream {site.object}"
        self._session = Session(site.system, site.base, self.options)
        self._keys = Fold(self._session, site.object).keys

    async def make(self) -> None:
        await self._session.reached()  # a stream is made by its first entry

    async def remove(self) -> None:
        try:
            await self._session.run(self._session.client().delete(*self._keys))
        finally:
            await self._session.aclose()

    async def send(self, states: Mapping[Key, bytes | None]) -> None:
        rest = list(states.items())
        while rest:
            pipeline: Any = self._session.client().pipeline(transaction=False)
            for key, state in rest[:AT_A_TIME]:
                said: dict[Any, Any] = {"tombstone": "1"} if state is None else {"data": state}
                pipeline.xadd(self.site.object, {"key": key, **said})
            await self._session.run(pipeline.execute())
            rest = rest[AT_A_TIME:]

    async def last(self) -> Mapping[Key, bytes | None]:
        found: dict[Key, bytes | None] = {}
        after = "-"
        while entries := await self._session.run(
            self._session.client().xrange(self.site.object, after, "+", AT_A_TIME)
        ):
            for _id, fields in entries:
                found[fields[b"key"].decode()] = fields.get(b"data")
            after = f"({entries[-1][0].decode()}"
        return found
