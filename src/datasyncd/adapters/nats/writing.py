"""Writing: the writes of one push, each a message that is taken only on top of the one that was read."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from datasyncd.adapters.contract import Key, Missing, Outcome, Record, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.streams.reading import in_parallel
from datasyncd.adapters.streams.state import Held, States, too_large

from .session import Connection, Lost
from .stream import TOO_LARGE, WRONG_SEQUENCE, ServerError, Stream, Subjects

AT_ONCE = 64
"""Records that are read and written at once."""
TRIES = 3
"""How often an unconditional write is begun anew if somebody else is quicker."""
_HEADERS = 300
"""Octets that are kept for the headers of a message."""


class Push:
    """The writes of one push."""

    def __init__(self, subjects: Subjects, states: States, writes: Sequence[Write]) -> None:
        self._subjects = subjects
        self._states = states
        self._writes = writes
        self._outcomes: list[Outcome | None] = [None] * len(writes)
        self._trouble: AdapterError | None = None

    async def run(self) -> list[Outcome]:
        """Make the writes; one outcome each. Raises what went wrong with the whole call if nothing was written.

        If the server stops to take writes in the middle, those that were not sent are answered `Stale`: they are not
        applied, and are read and planned again.
        """
        connection, stream = await self._subjects.look()
        by_key: dict[Key | None, list[int]] = {}
        for index, write in enumerate(self._writes):
            by_key.setdefault(write.key, []).append(index)
        await in_parallel(lambda each: self._in_order(connection, stream, each), list(by_key.values()), AT_ONCE)
        if self._trouble is not None and not any(isinstance(each, Written | Unknown) for each in self._outcomes):
            raise self._trouble
        return [Stale() if outcome is None else outcome for outcome in self._outcomes]

    async def _in_order(self, connection: Connection, stream: Stream, indices: Sequence[int]) -> None:
        """The writes of one record."""
        for index in indices:
            if self._trouble is not None:
                return
            try:
                self._outcomes[index] = await self._one(connection, stream, self._writes[index])
            except AdapterError as error:
                self._trouble = error

    async def _one(self, connection: Connection, stream: Stream, write: Write) -> Outcome:
        """A write that names no version is begun anew if somebody else was quicker."""
        subject = self._subjects.subject(write.key or "")
        if subject is None:
            return self._without_subject(write)
        outcome: Outcome = Stale()
        for _ in range(1 if write.version is not None else TRIES):
            held = await self._subjects.last(connection, stream, write.key or "")
            decided = self._states.decided(write, held)
            if decided is not None and not isinstance(decided, bytes):
                return decided
            if refused := too_large(write, len(decided or b"") + len(subject.encode()) + _HEADERS, stream.largest):
                return refused
            outcome = await self._sent(connection, stream, subject, write, held, decided)
            if not isinstance(outcome, Stale):
                break
        return outcome

    def _without_subject(self, write: Write) -> Outcome:
        """No record can have such a key."""
        if write.op == "create":
            name = self._states.spec.key
            return Rejected(f"{name}: a new record needs one that has room in a subject", (name,))
        return Written(write.key or "") if write.op == "delete" else Missing()

    async def _sent(
        self, connection: Connection, stream: Stream, subject: str, write: Write, held: Held | None, data: bytes | None
    ) -> Outcome:
        key = write.key or ""
        before = 0 if held is None else stream.sequence(held.version)
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(before),
            # The same for a repetition of this very write, and for nothing else.
            "Nats-Msg-Id": _digest(subject, str(before), write.idem_key, data),
            **({"KV-Operation": "DEL"} if data is None else {}),
        }
        try:
            sequence, again = await self._subjects.publish(connection, stream, subject, data or b"", headers)
        except Lost as error:
            return Unknown(f"{self._subjects.place}: the answer was lost ({error})")
        except ServerError as error:
            if error.code == WRONG_SEQUENCE:
                return Stale()
            if error.code == TOO_LARGE:
                return Rejected("its message is larger than the stream takes")
            raise self._subjects.trouble(error) from None
        if data is None or again:
            return Written(key)
        image = self._states.answer(key, data, stream.version(sequence))
        return Written(key, image if isinstance(image, Record) else None, alone=write.version is not None)


def _digest(subject: str, before: str, attempt: str, data: bytes | None) -> str:
    digest = blake2b("\0".join((subject, before, attempt, "")).encode(), digest_size=16)
    digest.update(b"-" if data is None else b"+" + data)
    return digest.hexdigest()
