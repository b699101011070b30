"""The adapter of a log that looks up nothing by key: the contract, over a replay of it in memory."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Gone,
    Key,
    Malformed,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Stale,
    Unknown,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.errors import AdapterError, NotFound

from .log import Append, Landed, Log, Replay
from .state import Held, States, matching, too_large

PAGE = 500
TRIES = 3
"""How often a state is put back that somebody else overtook meanwhile."""
LATE_S = 300.0
"""Longest time after we gave up in which a server may still take what was sent."""


class LogAdapter:
    """Logs of one server. Write `describe`, `watch` and `aclose`."""

    largest: int
    """Octets of a state."""

    def __init__(
        self, context: Context, log_of: Callable[[str], Log], place: str, missing_is_blank: bool, cut_is_complete: bool
    ) -> None:
        """`cut_is_complete`: what a log has lost at its begin is of no record that is there."""
        self._context = context
        self._log_of = log_of
        self._place = place
        self._missing_is_blank = missing_is_blank
        self._cut_is_complete = cut_is_complete
        self._replays: dict[str, Replay] = {}
        self._doubted: set[str] = set()

    def capabilities(self, object: str) -> Capabilities:
        """What a log can promise: everything can be read, and no write is refused."""
        return Capabilities(
            condition=Condition.NONE,
            last_look="the message is published",
            version_order=VersionOrder.UNIQUE,
            returns_image=True,
            late_s=LATE_S,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.TOLD,
            incremental=True,
            watches=True,
            batch=PAGE,
        )

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, or those with an entry since a cursor. If the log is another one now: all, and what is not among
        them is not said to be deleted."""
        states, replay = self._states(object), self._replay(object)
        began = self._context.begin()
        await replay.catch_up()
        offset = self._offset(object, replay, since)
        # While the pages are taken in, others read on in the same replay: what they find is told by the next pull.
        told = list(replay.since(0 if offset is None else offset))
        cursor = json.dumps([replay.name, replay.at, object in self._doubted])
        whole = offset is None and self._is_whole(object, replay)
        for start in range(0, len(told), PAGE):
            part = told[start : start + PAGE]
            read = [states.answer(key, held.data, held.version) for key, held in part if held.data is not None]
            gone = [] if since is None else [key for key, held in part if held.data is None]
            if read or gone:
                yield Page(
                    [row for row in read if isinstance(row, Record)],
                    began,
                    malformed=[row for row in read if isinstance(row, Malformed)],
                    gone=gone,
                )
        yield Page([], began, cursor, complete=whole)

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, once the log was read to its end."""
        states, replay = self._states(object), self._replay(object)
        if not keys:
            return []
        await replay.catch_up()
        whole = self._is_whole(object, replay)

        def one(key: Key) -> Answer:
            held = replay.last(key)
            if held is None and not whole:
                return states.vanished(key)
            return Gone(key) if held is None or held.data is None else states.answer(key, held.data, held.version)

        return list(map(one, keys))

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records by a value. Texts with an @ are compared without case."""
        if field not in self._spec(object).columns:
            raise NotFound(f"{self._context.system}: {object!r} has no field {field!r} in the map")
        matches = matching(field, values)
        return [record async for page in self.pull(object, None) for record in page.records if matches(record)]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Publish the writes, and look what came between; see `Push`."""
        if not writes:
            return []
        return await Push(self._replay(object), self._states(object), writes, self.largest).run()

    def concerns(self) -> Sequence[str]:
        """Logs that lost something, and entries that say nothing."""
        found = []
        for object, replay in self._replays.items():
            if not replay.whole and not self._cut_is_complete:
                found.append(
                    f"{self._place}: {object}: it has lost entries at its begin: let whoever writes it send all "
                    "records again, and let it keep everything"
                )
            if replay.unread:
                found.append(f"{self._place}: {object}: {replay.unread} entries had no key: see who writes them")
        return found

    def figures(self) -> Mapping[str, int]:
        """How many entries were read, and said nothing."""
        replays = self._replays.values()
        return {
            "read_entries": sum(each.at for each in replays), "unread_entries": sum(each.unread for each in replays)
        }  # fmt: skip

    def _offset(self, object: str, replay: Replay, since: Cursor | None) -> int | None:
        """The place in a cursor, None if the log cannot go on from it; then it is to be doubted from now on."""
        if since is None:
            return None
        try:
            name, at, doubted = json.loads(since)
        except ValueError:
            name, at, doubted = "", 0, True
        known = name == replay.name and at <= replay.at
        if doubted or not known:
            self._doubted.add(object)
        return at if known else None

    def _is_whole(self, object: str, replay: Replay) -> bool:
        return self._cut_is_complete or (replay.whole and object not in self._doubted)

    def _replay(self, object: str) -> Replay:
        self._spec(object)
        if object not in self._replays:
            self._replays[object] = Replay(self._log_of(object), f"{self._place}: {object}")
        return self._replays[object]

    def _states(self, object: str) -> States:
        return States(self._spec(object), self._missing_is_blank)

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the stream {object!r}") from None


class Push:
    """The writes of one push."""

    def __init__(self, replay: Replay, states: States, writes: Sequence[Write], largest: int) -> None:
        self._replay = replay
        self._states = states
        self._writes = writes
        self._largest = largest
        self._outcomes: list[Outcome | None] = [None] * len(writes)

    async def run(self) -> list[Outcome]:
        """Make the writes; one outcome each. Raises what went wrong with the whole call if nothing was written."""
        try:
            await self._replay.catch_up()
            left = list(range(len(self._writes)))
            while left:
                now = set({self._writes[index].key: index for index in reversed(left)}.values())
                await self._round(sorted(now))
                left = [index for index in left if index not in now]
        except AdapterError:
            if not any(isinstance(each, Written | Unknown) for each in self._outcomes):
                raise
        return [Stale() if outcome is None else outcome for outcome in self._outcomes]

    async def _round(self, indices: Sequence[int]) -> None:
        """Writes of different records."""
        sent: dict[int, tuple[Append, Held | None]] = {}
        for index in indices:
            write = self._writes[index]
            held = self._replay.last(write.key or "")
            decided = self._states.decided(write, held)
            if decided is not None and not isinstance(decided, bytes):
                self._outcomes[index] = decided
            elif refused := too_large(write, len(decided or b""), self._largest):
                self._outcomes[index] = refused
            else:
                sent[index] = (Append(write.key, decided, secrets.token_hex(8)), held)
        if not sent:
            return
        for index in sent:
            self._outcomes[index] = Unknown("it was being published when the connection was lost")
        answers = await self._replay.append([append for append, _held in sent.values()])
        put_back: list[Append] = []
        for (index, (append, held)), landed in zip(sent.items(), answers, strict=True):
            self._outcomes[index] = self._outcome(self._writes[index], append, held, landed, put_back)
        await self._put_back(put_back)

    def _outcome(
        self, write: Write, append: Append, held: Held | None, landed: Landed | str, put_back: list[Append]
    ) -> Outcome:
        if isinstance(landed, str):
            return Unknown(f"the answer was lost ({landed})")
        before = None if landed.before is None else self._replay.version(landed.before.offset)
        if before != (None if held is None else held.version):
            # Somebody came between our look and our message: their state is put back, and ours planned again.
            if not landed.is_last or landed.before is None:
                return Unknown("somebody else published before it and after it")
            put_back.append(Append(write.key, landed.before.data, secrets.token_hex(8)))
            return Stale()
        if append.data is None:
            return Written(write.key or "")
        image = self._states.answer(write.key or "", append.data, self._replay.version(landed.offset))
        return Written(write.key or "", image if isinstance(image, Record) else None, alone=write.version is not None)

    async def _put_back(self, entries: list[Append]) -> None:
        """Publish the states of others again that ours followed unseen; and those that came meanwhile, too."""
        for _ in range(TRIES):
            if not entries:
                return
            ours = {each.key: self._replay.last(each.key or "") for each in entries}
            again: list[Append] = []
            for each, landed in zip(entries, await self._replay.append(entries), strict=True):
                held = ours[each.key]
                if isinstance(landed, str) or landed.before is None or held is None or not landed.is_last:
                    continue
                if self._replay.version(landed.before.offset) != held.version:
                    again.append(Append(each.key, landed.before.data, secrets.token_hex(8)))
            entries = again
