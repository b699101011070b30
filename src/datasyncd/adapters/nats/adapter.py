"""The adapter of NATS JetStream: the contract, over streams that hold the last state of each record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated

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
from datasyncd.adapters.streams.reading import in_parallel
from datasyncd.adapters.streams.state import States, matching

from .reading import Pulling, listen
from .scratch import NatsScratch
from .session import session_of
from .stream import Subjects
from .writing import AT_ONCE, Push

LATE_S = 300.0
"""Longest time after we gave up in which a server may still store a message."""
BATCH = 500

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class NatsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "nats"`."""

    url: Annotated[str, msgspec.Meta(examples=["nats://127.0.0.1:4222"])]
    """The server: `tls://HOST:PORT`, or `nats://` for one of this machine; the subjects of its records begin with the
    `object` of a link."""
    user: str = ""
    """Who the daemon is there."""
    password: str = ""
    """Of that user, usually as a credential."""
    token: str = ""
    """In the place of user and password, where the server wants one."""
    ca: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """File with the certificate of the authority that vouches for the server; else those of this machine count."""
    unencrypted: bool = False
    """`nats://` is taken for a server that is not this machine: everybody on the way can read the
    password, and all records."""
    empty_is_complete: bool = False
    """A stream that lost all its messages is one without records; else it stops its links."""
    missing_is_blank: bool = False
    """A name that a message lacks is a blank field; else it says nothing, and what was never there is not filled."""
    timeout_s: Seconds = 10.0
    """How long to wait for an answer."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __post_init__(self) -> None:
        if why := fault(self.url, "nats", "tls", unencrypted=self.unencrypted):
            raise OptionError("url", why)
        if self.token and (self.user or self.password):
            raise OptionError("token", "a server wants a token, or a user and a password")

    def __repr__(self) -> str:
        return "NatsOptions(...)"


class NatsAdapter:
    """Streams of one server."""

    def __init__(self, context: Context, options: NatsOptions) -> None:
        self._context = context
        self._options = options
        self._session = session_of(context.system, context.base, options)
        self._doubted: set[str] = set()

    def capabilities(self, object: str) -> Capabilities:
        """What sequences of messages promise."""
        return Capabilities(
            condition=Condition.ENFORCED,
            # Sequences count, but begin anew in a stream that was made anew or restored.
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
        """The mapped fields, once the server has said that a stream holds the object."""
        await self._subjects(object).look()
        return Schema(object, self._states(object).columns())

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, or those that changed since a cursor; see `reading.Pulling`."""
        async with aclosing(self._pulling(object).pages(since)) as pages:
            async for page in pages:
                yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, as the leader of the stream has them."""
        subjects, states = self._subjects(object), self._states(object)
        if not keys:
            return []
        connection, stream = await subjects.look()

        async def one(key: Key) -> Answer:
            held = await subjects.last(connection, stream, key)
            if held is None and object in self._doubted and subjects.subject(key) is not None:
                return states.vanished(key)
            return Gone(key) if held is None or held.data is None else states.answer(key, held.data, held.version)

        return await in_parallel(one, keys, AT_ONCE)

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records by a value, looked for among all. Texts with an @ are compared without case."""
        spec = self._spec(object)
        if field not in spec.columns:
            raise NotFound(f"{self._context.system}: {object!r} has no field {field!r} in the map")
        return await self._pulling(object).find(matching(field, values))

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes, many at once; see `writing.Push`."""
        if not writes:
            return []
        return await Push(self._subjects(object), self._states(object), writes).run()

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint for each message, once it is stored."""
        async with aclosing(listen(self._subjects(object))) as hints:
            async for hint in hints:
                yield hint

    async def aclose(self) -> None:
        """Close the connection; a call that runs is cut short."""
        await self._session.aclose()

    def _pulling(self, object: str) -> Pulling:
        return Pulling(
            self._subjects(object), self._states(object), self._context.begin,
            timeout_s=self._options.timeout_s, doubted=self._doubted,
        )  # fmt: skip

    def _subjects(self, object: str) -> Subjects:
        return Subjects(self._session, object, self._options.empty_is_complete)

    def _states(self, object: str) -> States:
        return States(self._spec(object), self._options.missing_is_blank)

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the subjects {object!r}") from None


KIND = AdapterKind(
    name="nats",
    options=NatsOptions,
    open=NatsAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=NatsScratch,
)
