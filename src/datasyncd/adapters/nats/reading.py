"""Reading: the last message of each subject, and what came since a sequence.

A list of all is a consumer that is given the last message of each subject. It is over when a message says that none is
behind it, and it is whole only if its messages are numbered without a gap.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import anyio
import msgspec

from datasyncd.adapters.contract import Cursor, Hint, Key, Malformed, Moment, Page, Record
from datasyncd.adapters.errors import NotFound, Transient
from datasyncd.adapters.streams.state import States

from .session import Connection, Lost
from .stream import Stream, Subjects
from .subjects import key_of

PAGE = 250
"""Messages that are asked for at once."""
MANY = 20_000
"""Messages since a cursor: if there are more, the last one of each subject is read instead."""
MANY_BYTES = 32 * 1024 * 1024
"""Octets of messages that are kept at once, beside those of one page."""
IDLE_S = 60
"""Seconds after which the server forgets a consumer that nobody asks."""
LONG_POLL_S = 20.0
_BACKWARDS = ("DEL", "PURGE")
"""What a key-value bucket says of a key that was deleted."""


class News(msgspec.Struct, frozen=True):
    """One message."""

    key: Key | None
    """None: its subject is not written as that of a key."""
    sequence: int
    data: bytes | None
    """None: a tombstone."""
    left: int
    """How many messages were behind it."""


class Consumer:
    """Messages of an object, from the server's own place among them."""

    def __init__(self, subjects: Subjects, connection: Connection, stream: Stream, name: str, waiting: int) -> None:
        self._subjects = subjects
        self._connection = connection
        self._stream = stream
        self._name = name
        self.waiting = waiting
        """How many messages there were when it was made."""
        self._told = 0
        self._subscription: Any = None

    @classmethod
    async def of(cls, subjects: Subjects, connection: Connection, stream: Stream, **policy: Any) -> Consumer:
        """`policy`: where it begins."""
        name = connection.client._nuid.next().decode()
        config = {
            "name": name, "filter_subject": subjects.pattern, "ack_policy": "none", "replay_policy": "instant",
            "mem_storage": True, "num_replicas": 1, "inactive_threshold": IDLE_S * 1_000_000_000, **policy,
        }  # fmt: skip
        made = await subjects.ask(
            connection, f"CONSUMER.CREATE.{stream.name}.{name}.{subjects.pattern}",
            {"stream_name": stream.name, "config": config},
        )  # fmt: skip
        consumer = cls(subjects, connection, stream, name, made["num_pending"])
        consumer._subscription = await connection.stream.pull_subscribe_bind(
            consumer=name, stream=stream.name, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        return consumer

    async def next(self, timeout_s: float) -> list[News]:
        """The next messages, at least one. Raises `TimeoutError`, `Transient`."""
        from nats.errors import TimeoutError as NoneCame
        from nats.js.errors import APIError

        place = self._subjects.place
        try:
            messages = await self._connection.run(_fetched(self._subscription.fetch(PAGE, timeout_s)))
        except APIError as error:
            raise Transient(f"{place}: the server ended the list (status {error.code})") from None
        except (Lost, NoneCame) as error:
            raise Transient(f"{place}: the connection was lost ({error})") from None
        return [self._read(message) for message in messages]

    async def aclose(self) -> None:
        """The server forgets it; if it cannot be told so, after a while by itself."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            if not self._connection.is_open:
                return
            try:
                await self._subscription.unsubscribe()
                await self._subjects.ask(self._connection, f"CONSUMER.DELETE.{self._stream.name}.{self._name}")
            except (NotFound, Transient):
                return

    def _read(self, message: Any) -> News:
        told = message.metadata
        self._told += 1
        if told.sequence.consumer != self._told:
            raise Transient(f"{self._subjects.place}: messages were lost on the way; they are read again")
        headers = message.headers or {}
        over = not message.data or headers.get("KV-Operation") in _BACKWARDS
        key = key_of(self._subjects.object, message.subject)
        return News(key, told.sequence.stream, None if over else message.data, told.num_pending)


async def _fetched(work: Any) -> Any:
    """Messages, or none if none came in time."""
    from nats.errors import TimeoutError as NoneCame

    try:
        return await work
    except NoneCame:
        return []


class Pulling:
    """Pulls of one object."""

    def __init__(
        self, subjects: Subjects, states: States, begin: Callable[[], Moment], *, timeout_s: float, doubted: set[str]
    ) -> None:
        """`doubted`: objects whose stream is not the one of before any more, or lost messages: what is not there may
        have been lost. They are added here."""
        self._subjects = subjects
        self._states = states
        self._begin = begin
        self._timeout_s = timeout_s
        self._doubted = doubted

    async def pages(self, since: Cursor | None) -> AsyncGenerator[Page, None]:
        """All records, or what changed since a cursor. If the stream is another one now, or lost messages from behind
        the cursor: all, and what is not among them is not said to be deleted."""
        began = self._begin()
        connection, stream = await self._subjects.look()
        mark, doubted = _mark(since, stream)
        if doubted:
            self._doubted.add(self._subjects.object)
        if mark is not None:
            news = await self._since(connection, stream, mark)
            if news is not None:
                for page in self._changed(stream, news[0], news[1], began):
                    yield page
                return
        whole = self._subjects.object not in self._doubted
        async with aclosing(self._everything(connection, stream, began, whole=whole)) as pages:
            async for page in pages:
                yield page

    async def find(self, matches: Callable[[Record], bool]) -> list[Record]:
        """Records that match, of all that there are."""
        connection, stream = await self._subjects.look()
        found: list[Record] = []
        async with aclosing(self._everything(connection, stream, self._begin(), whole=False)) as pages:
            async for page in pages:
                found += filter(matches, page.records)
        return found

    async def _since(
        self, connection: Connection, stream: Stream, mark: int
    ) -> tuple[Mapping[Key | None, News], int] | None:
        """The last message of each key since a mark, and the next mark; None: there are too many."""
        consumer = await Consumer.of(
            self._subjects, connection, stream, deliver_policy="by_start_sequence", opt_start_seq=mark + 1
        )
        try:
            last: dict[Key | None, News] = {}
            left, size, mark = consumer.waiting, 0, max(mark, stream.last)
            while left:
                if left > MANY or size > MANY_BYTES:
                    return None
                for news in await self._next(consumer):
                    last[news.key] = news
                    left, size, mark = news.left, size + len(news.data or b""), max(mark, news.sequence)
            return last, mark
        finally:
            await consumer.aclose()

    def _changed(self, stream: Stream, news: Mapping[Key | None, News], mark: int, began: Moment) -> Sequence[Page]:
        told = list(news.values())
        pages = [
            self._page(stream, told[start : start + PAGE], began, tells_gone=True)
            for start in range(0, len(told), PAGE)
        ]
        return [*pages, Page([], began, self._position(stream, mark))]

    async def _everything(
        self, connection: Connection, stream: Stream, began: Moment, *, whole: bool
    ) -> AsyncGenerator[Page, None]:
        """`whole`: what is not listed does not exist."""
        consumer = await Consumer.of(self._subjects, connection, stream, deliver_policy="last_per_subject")
        try:
            # Who changes while we read comes again at the end, and is told by the next pull.
            listed: set[Key | None] = set()
            left = consumer.waiting
            while left:
                news = await self._next(consumer)
                left = news[-1].left
                fresh = [each for each in news if each.key not in listed]
                page = self._page(
                    stream, list({each.key: each for each in fresh}.values()), began, tells_gone=not whole
                )
                listed.update(each.key for each in fresh)
                yield page
        finally:
            await consumer.aclose()
        yield Page([], began, self._position(stream, stream.last), complete=whole)

    def _position(self, stream: Stream, mark: int) -> Cursor:
        return json.dumps([stream.made, mark, self._subjects.object in self._doubted])

    async def _next(self, consumer: Consumer) -> list[News]:
        news = await consumer.next(self._timeout_s)
        if not news:
            raise Transient(f"{self._subjects.place}: the server did not go on with its list in time")
        return news

    def _page(self, stream: Stream, news: Sequence[News], began: Moment, *, tells_gone: bool) -> Page:
        read = [
            Malformed(
                None, f"{self._subjects.object}, sequence {each.sequence}",
                "its subject is not written as that of a key: see the page of the adapter", str(each.sequence).encode(),
            )
            if each.key is None
            else self._states.answer(each.key, each.data, stream.version(each.sequence))
            for each in news
            if each.data is not None
        ]  # fmt: skip
        return Page(
            [row for row in read if isinstance(row, Record)],
            began,
            malformed=[row for row in read if isinstance(row, Malformed)],
            gone=[each.key for each in news if each.data is None and each.key is not None] if tells_gone else (),
        )


async def listen(subjects: Subjects) -> AsyncGenerator[Hint, None]:
    """A hint at once, and one for each message once it is stored. Raises `Transient` when the connection is lost."""
    connection, stream = await subjects.look()
    consumer = await Consumer.of(subjects, connection, stream, deliver_policy="new", headers_only=True)
    try:
        yield Hint()
        while True:
            for key in {news.key for news in await consumer.next(LONG_POLL_S)}:
                yield Hint(key)
    finally:
        await consumer.aclose()


def _mark(since: Cursor | None, stream: Stream) -> tuple[int | None, bool]:
    """The sequence in a cursor, None if the stream cannot go on from it; and whether the stream is to be doubted."""
    if since is None:
        return None, False
    try:
        made, mark, doubted = json.loads(since)
    except ValueError:
        return None, True
    if made != stream.made or not stream.first - 1 <= mark <= stream.last:
        return None, True
    return mark, doubted
