"""A proxy between a client and a server on this machine: a network that loses, cuts and delays what is said.

It hears one fault at a time, which befalls the first request that has its words, and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

How: TypeAlias = Literal["request lost", "answer lost", "half an answer", "request late", "answer late", "silence"]
"""`request lost`      the connection ends before the request reaches the server
`answer lost`       the server has done what it was asked, and the connection ends before it can say so
`half an answer`    the connection ends within the answer
`request late`      the request reaches the server only later, also if its client has gone meanwhile
`answer late`       the answer reaches the client only later
`silence`           nothing is heard any more, in no direction, and nobody hangs up"""


@dataclass
class Fault:
    """What befalls one request."""

    how: How
    words: bytes = b""
    """What the request says; any request does if this is empty."""
    nth: int = 1
    """Which of the requests that say so, on all connections together."""
    seconds: float = 0.0
    """How late."""


class Proxy:
    """Forwards to a port of this machine. Everything here may be set from other threads."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.fault: Fault | None = None
        """What is to happen next; None again once it has begun."""
        self._target = target
        self._refusing = False
        self._loop = asyncio.get_running_loop()
        self._calls: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """End all connections, and take no more until `mend`."""
        self._refusing = True
        self._soon(self._end_calls)

    def mend(self) -> None:
        self._refusing = False

    def meets(self, request: bytes) -> Fault | None:
        """The fault that befalls this request, if one does."""
        fault = self.fault
        if fault is None or fault.words not in request:
            return None
        fault.nth -= 1
        if fault.nth > 0:
            return None
        self.fault = None
        return fault

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, from its first byte to its end."""
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            if not self._refusing:
                with contextlib.suppress(OSError):  # the server is not there
                    await _Call(self, reader, writer).run(self._target)
        finally:
            self._calls.discard(call)
            writer.close()

    async def aclose(self) -> None:
        self._end_calls()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _end_calls(self) -> None:
        for call in list(self._calls):
            call.cancel()

    def _soon(self, work: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(work)


class _Call:
    """One connection, both ways."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._fault: Fault | None = None

    async def run(self, port: int) -> None:
        reader, writer = self._client
        there, back = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(self._ask(reader, back)), asyncio.create_task(self._answer(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            try:
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                for sink in (back, writer):
                    sink.close()

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(65_536):
            fault = self._proxy.meets(data)
            if fault is not None:
                self._fault = fault
            how = self._fault.how if self._fault is not None else None
            if how == "request lost":
                return
            if how == "silence":
                continue
            if fault is not None and how == "request late":
                await asyncio.sleep(fault.seconds)
            server.write(data)
            await server.drain()

    async def _answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(65_536):
            fault, how = self._fault, self._fault.how if self._fault is not None else None
            if how == "answer lost":
                return
            if how == "silence":
                continue
            if how == "half an answer":
                client.write(data[: len(data) // 2])
                await client.drain()
                return
            if fault is not None and how == "answer late":
                self._fault = None
                await asyncio.sleep(fault.seconds)
            client.write(data)
            await client.drain()


@asynccontextmanager
async def between(target: int) -> AsyncIterator[Proxy]:
    """A proxy to a port of this machine."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()


@contextmanager
def between_in_a_thread(target: int) -> Iterator[Proxy]:
    """The same for tests that have no event loop."""
    made: list[Proxy] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def work() -> None:
        async with between(target) as proxy:
            made.append(proxy)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
