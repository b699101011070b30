"""The RabbitMQ server of this machine, where one runs: a stream a test, gone at the end."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from tests.servers.mysql import needed

HOST, PORT = "127.0.0.1", 5672
"""Where it is looked for."""
USER, PASSWORD = "guest", "guest"
_numbers = itertools.count(1)


class Server:
    """The server, and somebody else who works with one stream of it."""

    def __init__(self) -> None:
        self.stream = f"datasyncd_test_{os.getpid()}_{next(_numbers)}"

    @property
    def url(self) -> str:
        return f"amqp://{HOST}:{PORT}"

    def options(self, **more: Any) -> dict[str, Any]:
        """What a config says of the server."""
        return {"url": self.url, "user": USER, "password": PASSWORD, **more}

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """Somebody else's."""
        async with await aio_pika.connect(host=HOST, port=PORT, login=USER, password=PASSWORD) as connection:
            yield await connection.channel()

    async def make(self, **arguments: Any) -> None:
        """The stream, empty."""
        async with self.channel() as channel:
            await channel.declare_queue(self.stream, durable=True, arguments={"x-queue-type": "stream", **arguments})

    async def send(self, states: Mapping[str, bytes | None]) -> None:
        """Messages by their keys; None: a tombstone."""
        async with self.channel() as channel:
            for key, state in states.items():
                message = aio_pika.Message(state or b"", headers={"key": key})
                await channel.default_exchange.publish(message, self.stream)

    async def last(self) -> dict[str, bytes]:
        """The last message of each key, as the stream tells it; empty: a tombstone."""
        end = secrets.token_hex(8)
        await self.send({end: b""})
        found: dict[str, bytes] = {}
        async with self.channel() as channel:
            await channel.set_qos(100)
            queue = await channel.get_queue(self.stream, ensure=False)
            async with queue.iterator(arguments={"x-stream-offset": "first"}, timeout=10) as messages:
                async for message in messages:
                    await message.ack()
                    key = message.headers.get("key")
                    if key == end:
                        break
                    if key is not None:
                        found[str(key)] = message.body
        return {key: data for key, data in found.items() if len(key) != len(end) or data}

    async def drop(self) -> None:
        async with self.channel() as channel:
            await channel.queue_delete(self.stream)


def found() -> Server:
    """The server; where none runs the test is skipped, but not in CI."""
    try:
        socket.create_connection((HOST, PORT), 2).close()
    except OSError as error:
        needed(f"no RabbitMQ server at {HOST}:{PORT} ({type(error).__name__}); start one that knows guest")
    return Server()
