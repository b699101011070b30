"""Scratch: an object in a real system that is made for the suite, and removed at the end.

A kind of system says how by `AdapterKind.stage`: a function, mostly a class, that takes a `Site` and gives a `Stage`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import anyio
import msgspec

from datasyncd.adapters.contract import (
    Adapter,
    Context,
    Key,
    Moment,
    Native,
    ObjectSpec,
    Outcome,
    Stale,
    Write,
    Written,
)
from datasyncd.adapters.errors import Transient, Unsupported
from datasyncd.adapters.registry import AdapterKind

from .desk import records
from .renamed import Renamed, renamed
from .stage import COLUMNS, Stage

PREFIX = "datasyncd_certify_"
TRIES = 20
"""So often a second connection writes that somebody came before."""


class Site(msgspec.Struct, frozen=True):
    """Where a scratch object is made: a system as it is configured, and a name that nothing there has."""

    kind: AdapterKind
    options: Any
    """Of the kind's own type."""
    base: Path
    """Folder that relative paths in the options are relative to."""
    system: str = "certify"
    """Name of the system in the config."""
    object: str = ""
    """Name of the scratch object."""

    @classmethod
    def of(cls, kind: AdapterKind, options: Any, base: Path, system: str = "certify") -> Site:
        """A site with a new name."""
        return cls(kind, options, base, system, f"{PREFIX}{secrets.token_hex(4)}")

    def open(self, spec: ObjectSpec, names: Mapping[str, str] = {}, options: Any = None) -> Adapter:
        """An adapter of this kind for the scratch object, which the suite sees by its own names.

        `names`: the suite's name of a field -> the system's, where they differ; `options`: others than configured.
        """
        begun: Iterator[int] = count(1)
        told = renamed(spec, self.object, names)
        context = Context(
            self.system, self.base, lambda: Moment(next(begun), time.time_ns() // 1000), {self.object: told}
        )
        return Renamed(self.kind.open(context, self.options if options is None else options), self.object, names)


class Scratch(Stage):
    """A stage on a scratch object. Write `make`, `remove`, and what somebody else does; see `Stage`."""

    somebody: ClassVar[str] = "another connection"
    """Who somebody else is, for people."""
    names: ClassVar[Mapping[str, str]] = {}
    """The suite's name of a field -> the system's, where the system has names of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.options = site.options
        """What the adapter is opened with; `make` may point them at what it has made."""
        self.made = f"{site.kind.name} object {site.object}"

    def open(self, spec: ObjectSpec) -> Adapter:
        return self.site.open(spec, self.names, self.options)


class SecondConnection(Scratch):
    """A stage on which somebody else is a second adapter of the same kind, where there is no other way in.

    It finds less than another program would: what both do wrong in the same way is not seen.
    """

    somebody = "a second connection by the same adapter"
    columns: ClassVar[Sequence[str]] = COLUMNS[1:]
    """All fields of the object but the key."""
    _second: Adapter | None = None

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        await self._push([Write("create", key, dict(fields), idem_key=key) for key, fields in records.items()])

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        await self._push([Write("update", key, dict(fields))])

    async def delete(self, key: Key) -> None:
        await self._push([Write("delete", key)])

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        return dict(sorted((await records(self.other(), "people")).items()))

    async def remove(self) -> None:
        """Close the second adapter; extend it by the removal of the object."""
        if self._second is not None:
            await self._second.aclose()
            self._second = None

    def other(self) -> Adapter:
        """Somebody else's adapter."""
        if self._second is None:
            self._second = self.open(ObjectSpec("people", "id", tuple(self.columns)))
        return self._second

    async def _push(self, writes: Sequence[Write]) -> None:
        size = self.other().capabilities("people").batch or len(writes)
        for start in range(0, len(writes), size):
            rest = list(writes[start : start + size])
            for _ in range(TRIES):
                outcomes: Sequence[Outcome] = await self.other().push("people", rest)
                odd = [outcome for outcome in outcomes if not isinstance(outcome, Written | Stale)]
                if odd:
                    raise Unsupported(f"somebody else's write is answered {odd[0]}")
                rest = [write for write, done in zip(rest, outcomes, strict=True) if isinstance(done, Stale)]
                if not rest:
                    break
                await anyio.sleep(0.01)
            else:
                raise Transient("somebody else does not get to write")


class NoStage(Exception):
    """A kind does not say how a scratch object is made. The text says what to add."""


def staged(kind: AdapterKind, options: Any, base: Path, system: str = "certify") -> Scratch:
    """A stage of this kind on a scratch object with a new name. Raises `NoStage`.

    Relative paths in the options are relative to `base`.
    """
    if kind.stage is None:
        raise NoStage(
            f"the adapter {kind.name!r} does not say how a scratch object is made, so that it cannot be certified; "
            "its `AdapterKind` needs a `stage`, a subclass of `datasyncd.adapters.testing.Scratch`"
        )
    return kind.stage(Site.of(kind, options, base, system))
