"""A proxy between a client and a server, which can swallow what the client says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Forwards bytes to a port of this machine, until it hears the words that it was told to swallow."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.swallow: bytes | None = None
        """From these words on, nothing that this client says reaches the server, and it hears nothing either."""
        self.swallowed = 0
        self.calls: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (call := asyncio.current_task()) is not None:
            self.calls.add(call)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        silent = asyncio.Event()

        async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, listens: bool) -> None:
            while data := await source.read(65_536):
                if listens and self.swallow is not None and self.swallow in data:
                    self.swallowed += 1
                    silent.set()
                if not silent.is_set():
                    sink.write(data)
                    await sink.drain()

        async with asyncio.TaskGroup() as tasks:
            ways = [
                tasks.create_task(forward(reader, back, listens=True)),
                tasks.create_task(forward(there, writer, listens=False)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            for sink in (back, writer):
                sink.close()


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
        await asyncio.gather(*proxy.calls, return_exceptions=True)
