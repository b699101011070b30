"""Server: answers the `datasyncd` command over the control socket.

The socket is readable by the daemon's user alone, and who connects is asked of the system (SO_PEERCRED): the
same user or root. It takes the place of one that a crash left behind, never of one that somebody answers at.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import struct
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.abc
import msgspec
import structlog
from anyio.streams.buffered import BufferedByteReceiveStream

from .address import SOCKET, address
from .message import BUG, LARGEST, NOT_ALLOWED, Failure

log = structlog.get_logger()

Handler: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Carries out a command: takes its arguments, with `by` naming who asks; raises `Failure`."""

REQUEST_S = 10.0
"""Longest wait for a request on an open connection, and for a client to take its answer."""
CONNECTIONS = 32
"""Served at a time; more wait."""
BACKLOG = 1024
USAGE = 64


class AlreadyServed(Exception):
    """Somebody answers at this socket."""


class _Request(msgspec.Struct, frozen=True):
    command: str
    arguments: dict[str, Any] = {}


class Server:
    """Serves the commands in `handlers`; they may be added to while it runs."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers

    async def serve(self, folder: Path, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen in a state folder until cancelled. Raises `AlreadyServed`, `OSError`.

        On crash: the socket stays, and the next start replaces it.
        """
        async with _listening(folder) as listener:
            limit = anyio.CapacityLimiter(CONNECTIONS)

            async def serve_one(stream: anyio.abc.SocketStream) -> None:
                async with stream, limit:
                    await self._converse(stream)

            task_status.started()
            await listener.serve(serve_one)

    async def _converse(self, stream: anyio.abc.SocketStream) -> None:
        """Answer requests until the client goes."""
        uid = _peer(stream)
        if uid not in (os.geteuid(), 0):
            log.warning("control_refused", uid=uid)
            with anyio.move_on_after(REQUEST_S), contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()  # closed unread, the connection would break before the answer is seen
            await _send(stream, _error(Failure("only the daemon's user and root may ask it", NOT_ALLOWED)))
            return
        lines = BufferedByteReceiveStream(stream)
        with contextlib.suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, TimeoutError):
            while True:
                with anyio.fail_after(REQUEST_S):
                    try:
                        line = await lines.receive_until(b"\n", LARGEST)
                    except anyio.DelimiterNotFound:
                        await _send(stream, _error(Failure("a request of at most 16 MiB expected", USAGE)))
                        return
                await _send(stream, await self._carry_out(line, _user(uid)))

    async def _carry_out(self, line: bytes, by: str) -> bytes:
        try:
            request = msgspec.json.decode(line, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _error(Failure(f"not a request: {error}", USAGE))
        handler = self.handlers.get(request.command)
        if handler is None:
            return _error(Failure(f'the daemon has no command "{request.command}"; is it of another version?', USAGE))
        try:
            answer = _encoded({"ok": await handler({**request.arguments, "by": by})})
        except Failure as failure:
            return _error(failure)
        except Exception as error:
            # Its text may hold a person's data: the log gets the place alone.
            place = "".join(traceback.format_tb(error.__traceback__))
            log.error("command_failed", command=request.command, kind=type(error).__name__, place=place)
            return _error(Failure(f"a bug: {type(error).__name__}; the daemon's log has the place", BUG))
        if len(answer) > LARGEST:
            return _error(Failure("the answer is larger than 16 MiB; ask for less of it", USAGE))
        return answer


@contextlib.asynccontextmanager
async def _listening(folder: Path) -> AsyncIterator[anyio.abc.SocketListener]:
    """A listening socket at its place in the folder, which goes when the context ends."""
    raw = await anyio.to_thread.run_sync(_bound, folder)
    inode = os.stat(folder / SOCKET).st_ino
    try:
        async with await anyio.abc.SocketListener.from_socket(raw) as listener:
            yield listener
    finally:
        raw.close()
        _remove(folder / SOCKET, inode)


def _bound(folder: Path) -> socket.socket:
    """A socket that listens in the folder. It gets its name only once nobody else can connect to it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, new = folder / SOCKET, folder / f"{SOCKET}.{os.getpid()}"
    if _is_answered(folder):
        raise AlreadyServed(f"{path}: another daemon answers here")
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        new.unlink(missing_ok=True)
        with address(str(folder), new.name) as place:
            raw.bind(place)
        new.chmod(0o600)
        raw.listen(BACKLOG)
        raw.setblocking(False)
        new.replace(path)
    except BaseException:
        raw.close()
        new.unlink(missing_ok=True)
        raise
    return raw


def _remove(path: Path, inode: int) -> None:
    """Take the socket away, if it is still ours."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def _is_answered(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(1.0)
        try:
            with address(str(folder)) as place:
                probe.connect(place)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def _peer(stream: anyio.abc.SocketStream) -> int:
    """The user of the process that connected."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


async def _send(stream: anyio.abc.SocketStream, line: bytes) -> None:
    with anyio.move_on_after(REQUEST_S), contextlib.suppress(anyio.BrokenResourceError):
        await stream.send(line)


def _error(failure: Failure) -> bytes:
    error = {"text": failure.text, "exit_code": failure.exit_code, "details": failure.details}
    return _encoded({"error": error})


def _encoded(document: Any) -> bytes:
    """One line of JSON. Bytes that are no UTF-8, such as in the header of a file, are shown as `\\udce9`."""
    try:
        return msgspec.json.encode(document) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(_well_formed(msgspec.to_builtins(document))) + b"\n"


def _well_formed(document: Any) -> Any:
    """The same document without lone surrogates."""
    if isinstance(document, str):
        return document.encode("utf-8", "backslashreplace").decode()
    if isinstance(document, dict):
        return {_well_formed(name): _well_formed(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [_well_formed(item) for item in document]
    return document
