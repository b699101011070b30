"""The adapter of Redis streams: the contract, over streams whose last entries of a key are its record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from datasyncd.adapters.address import fault
from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Gone,
    Hint,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import NotFound, OptionError
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.streams.state import States, matching

from .fold import Fold, fits
from .reading import Pulling, listen
from .scratch import RedisScratch
from .session import Session
from .writing import Push

LATE_S = 300.0
"""Longest time after we gave up in which a server may still carry out a call."""
BATCH = 500

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class RedisOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "redis"`."""

    url: Annotated[str, msgspec.Meta(examples=["redis://127.0.0.1:6379"])]
    """The server: `rediss://HOST:PORT/DATABASE`, or `redis://` for one of this machine; an `object` is a stream."""
    user: str = ""
    """Who the daemon is there; "": the server's default user."""
    password: str = ""
    """Of that user, usually as a credential."""
    ca: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """File with the certificate of the authority that vouches for the server; else those of this machine count."""
    unencrypted: bool = False
    """`redis://` is taken for a server that is not this machine: everybody on the way can read password and records."""
    trimmed_is_complete: bool = False
    """What had been taken out of a stream before the daemon first read it is of no record that is there."""
    missing_is_blank: bool = False
    """A name that an entry lacks is a blank field; else it says nothing, and what was never there is not filled."""
    timeout_s: Seconds = 10.0
    """How long to wait for an answer."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __post_init__(self) -> None:
        if why := fault(self.url, "redis", "rediss", unencrypted=self.unencrypted, path="/DATABASE"):
            raise OptionError("url", why)
        number = urlsplit(self.url).path.strip("/")
        if number and not (number.isascii() and number.isdigit() and len(number) <= 5):
            raise OptionError("url", "a database has a number; expected rediss://HOST:PORT/NUMBER")
        if self.user and not self.password:
            raise OptionError("password", "a user has one")

    def __repr__(self) -> str:
        return "RedisOptions(...)"


class RedisAdapter:
    """Streams of one server."""

    def __init__(self, context: Context, options: RedisOptions) -> None:
        self._context = context
        self._options = options
        self._session = Session(context.system, context.base, options)
        self._folds: dict[str, Fold] = {}

    def capabilities(self, object: str) -> Capabilities:
        """What the fold promises, which the server keeps in one step with the stream."""
        return Capabilities(
            condition=Condition.ENFORCED,
            # IDs begin anew in a stream that was made anew or restored.
            version_order=VersionOrder.UNIQUE,
            returns_image=True,
            late_s=LATE_S,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.TOLD,
            incremental=True,
            watches=True,
            batch=BATCH,
        )

    async def describe(self, object: str) -> Schema:
        """The mapped fields. A stream that is not there has no records, and is made by the first write."""
        known = await self._fold(object).look()
        return Schema(object, self._states(object).columns(), absent=not known.added)

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, or those that changed since a cursor; see `reading.Pulling`."""
        async with aclosing(self._pulling(object).pages(since)) as pages:
            async for page in pages:
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, in one call."""
        fold, states = self._fold(object), self._states(object)
        if not keys:
            return []
        found = await fold.read([key for key in keys if fits(key)])
        whole = self._options.trimmed_is_complete or (fold.known is not None and bool(fold.known.whole))

        def one(key: Key) -> Answer:
            held = found.get(key)
            if held is None and not whole and fits(key):
                return states.vanished(key)
            return Gone(key) if held is None or held.data is None else states.answer(key, held.data, held.version)

        return list(map(one, keys))

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records by a value, looked for among all. Texts with an @ are compared without case."""
        spec = self._spec(object)
        if field not in spec.columns:
            raise NotFound(f"{self._context.system}: {object!r} has no field {field!r} in the map")
        return await self._pulling(object).find(matching(field, values))

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes in two calls; see `writing.Push`."""
        if not writes:
            return []
        return await Push(self._fold(object), self._states(object), writes).run()

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint for each entry."""
        async with aclosing(listen(self._session, self._fold(object))) as hints:
            async for hint in hints:
                yield hint

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        await self._session.aclose()

    def concerns(self) -> Sequence[str]:
        """Entries that nobody folded, and entries that say nothing."""
        found = []
        for fold in self._folds.values():
            if fold.known is not None and fold.known.lost:
                found.append(
                    f"{fold.place}: {fold.known.lost} entries were taken out of the stream before they were read: let "
                    "who writes it send all records again, and keep entries for longer than the daemon may stand still"
                )
            if fold.known is not None and fold.known.unread:
                found.append(
                    f"{fold.place}: {fold.known.unread} entries had no `key`, or neither `data` nor `tombstone`: see "
                    "who writes them"
                )
        return found

    def figures(self) -> Mapping[str, int]:
        """How many entries all streams had, were lost, and said nothing."""
        known = [fold.known for fold in self._folds.values() if fold.known is not None]
        return {
            "added_entries": sum(each.added for each in known),
            "lost_entries": sum(each.lost for each in known),
            "unread_entries": sum(each.unread for each in known),
        }

    def _pulling(self, object: str) -> Pulling:
        return Pulling(self._fold(object), self._states(object), self._context.begin, self._options.trimmed_is_complete)

    def _fold(self, object: str) -> Fold:
        if object not in self._folds:
            self._folds[object] = Fold(self._session, object)
        return self._folds[object]

    def _states(self, object: str) -> States:
        return States(self._spec(object), self._options.missing_is_blank)

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the stream {object!r}") from None


KIND = AdapterKind(
    name="redis",
    options=RedisOptions,
    open=RedisAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=RedisScratch,
)
