"""Scratch: what the stages of streams have in common for the conformance suite."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from datasyncd.adapters.contract import Key, Native
from datasyncd.adapters.testing.scratch import Scratch

_state = msgspec.json.Decoder(dict[str, Native]).decode


class StreamScratch(Scratch):
    """A stream of people. Write `make`, `remove`, `send` and `last`."""

    somebody = "another program that sends messages"

    async def send(self, states: Mapping[Key, bytes | None]) -> None:
        """Somebody else's messages, one a key; None: a tombstone."""
        raise NotImplementedError

    async def last(self) -> Mapping[Key, bytes | None]:
        """The last message of each key, as somebody else reads the stream."""
        raise NotImplementedError

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        await self.send({key: msgspec.json.encode({"id": key, **fields}) for key, fields in records.items()})

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        await self.insert({key: {**(await self.holds())[key], **fields}})

    async def delete(self, key: Key) -> None:
        await self.send({key: None})

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        last = await self.last()
        return {key: _state(state) for key, state in sorted(last.items()) if state is not None}

    def bad(self) -> dict[str, Native]:
        return {"amount": b"no JSON"}
