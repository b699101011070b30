"""Scratch: a stream that is made for the conformance suite, and another connection that sends to it and reads it."""

from __future__ import annotations

from collections.abc import Mapping

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.streams.reading import in_parallel
from datasyncd.adapters.streams.scratch import StreamScratch
from datasyncd.adapters.testing.scratch import Site

from .reading import Consumer
from .session import session_of
from .stream import Subjects
from .subjects import subject_of

AT_ONCE = 64


class NatsScratch(StreamScratch):
    """A stream of people."""

    history = 1
    """Messages that it keeps of each record; -1: all."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.made = f"the stream {site.object}"
        self._session = session_of(site.system, site.base, self.options)
        self._subjects = Subjects(self._session, site.object, empty_is_complete=True)

    async def make(self) -> None:
        config = {
            "name": self.site.object, "subjects": [self._subjects.pattern], "retention": "limits", "discard": "old",
            "storage": "file", "num_replicas": 1, "max_msgs_per_subject": self.history,
        }  # fmt: skip
        await self._subjects.ask(await self._session.connected(), f"STREAM.CREATE.{self.site.object}", config)

    async def remove(self) -> None:
        try:
            await self._subjects.ask(await self._session.connected(), f"STREAM.DELETE.{self.site.object}")
        except NotFound:
            pass  # it was not made
        finally:
            await self._session.aclose()

    async def send(self, states: Mapping[Key, bytes | None]) -> None:
        connection, stream = await self._subjects.look()

        async def one(state: tuple[Key, bytes | None]) -> None:
            subject = subject_of(self.site.object, state[0]) or ""
            await self._subjects.publish(connection, stream, subject, state[1] or b"", {})

        await in_parallel(one, list(states.items()), AT_ONCE)

    async def last(self) -> Mapping[Key, bytes | None]:
        connection, stream = await self._subjects.look()
        consumer = await Consumer.of(self._subjects, connection, stream, deliver_policy="all")
        try:
            found: dict[Key, bytes | None] = {}
            left = consumer.waiting
            while left:
                for news in await consumer.next(self.options.timeout_s):
                    found[news.key or ""], left = news.data, news.left
            return found
        finally:
            await consumer.aclose()
