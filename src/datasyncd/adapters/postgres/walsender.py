"""Walsender: a connection over which the server streams what is committed ("Streaming Replication Protocol").

asyncpg makes the connection, with its ways to encrypt it and to prove who we are; it does not speak what comes after
that. So its transport is taken over, and the few messages that there are handled here. No task waits for them: what
arrives is handed on at once, and the server's question whether we are still there is answered at once.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable
from datasyncd.adapters.sql.table import Connection

from .names import quoted
from .pgoutput import Lsn, Malformed
from .slot import made_anew

Hear = Callable[[bytes], None]
"""Takes one message of pgoutput."""

LARGEST = 1 << 30
"""No message of the server is longer than what it takes for a row."""

_HEAD = struct.Struct(">cI")
_KEEPALIVE = struct.Struct(">cQqB")
_STATUS = struct.Struct(">cQQQqB")
_XLOG = 25
"""What stands before the message of pgoutput: its kind, two places in the log, a time."""

_IN_USE, _NOT_READY, _UNDEFINED = "55006", "55000", "42704"


class SlotUnusable(NotFound):
    """The slot does not give what was changed: it is lost, or somebody else reads it."""


class SlotInUse(SlotUnusable):
    """Somebody reads it now."""


class Walsender(asyncio.Protocol):
    """One connection, of which nobody but this knows any more."""

    def __init__(self, connection: Connection, slot: str, place: str) -> None:
        """`connection`: of asyncpg, made with `replication=database`, and idle."""
        self.position: Lsn = 0
        """Up to here everything that is committed was heard."""
        self.ended: str | None = None
        """Why nothing comes any more."""
        self.error: AdapterError | None = None
        """What the server said last, if it refused something."""
        self._connection = connection
        self._slot = slot
        self._place = place
        self._buffer = bytearray()
        self._hear: Hear | None = None
        self._told: Callable[[], None] = lambda: None
        self._waiter: asyncio.Future[list[tuple[str | None, ...]]] | None = None
        self._rows: list[tuple[str | None, ...]] = []
        self._acknowledged: Lsn = 0
        self._heard = asyncio.Event()
        # The only thing of asyncpg that has no public name.
        self._transport: Any = connection._transport
        self._transport.set_protocol(self)

    async def ask(self, command: str) -> list[tuple[str | None, ...]]:
        """The rows that a command answers. Raises what the server says of it."""
        self._check()
        self._rows, self.error = [], None
        self._waiter = asyncio.get_running_loop().create_future()
        words = command.encode() + b"\0"
        self._transport.write(_HEAD.pack(b"Q", len(words) + 4) + words)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    async def start(self, publication: str, hear: Hear, told: Callable[[], None]) -> None:
        """Let it stream what the slot has not been told to be done with. `told`: called after each message, and at the
        end. Raises `SlotUnusable`."""
        self._hear, self._told = hear, told
        names = quoted(publication).replace("'", "''")
        await self.ask(
            f"START_REPLICATION SLOT {self._slot} LOGICAL 0/0 (proto_version '1', publication_names '{names}')"
        )

    def acknowledge(self, lsn: Lsn) -> None:
        """What ends here or before is needed no more: the server may forget it."""
        self._acknowledged = max(self._acknowledged, lsn)
        self._status()

    async def question(self, timeout_s: float) -> bool:
        """Ask where the server is; whether anything was heard from it in time."""
        self._check()
        self._heard.clear()
        self._status(answer=True)
        try:
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._check()
        return True

    def close(self) -> None:
        """End the connection at once."""
        self._end("it was closed")
        self._connection.terminate()

    # What the loop calls

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _HEAD.size:
                kind, size = _HEAD.unpack_from(self._buffer, at)
                if not 4 <= size <= LARGEST:
                    raise Malformed("a message of an impossible length")
                if len(self._buffer) - at <= size:
                    break
                self._take(kind, bytes(self._buffer[at + _HEAD.size : at + size + 1]))
                at += size + 1
        except (Malformed, struct.error) as error:
            self._end(f"the server sends what is no replication ({error})")
            self._transport.abort()
            return
        del self._buffer[:at]
        self._heard.set()
        self._told()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("the connection was lost" if exc is None else f"the connection was lost ({type(exc).__name__})")

    # Messages

    def _take(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"d":
                self._copied(body)
            case b"D":
                self._rows.append(_row(body))
            case b"E":
                self._refused(body)
            case b"W":
                self._answer()
            case b"Z":
                self._answer()
            case b"c":
                self._end("the server ended the stream")

    def _copied(self, body: bytes) -> None:
        if body[:1] == b"w" and self._hear is not None:
            self._hear(body[_XLOG:])
        elif body[:1] == b"k":
            _, position, _, wants_answer = _KEEPALIVE.unpack(body)
            self.position = max(self.position, position)
            if wants_answer:
                self._status()

    def _refused(self, body: bytes) -> None:
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        self.error = _trouble(fields.get(b"C", ""), self._slot, self._place)
        if self._waiter is None or self._waiter.done():
            self._end(str(self.error))

    def _answer(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            if self.error is not None:
                self._waiter.set_exception(self.error)
            else:
                self._waiter.set_result(self._rows)

    def _status(self, *, answer: bool = False) -> None:
        if self.ended is None:
            done = self._acknowledged
            words = _STATUS.pack(b"r", max(self.position, done), done, done, 0, answer)
            self._transport.write(_HEAD.pack(b"d", len(words) + 4) + words)

    def _end(self, why: str) -> None:
        if self.ended is None:
            self.ended = why
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self.error or Transient(f"{self._place}: {self.ended}"))
        self._heard.set()
        self._told()

    def _check(self) -> None:
        if self.ended is not None:
            raise self.error or Transient(f"{self._place}: the stream of changes has ended: {self.ended}")


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack_from(">H", body)
    at, values = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return tuple(values)


def _trouble(code: str, slot: str, place: str) -> AdapterError:
    """What the refusal of a command, or the end of the stream, means."""
    if code == _IN_USE:
        return SlotInUse(
            f"{place}: another program reads the replication slot {slot!r} now; each daemon needs one of its own"
        )
    if code in (_UNDEFINED, _NOT_READY):
        why = "does not go on" if code == _NOT_READY else "stands at a place where there was no such publication"
        return SlotUnusable(f"{place}: the replication slot {slot!r} {why}: {made_anew(slot)}")
    if code == "42501":
        return Unauthorised(f"{place}: the role may not replicate")
    if code.startswith(("57", "53")):
        return Unreachable(f"{place}: the server ends the stream (SQLSTATE {code})")
    return Transient(f"{place}: the server ends the stream (SQLSTATE {code})")
