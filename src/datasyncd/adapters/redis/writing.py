"""Writing: the writes of one push, in two calls: what the records are now, and the entries that follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datasyncd.adapters.contract import Key, Outcome, Record, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.streams.state import Held, States, too_large

from .fold import Append, Fold, fits
from .session import Lost

TRIES = 3
"""How often an unconditional write is begun anew if somebody else is quicker."""
LARGEST = 8 * 1024 * 1024
"""Octets of a state."""
AT_A_TIME = 8 * 1024 * 1024
"""Octets of states that are sent in one call, one state at least."""


class Push:
    """The writes of one push."""

    def __init__(self, fold: Fold, states: States, writes: Sequence[Write]) -> None:
        self._fold = fold
        self._states = states
        self._writes = writes
        self._outcomes: list[Outcome | None] = [None] * len(writes)

    async def run(self) -> list[Outcome]:
        """Make the writes; one outcome each. Raises what went wrong with the whole call if nothing was written.

        If the server stops to take writes in the middle, those that were not sent are answered `Stale`: they are not
        applied, and are read and planned again.
        """
        try:
            left = list(range(len(self._writes)))
            while left:
                now = list({self._writes[index].key: index for index in reversed(left)}.values())
                await self._round(sorted(now))
                left = [index for index in left if index not in now]
        except AdapterError:
            if not any(isinstance(each, Written | Unknown) for each in self._outcomes):
                raise
        return [Stale() if outcome is None else outcome for outcome in self._outcomes]

    async def _round(self, indices: Sequence[int]) -> None:
        """Writes of different records. One that names no version is begun anew if somebody else was quicker."""
        for _ in range(TRIES):
            await self._try(indices)
            indices = [
                index
                for index in indices
                if isinstance(self._outcomes[index], Stale) and self._writes[index].version is None
            ]
            if not indices:
                return

    async def _try(self, indices: Sequence[int]) -> None:
        keys = [key for index in indices if (key := self._writes[index].key) and fits(key)]
        held = await self._fold.read(keys)
        appends: dict[int, Append] = {}
        for index in indices:
            decided = self._decided(self._writes[index], held)
            if isinstance(decided, Append):
                appends[index] = decided
            else:
                self._outcomes[index] = decided
        while appends:
            part = _part(appends)
            await self._send(part)
            appends = {index: each for index, each in appends.items() if index not in part}

    def _decided(self, write: Write, held: Mapping[Key, Held | None]) -> Outcome | Append:
        key = write.key or ""
        if not fits(key):
            name = self._states.spec.key
            return Rejected(f"{name}: it is no text that can be sent", (name,))
        now = held.get(key)
        decided = self._states.decided(write, now)
        if decided is not None and not isinstance(decided, bytes):
            return decided
        if refused := too_large(write, len(decided or b""), LARGEST):
            return refused
        version = b"" if now is None else now.version
        assert isinstance(version, bytes)
        return Append(key, version, decided)

    async def _send(self, part: dict[int, Append]) -> None:
        try:
            ids = await self._fold.append(list(part.values()))
        except Lost as lost:
            reason = f"{self._fold.place}: the answer was lost ({lost})"
            self._outcomes = [Unknown(reason) if n in part else each for n, each in enumerate(self._outcomes)]
            return
        for (index, sent), id in zip(part.items(), ids, strict=True):
            self._outcomes[index] = Stale() if not id else self._written(self._writes[index], sent, id)

    def _written(self, write: Write, sent: Append, id: bytes) -> Written:
        if sent.data is None:
            return Written(sent.key)
        image = self._states.answer(sent.key, sent.data, id)
        return Written(sent.key, image if isinstance(image, Record) else None, alone=write.version is not None)


def _part(appends: dict[int, Append]) -> dict[int, Append]:
    """As many as are sent at once."""
    size, part = 0, dict[int, Append]()
    for index, each in appends.items():
        size += len(each.data or b"")
        if part and size > AT_A_TIME:
            break
        part[index] = each
    return part
