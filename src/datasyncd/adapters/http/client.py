"""Client: requests to one server, and what was answered. Nothing else here touches the HTTP library.

A request that may have had an effect is sent once and never repeated by itself: its second answer would be about the
first one's doing. One that only asks is sent once more if the connection turns out to be closed.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import aiohttp
import anyio.lowlevel
import msgspec
from yarl import URL

from datasyncd.adapters.errors import AdapterError, Transient, Unreachable

AT_ONCE = 4
"""Most connections to a server."""
LARGEST = 64 * 1024 * 1024
"""Most octets of an answer that are read."""
IDLE_S = 4.0
"""A connection that was not used for longer is closed, before the server does so while a write is under way to it:
there are servers that wait for 5 s."""
_PIECE = 256 * 1024


class Lost(Exception):
    """The request was sent, and no answer came: whether it had an effect is not known."""


class TooLarge(Exception):
    """An answer is larger than LARGEST, and was not read to its end."""


class Answer(msgspec.Struct, frozen=True):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: bytes


class Client:
    """Requests of one system."""

    def __init__(
        self, place: str, headers: Mapping[str, str], authority: Path | None, *, connect_s: float, timeout_s: float
    ) -> None:
        """`place` names the system and its server in error texts; `headers` go with every request."""
        self.place = place
        self._headers = {"User-Agent": "datasyncd", **headers}
        self._authority = authority
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_s)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self, method: str, url: URL, body: bytes = b"", headers: Mapping[str, str] = {}, *, asks: bool
    ) -> Answer:
        """One request and its answer, whatever it says; `asks`: it changes nothing there, and may be sent twice.

        Raises `Lost`, `TooLarge`, and `Unreachable` or `Transient` for what was not sent."""
        try:
            return await self._send(method, url, body, headers)
        except Lost:
            if not asks or self._closed:
                raise
        return await self._send(method, url, body, headers)

    async def aclose(self) -> None:
        """Close all connections; a request that runs is cut short."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            # What is left of a TLS connection is closed in the next rounds of the event loop.
            await anyio.lowlevel.checkpoint()

    async def _send(self, method: str, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        session = self._opened()
        try:
            async with session.request(
                method, url, data=BytesIO(body) if body else None, headers=headers, allow_redirects=False
            ) as response:
                read = bytearray()
                async for piece in response.content.iter_chunked(_PIECE):
                    read += piece
                    if len(read) > LARGEST:
                        raise TooLarge
                return Answer(
                    response.status, {name.lower(): value for name, value in response.headers.items()}, bytes(read)
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._unreachable(error) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Lost(type(error).__name__) from None
        except RuntimeError:
            if not self._closed:
                raise
            raise Lost("it was closed") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise Transient(f"{self.place}: it was closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=AT_ONCE, keepalive_timeout=IDLE_S, ssl=self._trust()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                headers=self._headers,
                middlewares=(_once,),
            )
        return self._session

    def _trust(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed."""
        if self._authority is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._authority))
        except (OSError, ssl.SSLError):
            raise Unreachable(f"{self.place}: there is no certificate of an authority where `ca` says") from None

    def _unreachable(self, error: Exception) -> AdapterError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Unreachable(f"{self.place}: its certificate is not trusted; see that it is valid, and `ca`")
        if isinstance(error, aiohttp.ClientSSLError):
            return Unreachable(f"{self.place}: no encrypted connection is made; see `url`")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Unreachable(f"{self.place}: the server does not answer; see that it runs, and that `url` is right")
        return Unreachable(f"{self.place}: it cannot be reached; see that the server runs, and that `url` is right")


def basic(user: str, password: str) -> dict[str, str]:
    """The header of a user and a password (RFC 7617), in UTF-8; of neither: none."""
    if not user and not password:
        return {}
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The library repeats PUT and DELETE when a connection breaks; an error that it does not know stops that."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Lost(type(error).__name__) from None
