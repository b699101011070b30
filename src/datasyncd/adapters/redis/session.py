"""The session of one system: a few connections, and what is asked on them.

Nothing is sent again by itself: what was asked on a connection that broke is `Lost`. The client library comes with the
extra `redis`, and is imported when a connection is first wanted.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.streams.calls import Calls, CutShort

if TYPE_CHECKING:
    from redis.asyncio import Redis

PORT = 6379
AT_ONCE = 4
"""Most connections to a server, beside those that watch."""

_NOT_RUN = {
    "OutOfMemoryError": "the server has no memory left; nothing was written",
    "ReadOnlyError": "the server is a replica, and takes no writes: name the primary",
    "BusyLoadingError": "the server is reading its data",
    "MasterDownError": "the server has lost its primary",
    "ClusterDownError": "the cluster is down",
    "OOM": "the server has no memory left; nothing was written",
    "MISCONF": "the server cannot write to its disk, and takes no writes",
    "BUSY": "the server is busy with somebody's script",
    "NOREPLICAS": "the server has too few replicas, and takes no writes",
}
"""Refusals of a call that had no effect: the library's own errors, and codes (Redis documentation, "Simple errors")."""


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
    """The connections of one system."""

    def __init__(self, system: str, base: Path, options: Configured) -> None:
        """`base`: the folder that `ca` is relative to."""
        self._options = options
        self._authority = None if options.ca is None else base / options.ca
        self._client: Redis | None = None
        self._calls = Calls()
        self._closed = False
        self._digest = ""
        parts = urlsplit(options.url)
        self.place = f"{system}: {parts.hostname}:{parts.port or PORT}"
        """Names the system and its server in error texts."""

    async def call(self, keys: Sequence[str], words: Sequence[bytes | str | int]) -> Any:
        """What the script of this adapter answers. Raises `Lost`, and the errors of a call for what had no effect."""
        from redis.exceptions import NoScriptError

        client = self.client()
        if not self._digest:
            self._digest = await self.run(client.script_load(script()))
        try:
            return await self.run(client.evalsha(self._digest, len(keys), *keys, *words))
        except NoScriptError:
            # It was restarted, or somebody emptied its scripts.
            await self.run(client.script_load(script()))
            return await self.run(client.evalsha(self._digest, len(keys), *keys, *words))

    async def run(self, work: Any) -> Any:
        """What is answered. Raises `Lost`, and the errors of a call for what had no effect."""
        from redis import exceptions

        try:
            return await self._calls.run(work)
        except CutShort:
            raise Lost("it was closed") from None
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            raise self._refused(error) from None
        except exceptions.NoScriptError:
            raise
        except (exceptions.ResponseError, exceptions.BusyLoadingError) as error:
            raise self._told(error) from None
        except (exceptions.RedisError, OSError) as error:
            raise Lost(type(error).__name__) from error

    async def reached(self) -> None:
        """See that the server is there. Raises why it is not."""
        try:
            await self.run(self.client().ping())
        except Lost as lost:
            raise self._unreachable(lost.__cause__) from None

    def client(self) -> Redis:
        if self._closed:
            raise Transient(f"{self.place}: it was closed")
        if self._client is None:
            self._client = self.opened(self._options.timeout_s, AT_ONCE)
        return self._client

    def opened(self, timeout_s: float, most: int) -> Redis:
        """New connections, made when they are needed. Raises `Unsupported` without the library."""
        try:
            from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
            from redis.asyncio.connection import Connection
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise Unsupported("Redis needs one more package: pip install 'datasyncd[redis]'") from None
        parts, options = urlsplit(self._options.url), self._options
        trust: dict[str, Any] = {"connection_class": Connection}
        if parts.scheme == "rediss":
            if self._authority is not None and not self._authority.is_file():
                raise Unreachable(f"{self.place}: there is no certificate of an authority where `ca` says")
            trust = {
                "connection_class": SSLConnection, "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True,
                "ssl_ca_certs": None if self._authority is None else str(self._authority),
            }  # fmt: skip
        pool = BlockingConnectionPool(
            max_connections=most, timeout=timeout_s, host=parts.hostname, port=parts.port or PORT,
            db=int(parts.path.strip("/") or 0), username=options.user or None, password=options.password or None,
            socket_timeout=timeout_s, socket_connect_timeout=options.connect_s, retry=Retry(NoBackoff(), 0),
            retry_on_error=[], client_name="datasyncd", protocol=2, **trust,
        )  # fmt: skip
        return Redis(connection_pool=pool, single_connection_client=False)

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        self._closed = True
        self._calls.cut()
        client, self._client = self._client, None
        if client is not None:
            await closed(client)

    def _refused(self, error: Exception) -> AdapterError:
        from redis.exceptions import NoPermissionError

        if isinstance(error, NoPermissionError):
            return Unauthorised(
                f"{self.place}: the server does not allow this user to do that; its page lists the rights"
            )
        return Unauthorised(f"{self.place}: the server does not let this user in; see `user` and `password`")

    def _told(self, error: Exception) -> Exception:
        text = str(error)
        for code, why in _NOT_RUN.items():
            if text.startswith(code) or type(error).__name__ == code:
                return Transient(f"{self.place}: {why}")
        if "WRONGTYPE" in text:
            return NotFound(f"{self.place}: what is there is no stream")
        if "unknown command" in text.lower():
            return Unsupported(f"{self.place}: Redis 7 or newer is needed")
        return Lost("the server failed in the middle of it")

    def _unreachable(self, error: BaseException | None) -> AdapterError:
        if any(map(_is_untrusted, _causes(error))):
            return Unreachable(f"{self.place}: its certificate is not trusted; see that it is valid, and `ca`")
        if type(error).__name__ == "TimeoutError":
            return Unreachable(f"{self.place}: the server does not answer; see that it runs, and that `url` is right")
        return Unreachable(f"{self.place}: it cannot be reached; see that the server runs, and that `url` is right")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_untrusted(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError)


async def closed(client: Redis) -> None:
    """Close connections, also those that are in use."""
    await client.connection_pool.disconnect(inuse_connections=True)
    await client.aclose(close_connection_pool=True)


@cache
def script() -> str:
    """The text of the script."""
    folder = resources.files(__package__)
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("fold.lua", "calls.lua"))
