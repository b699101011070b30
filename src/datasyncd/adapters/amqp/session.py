"""The session of one system: a connection, and the streams that are read and published to on it.

Nothing is sent again by itself, and no connection is mended. The client library comes with the extra `amqp`, and is
imported when a connection is first wanted.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import anyio

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.streams.calls import Calls, CutShort
from datasyncd.adapters.streams.log import Append, Entry
from datasyncd.adapters.streams.reading import in_parallel

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

PORT, PORT_TLS = 5672, 5671
PREFETCH = 500
"""Messages that the server sends ahead."""
AT_ONCE = 64
"""Messages that are published at once."""
MARK, KEY = "datasyncd", "key"
"""Headers of messages: what the daemon sent one with, and whose record it is."""
_STREAM = {"x-queue-type": "stream"}


class Lost(Exception):
    """It was sent, and no answer came: whether it had an effect is not known."""


class Configured(Protocol):
    """What the options of a system say of its server."""

    @property
    def url(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def ca(self) -> str | None: ...
    @property
    def connect_s(self) -> float: ...
    @property
    def timeout_s(self) -> float: ...


class Session:
    """The connection of one system."""

    def __init__(self, system: str, base: Path, options: Configured) -> None:
        """`base`: the folder that `ca` is relative to."""
        self._options = options
        self._authority = None if options.ca is None else base / options.ca
        self._opening = anyio.Lock()
        self._connection: AbstractConnection | None = None
        self._closed = False
        self.calls = Calls()
        self.timeout_s = options.timeout_s
        parts = urlsplit(options.url)
        self._tls = parts.scheme == "amqps"
        self._host, self._port = parts.hostname or "", parts.port or (PORT_TLS if self._tls else PORT)
        self._vhost = unquote(parts.path.removeprefix("/"))
        self.place = f"{system}: {self._host}:{self._port}"
        """Names the system and its server in error texts."""

    async def channel(self, confirms: bool) -> AbstractChannel:
        """A new channel. Raises `Unreachable`, `Unauthorised`, `Unsupported` without the library."""
        async with self._opening:
            if self._closed:
                raise Transient(f"{self.place}: it was closed")
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._opened()
            connection = self._connection
        opened: AbstractChannel = await self.run(_channel_of(connection, confirms))
        return opened

    async def run(self, work: Any) -> Any:
        """What is answered. Raises `Lost`, and the errors of a call for what had no effect."""
        from aiormq import exceptions

        try:
            with anyio.fail_after(self.timeout_s):
                return await self.calls.run(work)
        except CutShort:
            raise Lost("the connection broke") from None
        except exceptions.ChannelAccessRefused:
            raise Unauthorised(f"{self.place}: the server does not allow this user to do that") from None
        except exceptions.ChannelNotFoundEntity:
            raise NotFound(f"{self.place}: there is no such queue; see `object`") from None
        except exceptions.ChannelPreconditionFailed as error:
            raise Unsupported(
                f"{self.place}: that is no stream queue, or one that is set otherwise ({_said(error)}); it is expected "
                "to be durable, with x-queue-type = stream and nothing else"
            ) from None
        except (exceptions.AMQPError, OSError, TimeoutError, RuntimeError) as error:
            raise Lost(type(error).__name__) from None

    async def aclose(self) -> None:
        """Close the connection; a call that runs is cut short."""
        self._closed = True
        self.calls.cut()
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await connection.close()

    async def _opened(self) -> AbstractConnection:
        try:
            import aio_pika
            from aio_pika import exceptions
        except ImportError:
            raise Unsupported("RabbitMQ needs one more package: pip install 'datasyncd[amqp]'") from None
        context = self._trust()
        options = self._options
        try:
            with anyio.fail_after(options.connect_s):
                connection = await self.calls.run(
                    aio_pika.connect(
                        host=self._host, port=self._port, login=options.user, password=options.password,
                        virtualhost=self._vhost or "/", ssl=self._tls, ssl_context=context,
                        client_properties={"connection_name": "datasyncd"},
                    )
                )  # fmt: skip
        except CutShort:
            raise Transient(f"{self.place}: it was closed") from None
        except (exceptions.ProbableAuthenticationError, exceptions.AuthenticationError):
            raise Unauthorised(
                f"{self.place}: the server does not let this user in; see `user` and `password`"
            ) from None
        except (exceptions.AMQPError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from None
        connection.close_callbacks.add(self._broken)
        return connection

    def _broken(self, *_: object) -> None:
        self._connection = None
        self.calls.cut()

    def _trust(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        try:
            return ssl.create_default_context(cafile=None if self._authority is None else str(self._authority))
        except (OSError, ssl.SSLError):
            raise Unreachable(f"{self.place}: there is no certificate of an authority where `ca` says") from None

    def _unreachable(self, error: BaseException) -> AdapterError:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unreachable(f"{self.place}: its certificate is not trusted; see that it is valid, and `ca`")
        if type(error).__name__ == "InvalidFrameError":
            return Unauthorised(
                f"{self.place}: the server ends the connection at once; see that there is the virtual host that stands "
                "behind the host in `url`, and that this user may use it"
            )
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.place}: the server does not answer; see that it runs, and that `url` is right")
        return Unreachable(f"{self.place}: it cannot be reached; see that the server runs, and that `url` is right")


async def _channel_of(connection: AbstractConnection, confirms: bool) -> AbstractChannel:
    return await connection.channel(publisher_confirms=confirms)


class StreamLog:
    """A stream queue, read from a place on."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name
        self.place = f"{session.place}: {name}"
        self._consumer: AbstractChannel | None = None
        self._publisher: AbstractChannel | None = None
        self._came: list[AbstractIncomingMessage] = []
        self._some = anyio.Event()

    @property
    def is_read(self) -> bool:
        """Whether there is a channel for that."""
        return self._consumer is not None and not self._consumer.is_closed

    async def look(self) -> None:
        """See that there is such a queue, and that it is a stream which keeps everything. Raises `NotFound`,
        `Unsupported`."""
        await self._declare(passive=True)
        await self._declare(passive=False)

    async def make(self) -> None:
        """Make the queue."""
        await self._declare(passive=False)

    async def delete(self) -> None:
        """Delete the queue."""
        channel = await self._session.channel(confirms=False)
        await self._session.run(channel.queue_delete(self._name))
        await self._session.run(channel.close())

    async def _declare(self, *, passive: bool) -> None:
        channel = await self._session.channel(confirms=False)
        more: dict[str, Any] = {"passive": True} if passive else {"durable": True, "arguments": _STREAM}
        await self._session.run(channel.declare_queue(self._name, **more))
        await self._session.run(channel.close())

    async def begin(self, offset: int | str) -> None:
        """Read from this place on, or "next": what comes from now on."""
        await self.leave()
        try:
            await self._read_from(offset)
        except Lost as lost:
            raise Transient(f"{self.place}: the server did not answer ({lost})") from None

    async def _read_from(self, offset: int | str) -> None:
        await self.look()
        self._consumer = channel = await self._session.channel(confirms=False)
        self._came, self._some = [], anyio.Event()
        await self._session.run(channel.set_qos(prefetch_count=PREFETCH))
        queue = await self._session.run(channel.get_queue(self._name, ensure=False))
        await self._session.run(queue.consume(self._take, arguments={"x-stream-offset": offset}))

    async def next(self) -> Sequence[Entry]:
        """The next messages, at least one."""
        found = await self.soon(self._session.timeout_s)
        if not found:
            raise Transient(f"{self.place}: the server did not go on with the stream in time")
        return found

    async def soon(self, timeout_s: float) -> Sequence[Entry]:
        """The next messages, none if none comes in time."""
        with anyio.move_on_after(timeout_s):
            while not self._came:
                if self._consumer is None or self._consumer.is_closed:
                    raise Transient(f"{self.place}: the connection was lost")
                try:
                    await self._session.calls.run(self._some.wait())
                except CutShort:
                    raise Transient(f"{self.place}: the connection was lost") from None
        found, self._came, self._some = self._came, [], anyio.Event()
        if found:
            try:
                await self._session.run(found[-1].ack(multiple=True))
            except Lost as lost:
                raise Transient(f"{self.place}: the connection was lost ({lost})") from None
        return [_entry(message) for message in found]

    async def append(self, entries: Sequence[Append]) -> Sequence[str]:
        """Publish messages, each confirmed by the server."""
        from aio_pika import DeliveryMode, Message
        from aio_pika.exceptions import DeliveryError, PublishError

        try:
            if self._publisher is None or self._publisher.is_closed:
                self._publisher = await self._session.channel(confirms=True)
        except Lost as lost:
            raise Transient(f"{self.place}: the server did not answer ({lost})") from None
        exchange = self._publisher.default_exchange

        async def one(entry: Append) -> str:
            headers: dict[str, Any] = {MARK: entry.mark, **({} if entry.key is None else {KEY: entry.key})}
            message = Message(entry.data or b"", headers=headers, delivery_mode=DeliveryMode.PERSISTENT)
            try:
                await self._session.run(_published(exchange.publish(message, self._name, mandatory=True)))
            except Lost as lost:
                return str(lost)
            return ""

        async def _published(work: Any) -> None:
            try:
                await work
            except PublishError:
                raise NotFound(f"{self.place}: there is no such queue") from None
            except DeliveryError:
                raise Transient(f"{self.place}: the server did not take a message") from None

        return await in_parallel(one, entries, AT_ONCE)

    async def leave(self) -> None:
        """Read no more."""
        channel, self._consumer = self._consumer, None
        if channel is not None and not channel.is_closed:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                try:
                    await self._session.run(channel.close())
                except (Lost, AdapterError):
                    return

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._came.append(message)
        self._some.set()


def _entry(message: AbstractIncomingMessage) -> Entry:
    headers: dict[str, Any] = dict(message.headers)
    key, mark = headers.get(KEY), headers.get(MARK)
    return Entry(
        int(headers["x-stream-offset"]),
        key if isinstance(key, str) and key else None,
        message.body or None,
        mark if isinstance(mark, str) else "",
    )


def _said(error: BaseException) -> str:
    """The argument that is set otherwise, which is all that is passed on of the server's words."""
    parts = str(error).split("'")
    return parts[1] if "inequivalent arg" in str(error) and len(parts) > 1 else "its arguments differ"
