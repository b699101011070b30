"""The store that is a folder of an SFTP server.

SFTP replaces a file at once (`posix-rename@openssh.com`), but compares nothing: the file is read again right before. It
tells the time of a change in whole seconds, and an upload grows before everybody's eyes. So a file counts as quiet only
once its size and time have been the same for longer than a second, and is read after that.
"""

from __future__ import annotations

import secrets
import stat as modes
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from datasyncd.adapters.errors import AdapterError, Transient, Unauthorised, Unreachable, Unsupported

from .address import Address
from .options import FolderOptions
from .store import Content, Doubt, NoFile, Promises

if TYPE_CHECKING:
    import asyncssh

TRIES = 5
"""A reading during which the file changed is repeated so many times."""
LARGEST = 1 << 30
"""Bytes of a file; it is held in memory whole."""
LATE_S = 60.0
"""Longest time after we gave up in which a request can still be carried out."""
LEFT_S = 3600
"""What was left beside a file by a process that died is removed once it is so old."""

_OURS = ".datasyncd-new"
_ALIVE_S = 15
"""How often to look whether an idle connection still lives."""


class SftpStore:
    """Files in a folder of a server."""

    def __init__(self, address: Address, options: FolderOptions, base: Path, *, settle_s: float) -> None:
        self.promises = Promises(
            compares=False,
            last_look="the file is replaced",
            remedy="where conditional writes are needed, let the files lie on this machine, or in S3",
            tells_unchanged=True,
            settle_s=settle_s,
            late_s=LATE_S,
        )
        self._address = address
        self._options = options
        self._base = base
        self._settle_s = settle_s
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._connecting = anyio.Lock()
        self._closed = False
        self._looks: dict[str, tuple[Hashable, float]] = {}
        """Of each file its stamp, and since when it is known to have it."""
        self._swept: set[str] = set()

    def shown(self, name: str) -> str:
        return f"{self._address.shown}/{name}"

    async def read(self, name: str) -> Content:
        """The file after it was quiet. Raises `Transient` if it is not."""
        async with self._asking(name) as client:
            await self._sweep(client, name)
            for _ in range(TRIES):
                before = await self._quiet(client, name)
                if before is None:
                    continue
                data = await self._bytes(client, name)
                if await self._look(client, name) == before and len(data) == before[0]:
                    return Content(data, before)
        raise Transient(f"{self.shown(name)} changes faster than it can be read, or is still being uploaded")

    async def stamp(self, name: str) -> Hashable:
        async with self._asking(name) as client:
            return await self._look(client, name)

    async def replace(self, name: str, seen: Content, data: bytes) -> bool:
        """On crash: the file is the old or the new one; what was written beside it is removed by a later reading."""
        import asyncssh

        async with self._asking(name) as client, self._written(client, name, data, like=name) as new:
            if await self._look(client, name) != seen.stamp or await self._bytes(client, name) != seen.data:
                return False
            ours = await self._look(client, new)
            try:
                with self._to_its_end():
                    await client.posix_rename(self._path(new), self._path(name))
            except asyncssh.SFTPOpUnsupported:
                raise Unsupported(
                    f"{self._address.shown}: the server cannot replace a file at once (posix-rename@openssh.com)"
                ) from None
            except _lost() as error:
                raise Doubt(f"the connection was lost while the file was replaced ({type(error).__name__})") from None
            self._looks[name] = ours, float("-inf")
            return True

    async def create(self, name: str, data: bytes) -> bool:
        """SFTP's own renaming replaces nothing."""
        import asyncssh

        async with self._asking(name) as client, self._written(client, name, data, like=None) as new:
            ours = await self._look(client, new)
            try:
                with self._to_its_end():
                    await client.rename(self._path(new), self._path(name))
            except (asyncssh.SFTPFileAlreadyExists, asyncssh.SFTPFailure):
                if await client.exists(self._path(name)):
                    return False
                raise
            except _lost() as error:
                raise Doubt(f"the connection was lost while the file was made ({type(error).__name__})") from None
            self._looks[name] = ours, float("-inf")
            return True

    async def may_be_made(self, name: str) -> None:
        folder = self._path(name).rpartition("/")[0] or "."
        async with self._asking(name) as client:
            if not await client.isdir(folder):
                raise Unreachable(f"{self._address.shown}: there is no such folder")

    async def remove(self, name: str) -> None:
        with suppress(NoFile):
            async with self._asking(name) as client:
                await client.remove(self._path(name))

    def locked(self, name: str, *, shared: bool) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def changes(self, name: str) -> AsyncIterator[bool]:
        raise Unsupported(f"{self._address.shown} tells of no changes; use `every`")
        yield False

    async def aclose(self) -> None:
        self._closed = True
        await self._disconnect()

    # Files

    def _path(self, name: str) -> str:
        return f"{self._address.folder.rstrip('/')}/{name}"

    async def _look(self, client: asyncssh.SFTPClient, name: str) -> tuple[int, int, int]:
        """Size, and time of the last change in seconds and nanoseconds, as far as the server tells it."""
        found = await client.stat(self._path(name))
        if found.permissions is not None and not modes.S_ISREG(found.permissions):
            raise Unreachable(f"{self.shown(name)}: not a file")
        if found.size is None or found.mtime is None:
            raise Unsupported(f"{self._address.shown}: the server tells no size or no time of a file")
        if found.size > LARGEST:
            raise Unsupported(f"{self.shown(name)} is larger than {LARGEST >> 20} MB")
        return found.size, int(found.mtime), found.mtime_ns or 0

    async def _quiet(self, client: asyncssh.SFTPClient, name: str) -> tuple[int, int, int] | None:
        """The stamp of a file that nobody has changed for as long as it takes to be sure; None: somebody has."""
        now = await self._look(client, name)
        known, since = self._looks.get(name, (None, 0.0))
        if now != known:
            since = anyio.current_time()
            self._looks[name] = now, since
        rest = since + self._settle_s - anyio.current_time()
        if rest <= 0:
            return now
        await anyio.sleep(rest)
        return now if await self._look(client, name) == now else None

    async def _bytes(self, client: asyncssh.SFTPClient, name: str) -> bytes:
        async with client.open(self._path(name), "rb") as file:
            data: bytes = await file.read()
            return data

    @asynccontextmanager
    async def _written(
        self, client: asyncssh.SFTPClient, name: str, data: bytes, like: str | None
    ) -> AsyncIterator[str]:
        """A file beside another one that holds `data`, with the mode of `like`; removed at the end, if it is there."""
        import asyncssh

        folder, slash, last = name.rpartition("/")
        new = f"{folder}{slash}.{last}.{secrets.token_hex(4)}{_OURS}"
        try:
            async with client.open(self._path(new), "xb") as file:
                await file.write(data)
                with suppress(asyncssh.SFTPOpUnsupported):
                    await file.fsync()
            if like is not None:
                old = (await client.stat(self._path(like))).permissions
                if old is not None:
                    await client.chmod(self._path(new), modes.S_IMODE(old))
            yield new
        finally:
            with anyio.move_on_after(self._options.timeout_s, shield=True), suppress(asyncssh.Error, OSError):
                await client.remove(self._path(new))

    def _to_its_end(self) -> AbstractContextManager[anyio.CancelScope]:
        """Wait for the answer also if we are told to leave: else nobody knows what has become of it."""
        return anyio.fail_after(self._options.timeout_s, shield=True)

    async def _sweep(self, client: asyncssh.SFTPClient, name: str) -> None:
        """Remove what a process of ours that died has left beside a file."""
        import asyncssh

        if name in self._swept:
            return
        self._swept.add(name)
        last = name.rpartition("/")[2]
        with suppress(asyncssh.SFTPError):
            for entry in await client.readdir(self._path(name).rpartition("/")[0] or "."):
                found = str(entry.filename)
                old = entry.attrs.mtime is not None and entry.attrs.mtime < time.time() - LEFT_S
                if old and found.startswith(f".{last}.") and found.endswith(_OURS):
                    await client.remove(f"{self._path(name).rpartition('/')[0]}/{found}")

    # The connection

    @asynccontextmanager
    async def _asking(self, name: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """The client for one call, which is bounded in time; what goes wrong is named."""
        import_driver()
        import asyncssh

        try:
            with anyio.fail_after(self._options.timeout_s + 2 * TRIES * self._settle_s):
                yield await self._opened()
        except (AdapterError, Doubt):
            raise
        except _lost() as error:
            await self._disconnect()
            raise Transient(f"{self.shown(name)}: the connection was lost ({type(error).__name__})") from None
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise NoFile(f"{self.shown(name)}: there is no such file") from None
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect):
            raise Unauthorised(f"{self.shown(name)}: the server does not allow that to this user") from None
        except asyncssh.SFTPError as error:
            raise Transient(f"{self.shown(name)}: the server failed ({type(error).__name__})") from None

    async def _opened(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._closed:
                raise Transient(f"{self._address.shown} was closed")
            if self._connection is not None and self._connection.is_closed():
                await self._disconnect()
            if self._client is None:
                self._connection = await self._connected()
                self._client = await self._connection.start_sftp_client()
            return self._client

    async def _connected(self) -> asyncssh.SSHClientConnection:
        import asyncssh

        place, options = self._address.shown, self._options
        try:
            return await asyncssh.connect(self._address.host, **self._login())
        except asyncssh.HostKeyNotVerifiable:
            raise Unauthorised(
                f"{place}: the server's key is not among those of `known_hosts`; `ssh-keyscan` shows it, and whoever "
                "runs the server knows whether it is right"
            ) from None
        except asyncssh.PermissionDenied:
            what = "the private key" if options.private_key else "the password"
            raise Unauthorised(f"{place}: the server does not let this user in; see {what}") from None
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Unreachable(
                f"{place}: it cannot be reached ({type(error).__name__}); see that the server runs, and `path` is right"
            ) from None

    def _login(self) -> dict[str, Any]:
        """What is told to the driver; no file of the user's own ssh is read but the hosts that it knows."""
        import asyncssh

        options, address = self._options, self._address
        hosts = self._base / options.known_hosts
        if not hosts.exists():
            raise Unauthorised(f"{address.shown}: there is no file {hosts}; see `known_hosts`")
        given: dict[str, Any] = {
            "port": address.port or 22,
            "config": None,
            "agent_path": None,
            "known_hosts": str(hosts) if options.known_hosts else (),
            "client_keys": None,
            "connect_timeout": options.timeout_s,
            "login_timeout": options.timeout_s,
            "keepalive_interval": _ALIVE_S,
        }
        if address.user:
            given["username"] = address.user
        if password := options.password or address.password:
            given["password"] = password
        if options.private_key:
            try:
                text = options.private_key
                if "PRIVATE KEY" not in text:
                    text = (self._base / text).read_text(encoding="utf-8")
                given["client_keys"] = [asyncssh.import_private_key(text, options.passphrase or None)]
            except OSError as error:
                raise Unauthorised(f"{address.shown}: the file of `private_key`: {error.strerror}") from None
            except (asyncssh.KeyImportError, ValueError):
                raise Unauthorised(
                    f"{address.shown}: `private_key` cannot be read; see its form, and `passphrase` if it is encrypted"
                ) from None
        return given

    async def _disconnect(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            with anyio.move_on_after(1, shield=True):
                await connection.wait_closed()


def import_driver() -> None:
    """Raise `Unsupported` if the package is not there."""
    try:
        import asyncssh  # noqa: F401
    except ImportError:
        raise Unsupported("SFTP needs one more package: pip install 'datasyncd[sftp]'") from None


def _lost() -> tuple[type[BaseException], ...]:
    """What is raised when the connection fails."""
    import asyncssh

    return (
        asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, asyncssh.ChannelOpenError,
        TimeoutError, OSError,
    )  # fmt: skip
