"""Client: asks the running daemon. Imports little, since `datasyncd status` has to be quick."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from .address import address
from .message import LARGEST, NOT_ALLOWED, UNAVAILABLE, Failure

_CHUNK = 1 << 16
_PATIENCE_S = 0.01


class NotRunning(Exception):
    """Nobody listens: no daemon works on this state."""


class NoAnswer(Failure):
    """A daemon is there, and did not answer in time or not to the end."""

    def __init__(self, text: str) -> None:
        super().__init__(text, UNAVAILABLE)


def ask(folder: str, command: str, arguments: dict[str, Any], timeout: float | None) -> Any:
    """The daemon's answer to a command; `folder` is its state folder, `timeout` in seconds for all of it.

    Raises `NotRunning`, `NoAnswer`, and the daemon's own `Failure`.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        _connect(connection, folder, deadline)
        request = json.dumps({"command": command, "arguments": arguments}, separators=(",", ":")).encode()
        return _answer(_exchange(connection, request + b"\n", deadline))


def _connect(connection: socket.socket, folder: str, deadline: float | None) -> None:
    try:
        with address(folder) as place:
            while True:
                try:
                    _limit(connection, deadline)
                    return connection.connect(place)
                except BlockingIOError:  # too many ask at this moment
                    time.sleep(_PATIENCE_S)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NotRunning from None
    except PermissionError:
        text = f"{folder}: this daemon belongs to another user; ask as that user or as root"
        raise Failure(text, NOT_ALLOWED) from None
    except TimeoutError:
        raise NoAnswer("the daemon did not answer in time") from None
    except OSError as error:
        raise NoAnswer(f"{folder}: the daemon cannot be reached: {error.strerror or error}") from None


def _exchange(connection: socket.socket, request: bytes, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        _limit(connection, deadline)
        connection.sendall(request)
        while not parts or not parts[-1].endswith(b"\n"):
            _limit(connection, deadline)
            part = connection.recv(_CHUNK)
            if not part:
                raise NoAnswer("the daemon closed the connection without an answer; it may be stopping")
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise NoAnswer("the daemon's answer is too large")
    except TimeoutError:
        raise NoAnswer("the daemon did not answer in time") from None
    except OSError as error:
        raise NoAnswer(f"the daemon's answer broke off: {error.strerror or error}") from None
    return b"".join(parts)


def _limit(connection: socket.socket, deadline: float | None) -> None:
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)


def _answer(line: bytes) -> Any:
    try:
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise Failure(error["text"], error["exit_code"], error.get("details"))
        return answer["ok"]
    except (ValueError, KeyError, TypeError):
        raise NoAnswer("the daemon's answer makes no sense; is it of another version?") from None
