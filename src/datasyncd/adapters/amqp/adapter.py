"""The adapter of RabbitMQ streams: a log whose last message of a key is its record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from datasyncd.adapters.address import fault
from datasyncd.adapters.contract import Context, Hint, Schema
from datasyncd.adapters.errors import OptionError, Transient
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.adapters.streams.log_adapter import LogAdapter

from .scratch import AmqpScratch
from .session import Lost, Session, StreamLog

LONG_POLL_S = 5.0

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class AmqpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "amqp"`."""

    url: Annotated[str, msgspec.Meta(examples=["amqp://127.0.0.1:5672"])]
    """The server: `amqps://HOST:PORT/VHOST`, or `amqp://` for one of this machine; an `object` is a stream queue."""
    user: str = "guest"
    """Who the daemon is there."""
    password: str = "guest"
    """Of that user, usually as a credential."""
    ca: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """File with the certificate of the authority that vouches for the server; else those of this machine count."""
    unencrypted: bool = False
    """`amqp://` is taken for a server that is not this machine: everybody on the way can read password and records."""
    cut_is_complete: bool = False
    """What a stream has lost at its begin is of no record that is there."""
    missing_is_blank: bool = False
    """A name that a message lacks is a blank field; else it says nothing, and what was never there is not filled."""
    timeout_s: Seconds = 10.0
    """How long to wait for an answer."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __post_init__(self) -> None:
        if why := fault(self.url, "amqp", "amqps", unencrypted=self.unencrypted, path="/VHOST"):
            raise OptionError("url", why)

    def __repr__(self) -> str:
        return "AmqpOptions(...)"


class AmqpAdapter(LogAdapter):
    """Streams of one server."""

    largest = 4 * 1024 * 1024

    def __init__(self, context: Context, options: AmqpOptions) -> None:
        self._session = Session(context.system, context.base, options)
        super().__init__(context, self._log, self._session.place, options.missing_is_blank, options.cut_is_complete)

    async def describe(self, object: str) -> Schema:
        """The mapped fields, once the server has said that there is a stream."""
        columns = self._states(object).columns()
        try:
            await self._log(object).look()
        except Lost as lost:
            raise Transient(f"{self._session.place}: the server did not answer ({lost})") from None
        return Schema(object, columns)

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """A hint for each message of a record."""
        self._spec(object)
        log = self._log(object)
        try:
            await log.begin("next")
            yield Hint()
            while True:
                for key in {entry.key for entry in await log.soon(LONG_POLL_S) if entry.key is not None}:
                    yield Hint(key)
        finally:
            await log.leave()

    async def aclose(self) -> None:
        """Close the connection; a call that runs is cut short."""
        await self._session.aclose()

    def _log(self, object: str) -> StreamLog:
        return StreamLog(self._session, object)


KIND = AdapterKind(
    name="amqp",
    options=AmqpOptions,
    open=AmqpAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=AmqpScratch,
)
