"""The session of one system: a connection that is opened when it is needed, and what is asked on it.

Nothing is sent again by itself, and no connection is mended: what was asked on a connection that broke is `Lost`. The
client library comes with the extra `nats`, and is imported when a connection is first wanted.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec

from datasyncd.adapters.errors import AdapterError, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.streams.calls import Calls, CutShort

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js.client import JetStreamContext

Answer = TypeVar("Answer")

PORT = 4222
PING_S = 15
"""How often a connection that is silent is tried; after two tries without an answer it counts as broken."""


_FORBIDDEN = re.compile('permissions violation for publish to "(.+)"', re.IGNORECASE)
MOST_FORBIDDEN = 1000


class NobodyThere(Exception):
    """Nobody takes messages to that subject: it had no effect."""


class Lost(Exception):
    """It was sent, and no answer came: whether it had an effect is not known."""


class Login(msgspec.Struct, frozen=True):
    """Who the daemon is at a server."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Login(...)"


class Connection:
    """A connection. After `Lost`, it may be of no more use."""

    def __init__(self, place: str, timeout_s: float) -> None:
        self.place = place
        self._timeout_s = timeout_s
        self._calls = Calls()
        self._forbidden: set[str] = set()
        """Subjects that this user may not send to, as far as it was told; the library makes them small letters."""
        self.client: Client
        self.stream: JetStreamContext

    async def open(self, url: str, login: Login, trust: ssl.SSLContext | None, connect_s: float) -> None:
        """Raises what the library raises, and `Unauthorised` if the server would be told a secret in the open."""
        from nats.aio.client import Client

        self.client = client = Client()

        def shown(secret: str) -> Any:
            """A secret, once the connection is encrypted if it shall be: somebody between may hide that it can."""

            def show() -> str:
                if trust is not None and not client._server_info.get("tls_required"):
                    raise Unauthorised(f"{self.place}: the server does not encrypt; see `url`")
                return secret

            return show if secret else None

        await client.connect(
            url, name="datasyncd", user=shown(login.user), password=shown(login.password), token=shown(login.token),
            tls=trust, allow_reconnect=False, max_reconnect_attempts=1, connect_timeout=max(1, round(connect_s)),
            ping_interval=PING_S, max_outstanding_pings=2, error_cb=self._failed, disconnected_cb=self._broken,
            closed_cb=self._broken,
        )  # fmt: skip
        self.stream = client.jetstream(timeout=self._timeout_s)

    @property
    def is_open(self) -> bool:
        return bool(self.client.is_connected)

    @property
    def largest(self) -> int:
        """Octets of a message, with its headers."""
        return int(self.client.max_payload)

    async def request(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> bytes:
        """What is answered. Raises `Lost`, `Unauthorised` if the server did not let it through, and `NobodyThere`."""
        from nats.errors import NoRespondersError

        self._forbidden.discard(subject.lower())
        try:
            answer = await self.run(self.client.request(subject, data, self._timeout_s, headers=headers))
        except NoRespondersError:
            raise NobodyThere from None
        except Lost:
            if subject.lower() in self._forbidden:
                raise Unauthorised(f"{self.place}: the server does not allow this user to do that") from None
            raise
        return bytes(answer.data)

    async def run(self, work: Awaitable[Answer]) -> Answer:
        """Wait for an answer. Raises `Lost` if the connection breaks or is closed meanwhile, or in time no answer
        comes."""
        from nats.errors import ConnectionClosedError, TimeoutError

        try:
            return await self._calls.run(work)
        except CutShort:
            raise Lost("the connection broke") from None
        except TimeoutError:
            raise Lost("no answer in time") from None
        except (ConnectionClosedError, OSError) as error:
            raise Lost(type(error).__name__) from None

    async def aclose(self) -> None:
        """End it; what runs on it is cut short."""
        await self._broken()
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await self.client.close()

    async def _failed(self, error: Exception) -> None:
        # A server tells of a missing right by the way, and never answers.
        if (found := _FORBIDDEN.search(str(error))) and len(self._forbidden) < MOST_FORBIDDEN:
            self._forbidden.add(found[1])

    async def _broken(self) -> None:
        self._calls.cut()


class Session:
    """The connection of one system."""

    def __init__(
        self, system: str, url: str, login: Login, authority: Path | None, *, connect_s: float, timeout_s: float
    ) -> None:
        self._url = url
        self._login = login
        self._authority = authority
        self._connect_s = connect_s
        self._timeout_s = timeout_s
        self._opening = anyio.Lock()
        self._connection: Connection | None = None
        self._closed = False
        parts = urlsplit(url)
        self.place = f"{system}: {parts.hostname}:{parts.port or PORT}"
        """Names the system and its server in error texts."""

    async def connected(self) -> Connection:
        """The connection. Raises `Unreachable`, `Unauthorised`, `Unsupported` without the library."""
        async with self._opening:
            if self._closed:
                raise Transient(f"{self.place}: it was closed")
            if self._connection is None or not self._connection.is_open:
                await self._let_go()
                self._connection = await self._opened()
            return self._connection

    async def aclose(self) -> None:
        self._closed = True
        await self._let_go()

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _opened(self) -> Connection:
        try:
            import nats.errors
        except ImportError:
            raise Unsupported("NATS needs one more package: pip install 'datasyncd[nats]'") from None
        trust = self._trust()
        connection = Connection(self.place, self._timeout_s)
        try:
            with anyio.fail_after(self._connect_s):
                await connection.open(self._url, self._login, trust, self._connect_s)
        except AdapterError:
            await connection.aclose()
            raise
        except (OSError, TimeoutError, nats.errors.Error) as error:
            await connection.aclose()
            raise self._unreachable(error) from None
        except BaseException:
            await connection.aclose()
            raise
        if self._closed:
            await connection.aclose()
            raise Transient(f"{self.place}: it was closed")
        return connection

    def _trust(self) -> ssl.SSLContext | None:
        """Whose certificates are believed; None: the connection is not encrypted."""
        if urlsplit(self._url).scheme != "tls":
            return None
        try:
            return ssl.create_default_context(cafile=None if self._authority is None else str(self._authority))
        except (OSError, ssl.SSLError):
            raise Unreachable(f"{self.place}: there is no certificate of an authority where `ca` says") from None

    def _unreachable(self, error: Exception) -> AdapterError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unreachable(f"{self.place}: its certificate is not trusted; see that it is valid, and `ca`")
        if isinstance(error, ssl.SSLError):
            return Unreachable(f"{self.place}: no encrypted connection is made; see `url`")
        if "authorization violation" in str(error).lower():
            return Unauthorised(
                f"{self.place}: the server does not let this user in; see `user` and `password`, or `token`"
            )
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.place}: the server does not answer; see that it runs, and that `url` is right")
        return Unreachable(f"{self.place}: it cannot be reached; see that the server runs, and that `url` is right")


class Configured(Protocol):
    """What the options of a system say of its server."""

    @property
    def url(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def ca(self) -> str | None: ...
    @property
    def connect_s(self) -> float: ...
    @property
    def timeout_s(self) -> float: ...


def session_of(system: str, base: Path, options: Configured) -> Session:
    """A session as a system is configured; `base`: the folder that `ca` is relative to."""
    return Session(
        system,
        options.url,
        Login(options.user, options.password, options.token),
        None if options.ca is None else base / options.ca,
        connect_s=options.connect_s,
        timeout_s=options.timeout_s,
    )
