"""A desk to try an adapter at: a context whose begin counts, and short words for pulls and reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Context, Malformed, Moment, ObjectSpec, Page, Record

NOON = 1_750_000_000_000_000
"""The daemon's clock at the first reading, in microseconds."""


def context(base: Path, *specs: ObjectSpec) -> Context:
    """What the daemon would give to a system named `desk`."""
    counter: Iterator[int] = count(1)

    def begin() -> Moment:
        seq = next(counter)
        return Moment(seq, NOON + seq)

    return Context("desk", base, begin, {spec.object: spec for spec in specs})


@asynccontextmanager
async def opened(kind: str, base: Path, *specs: ObjectSpec, **options: Any) -> AsyncIterator[Adapter]:
    """An adapter of this kind, closed at the end."""
    found = registry.find(kind)
    adapter = found.open(context(base, *specs), found.options(**options))
    try:
        yield adapter
    finally:
        await adapter.aclose()


async def pages(adapter: Adapter, object: str, since: str | None = None) -> list[Page]:
    """All pages of a pull."""
    return [page async for page in adapter.pull(object, since)]


async def records(adapter: Adapter, object: str, since: str | None = None) -> dict[str, dict[str, Any]]:
    """Key -> fields of all records of a pull."""
    return {r.key: r.fields for page in await pages(adapter, object, since) for r in page.records}


async def malformed(adapter: Adapter, object: str) -> list[Malformed]:
    """What a complete pull could not read."""
    return [row for page in await pages(adapter, object) for row in page.malformed]


async def one(adapter: Adapter, object: str, key: str) -> Record:
    """The record of this key, which is there."""
    (found,) = await adapter.read(object, [key])
    assert isinstance(found, Record)
    return found
