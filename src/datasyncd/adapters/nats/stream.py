"""The stream that holds an object: found by its subjects, and fit to hold records.

What happened to single messages are values; what is wrong with the stream or the server is an error of the call.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.streams.state import Held

from .session import Connection, Lost, NobodyThere, Session
from .subjects import covers, subject_of

NO_MESSAGE, NO_STREAM, WRONG_SEQUENCE, TOO_LARGE = 10037, 10059, 10071, 10054
_FULL = {10023, 10047, 10077, 10028, 10110}
"""Codes that say that there is no room."""
_SEALED = {10109}
_NO_JETSTREAM = {10039, 10076}

_TOKEN = re.compile(r"[^\x00-\x20.*>\x7f]+")


class Stream(msgspec.Struct, frozen=True):
    """A stream as it was when it was looked at."""

    name: str
    made: str
    """When it was made: another stream of the same name has another one."""
    first: int
    """Sequence of the first message that it still has."""
    last: int
    """Sequence of the last message that it ever had."""
    largest: int
    """Octets of a message, with its headers, that it and its server take."""

    def version(self, sequence: int) -> bytes:
        """The version of a record whose last message has this sequence."""
        return f"{sequence} {self.made}".encode()

    def sequence(self, version: object) -> int:
        """The sequence in a version; 0 if it is one of another stream."""
        number, _, made = version.decode().partition(" ") if isinstance(version, bytes) else ("0", "", "")
        return int(number) if made == self.made else 0


class Subjects:
    """The subjects of one object."""

    def __init__(self, session: Session, object: str, empty_is_complete: bool) -> None:
        """`empty_is_complete`: a stream that lost all its messages is one without records."""
        self._session = session
        self._empty_is_complete = empty_is_complete
        self.object = object
        self.place = f"{session.place}: {object}"
        self.pattern = f"{object}.*"

    async def look(self) -> tuple[Connection, Stream]:
        """The stream of the object. Raises `NotFound`, `Unsupported` if it cannot hold records, `Unreachable` if it was
        emptied."""
        if not all(map(_TOKEN.fullmatch, self.object.split("."))):
            raise NotFound(f"{self.place}: no subject begins so; see `object`")
        connection = await self._session.connected()
        answer = await self.ask(connection, "STREAM.NAMES", {"subject": self.pattern})
        names = answer.get("streams") or []
        if len(names) != 1:
            raise NotFound(
                f"{self.place}: {len(names) or 'no'} streams take messages to {self.pattern}, one is expected; see "
                "`nats stream list`"
            )
        found = await self.ask(connection, f"STREAM.INFO.{names[0]}")
        config, state = found["config"], found["state"]
        if why := _unfit(config, self.pattern):
            raise Unsupported(f"{self.place}: the stream {names[0]} {why}")
        if not state["messages"] and state["last_seq"] and not self._empty_is_complete:
            raise Unreachable(
                f"{self.place}: the stream {names[0]} had messages, and has none left, not even of deletions; if that "
                "is meant, say `empty_is_complete = true`"
            )
        size = config.get("max_msg_size", -1)
        return connection, Stream(
            names[0], found["created"], state["first_seq"], state["last_seq"],
            min(connection.largest, size) if size > 0 else connection.largest,
        )  # fmt: skip

    def subject(self, key: Key) -> str | None:
        return subject_of(self.object, key)

    async def last(self, connection: Connection, stream: Stream, key: Key) -> Held | None:
        """The last message of a key, as the leader of the stream has it; None: there is none."""
        subject = self.subject(key)
        if subject is None:
            return None
        try:
            answer = await self.ask(connection, f"STREAM.MSG.GET.{stream.name}", {"last_by_subj": subject})
        except ServerError:
            return None
        message = answer["message"]
        data = base64.b64decode(message.get("data", ""))
        return Held(data or None, stream.version(message["seq"]))

    async def publish(
        self, connection: Connection, stream: Stream, subject: str, data: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bool]:
        """The sequence of a message once it is stored, and whether it was there already. Raises `Lost`, `ServerError`,
        and the errors of a call."""
        try:
            said = await connection.request(subject, data, {"Nats-Expected-Stream": stream.name, **headers})
        except NobodyThere:
            raise self._nobody() from None
        answer = _answered(said)
        return answer["seq"], answer.get("duplicate", False)

    async def ask(self, connection: Connection, what: str, words: Mapping[str, Any] = {}) -> dict[str, Any]:
        """One question to the server (ADR-1, JetStream JSON API Design). Raises `ServerError` if there is no message of
        a subject, and the errors of a call."""
        try:
            said = await connection.request(f"$JS.API.{what}", msgspec.json.encode(words) if words else b"")
            return _answered(said)
        except Lost as error:
            raise Transient(f"{self.place}: the server did not answer ({error})") from None
        except NobodyThere:
            raise self._nobody() from None
        except ServerError as error:
            raise error if error.code == NO_MESSAGE else self.trouble(error) from None

    def _nobody(self) -> AdapterError:
        return Unreachable(
            f"{self.place}: nobody takes that; see that the server has JetStream, and the stream a leader"
        )

    def trouble(self, error: ServerError) -> AdapterError:
        """What a refusal means for the whole call."""
        if error.code in _FULL:
            return Transient(f"{self.place}: there is no room in the stream ({error.text}); nothing was written")
        if error.code == NO_STREAM:
            return NotFound(f"{self.place}: the stream is not there any more")
        if error.code in _SEALED:
            return Unauthorised(f"{self.place}: the stream is sealed: nothing can be written")
        if error.code in _NO_JETSTREAM:
            return Unsupported(
                f"{self.place}: JetStream is not enabled for this user; see `jetstream` in the server's config"
            )
        return Transient(f"{self.place}: the server says: {error.text} (code {error.code})")


class ServerError(Exception):
    """The server refused. Its texts hold names of streams and numbers, and nothing of messages."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


def _answered(data: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(data)
    if "error" in answer:
        raise ServerError(answer["error"].get("err_code", 0), answer["error"].get("description", ""))
    return answer


def _unfit(config: Mapping[str, Any], pattern: str) -> str:
    """Why a stream cannot hold records; "": it can."""
    if not any(covers(subject, pattern) for subject in config.get("subjects") or ()):
        return f"takes only some messages to {pattern}; add that to its subjects"
    if config.get("retention", "limits") != "limits":
        return (
            f"deletes messages that somebody has read: its retention is {config['retention']}, and `limits` is expected"
        )
    if config.get("max_age", 0) > 0:
        return "deletes messages by their age, and records with them: set its max-age to 0"
    if config.get("discard", "old") != "new":
        for limit in ("max_msgs", "max_bytes"):
            if config.get(limit, -1) > 0:
                name = limit.replace("_", "-")
                return (
                    f"deletes old messages for new ones, and records with them: its discard must be `new`, or {name} -1"
                )
    if config.get("no_ack"):
        return "answers no writes: set no-ack to false"
    if config.get("subject_transform") or config.get("allow_msg_counter"):
        return "does not keep messages as they were sent: it transforms their subjects, or counts"
    return ""
