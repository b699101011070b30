"""The hot test on streams of real servers: somebody sends whole records, and knows of nobody else."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.hot_stores import Kind, Store, mail, people
from tests.servers import nats, rabbitmq, redis

_numbers = itertools.count(1)


class Stream(Store):
    """A stream of people, and a program that sends what it has. Write `lines`, `send` and `last`."""

    def __init__(self, at: Path, name: str) -> None:
        super().__init__(at, name)
        self.object = f"hot_{os.getpid()}_{next(_numbers)}"
        self.link = (
            f'object = "{self.object}"',
            'key = "id"',
            "live = true",
            'map = { email = "email", city = "city" }',
        )

    async def send(self, states: Mapping[str, bytes]) -> None:
        raise NotImplementedError

    async def last(self) -> Mapping[str, bytes | None]:
        """The last state of each key."""
        raise NotImplementedError

    async def make(self, persons: int) -> None:
        await self.send({str(n): _state(str(n), "start") for n in people(persons)})

    async def edit(self, key: str, city: str) -> None:
        await self.send({key: _state(key, city)})

    async def cities(self) -> list[str]:
        last = await self.last()
        return [json.loads(last[str(n)] or b"")["city"] for n in people(len(last))]


class Nats(Stream):
    """A stream of JetStream."""

    def __init__(self, at: Path, name: str, *, server: nats.Server) -> None:
        super().__init__(at, name)
        self._streams = nats.Streams(server)

    @property
    def lines(self) -> list[str]:
        login = f'user = "{nats.USER}"\npassword = "{nats.PASSWORD}"'
        return ['adapter = "nats"', f'url = "{self._streams.server.url}"', login]

    async def make(self, persons: int) -> None:
        await self._streams.make(self.object)
        await super().make(persons)

    async def send(self, states: Mapping[str, bytes]) -> None:
        await self._streams.put({f"{self.object}.{key}": state for key, state in states.items()})

    async def last(self) -> Mapping[str, bytes | None]:
        return await self._streams.all_last(self.object)


class Redis(Stream):
    """A stream of Redis."""

    def __init__(self, at: Path, name: str, *, server: redis.Server) -> None:
        super().__init__(at, name)
        self._server = server

    @property
    def lines(self) -> list[str]:
        login = f'user = "{redis.USER}"\npassword = "{redis.PASSWORD}"'
        return ['adapter = "redis"', f'url = "{self._server.url}"', login]

    async def send(self, states: Mapping[str, bytes]) -> None:
        self._server.send(states, self.object)

    async def last(self) -> Mapping[str, bytes | None]:
        return self._server.last(self.object)


class Rabbit(Stream):
    """A stream of RabbitMQ."""

    pace_s = 0.05

    def __init__(self, at: Path, name: str) -> None:
        super().__init__(at, name)
        self._server = rabbitmq.found()
        self._server.stream = self.object

    @property
    def lines(self) -> list[str]:
        return ['adapter = "amqp"', f'url = "{self._server.url}"']

    async def make(self, persons: int) -> None:
        await self._server.make()
        await super().make(persons)

    async def send(self, states: Mapping[str, bytes]) -> None:
        await self._server.send(states)

    async def last(self) -> Mapping[str, bytes | None]:
        try:
            return await self._server.last()
        finally:
            await self._server.drop()


def on_nats(server: nats.Server) -> Kind:
    return partial(Nats, server=server)


def on_redis(server: redis.Server) -> Kind:
    return partial(Redis, server=server)


def _state(key: str, city: str) -> bytes:
    return json.dumps({"id": key, "email": mail(int(key)), "city": city}).encode()
