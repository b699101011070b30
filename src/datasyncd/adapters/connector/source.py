"""Source: what a connector that reads can be asked, in the words that its protocols have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from datasyncd.adapters.number import number

State: TypeAlias = Any
"""Where an incremental run has come to: JSON, made and understood by the connector alone."""


class Stream(msgspec.Struct, frozen=True):
    """One stream, as the connector's catalogue has it."""

    name: str
    fields: tuple[str, ...]
    """Names of its fields, as its JSON schema says."""
    entry: Mapping[str, Any]
    """Its entry in the catalogue."""
    full: bool = True
    """It can be read whole."""
    cursors: tuple[str, ...] | None = None
    """The fields that increments can go by; None: any."""


class Row(msgspec.Struct, frozen=True):
    """One record."""

    fields: Mapping[str, Any]
    deleted: bool = False
    """The connector says that there is no such record any more."""


class Position(msgspec.Struct, frozen=True):
    """All rows before this one are behind this state."""

    state: State


class Replaced(msgspec.Struct, frozen=True):
    """Everything is sent anew, and what is not is deleted; `version`: another one each time."""

    version: int


Event: TypeAlias = Row | Position | Replaced


class Source(Protocol):
    """A connector that reads."""

    async def streams(self) -> Mapping[str, Stream]:
        """By name. Raises `Transient`, `Unauthorised`, `Unsupported`."""
        ...

    def run(
        self, stream: Stream, fields: Sequence[str] | None, cursor: str | None, state: State
    ) -> AsyncIterator[Event]:
        """Read a stream: whole (`cursor` None), or what changed since a state (None: from the start).

        `fields`: those that are wanted; None: all. When it ends without an error, all was read.
        """
        ...

    async def aclose(self) -> None:
        """End all runs."""
        ...


def names_in(schema: Any) -> tuple[str, ...]:
    """The names of an object's fields, as a JSON schema says."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(properties) if isinstance(properties, dict) else ()


decoded = msgspec.json.Decoder(float_hook=number).decode
"""A line as JSON, with all digits of its numbers."""
