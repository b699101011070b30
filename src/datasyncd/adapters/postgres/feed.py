"""Feed: the stream of one slot, as it serves all objects of a system.

The slot keeps the server's log for us until we say that it is needed no more. That is said of a place in the log when
every object has been pulled since a cursor at that place or behind it: such a cursor comes from the daemon's state, so
that all before it is committed there. What was told beyond it is kept in memory, and told again after a restart.

A cursor can be followed if it was made in the same log (server and timeline), and nothing behind it was said to be
needed no more by anybody. So a slot that was made anew, one that somebody else has read, a state that was restored from
a backup and a server that was restored from one all come to the same: everything is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence, Set
from itertools import takewhile

import anyio
import msgspec

from datasyncd.adapters.contract import Context, Cursor
from datasyncd.adapters.errors import AdapterError, Transient, Unauthorised
from datasyncd.adapters.sql.table import Connection

from .pgoutput import Lsn
from .session import Sessions
from .slot import Standing, standing, terms
from .table import Table
from .told import Own, Told, Transaction
from .walsender import SlotInUse, SlotUnusable, Walsender

IN_USE_S = 3.0
"""How long somebody who reads the slot may take to leave it: the server may not know yet that a client is gone."""
QUESTION_S = 1.0
"""How long to wait for an answer to the question where the server is, before it is asked again."""
STEP_S = 0.002
VISIBLE_S = 0.5
"""How long a transaction that was told may take to be seen by everybody, before others go on without it."""
AGAIN_S = 1.0
"""After so long somebody is told to look whether everybody sees it now."""
RENEWED = 16 * 1024 * 1024
"""The log may grow by so many bytes before a cursor is renewed, although nothing of its object was changed."""

HELD_S = 3600.0
"""For how long an object that is not pulled may let the server keep more than the bound."""

_CONFIRMED = (
    "SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::int8 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1"
)
_SNAPSHOT = "SELECT pg_current_snapshot()::text"
_HALF = 1 << 31


class Log(msgspec.Struct, frozen=True):
    """Which log it is that places are in."""

    system: str
    timeline: str


class Front(msgspec.Struct, frozen=True):
    """How far the log was heard, and is seen by everybody."""

    position: Lsn
    terms: str
    """On which the changes of the object are told, as of before it."""
    transactions: Sequence[Transaction]
    """All that are remembered before it, the first committed first."""


class Feed:
    """The stream of one slot."""

    def __init__(self, context: Context, sessions: Sessions, slot: str, publication: str, bound: int) -> None:
        """`bound`: bytes of the log that the slot may keep before somebody should know."""
        self.slot = slot
        self.publication = publication
        self.concern = ""
        """What somebody should know of the slot; "": nothing."""
        self.figures: dict[str, int] = {}
        """What was measured of it last."""
        self.told = Told({})
        self._context = context
        self._sessions = sessions
        self._bound = bound
        self._sender: Walsender | None = None
        self._log = Log("", "")
        self._floor: Lsn = 0
        """Nothing before is told any more."""
        self._tables: dict[str, int] = {}
        self._committed: dict[str, Lsn] = {}
        """By object: all before is in the state."""
        self._asked: dict[str, float] = {}
        """By object: when it was last pulled since a cursor."""
        self._began = 0.0
        self._news: dict[str, anyio.Event] = {}
        self._nudged: dict[str, Lsn] = {}
        """By object: where the log was when a cursor was last asked to be renewed."""
        self._opening = anyio.Lock()

    @property
    def is_open(self) -> bool:
        return self._sender is not None and self._sender.ended is None

    @property
    def error(self) -> AdapterError | None:
        """What the server said when it ended the stream."""
        return None if self._sender is None else self._sender.error

    @property
    def position(self) -> Lsn:
        """Up to here everything was told."""
        if self._sender is None or self.told.is_inside:
            return self.told.end
        return max(self.told.end, self._sender.position, self._floor)

    def follow(self, object: str, table: int, keys: tuple[str, ...]) -> None:
        """Hear what happens in a table, too. What was told of it so far is told again."""
        self._tables[object] = table
        if self.told.keys.get(table) != keys:
            self.told.keys[table] = keys
            self.close()

    def close(self) -> None:
        """End the stream; the next one begins with what is not known to be committed here."""
        if self._sender is not None:
            self._sender.close()
        self._wake()

    async def allowed(self, table: Table) -> None:
        """Raise `Unauthorised` if no stream may be opened, with the statement that would allow it."""
        if self.is_open:
            return
        try:
            connection = await self._sessions.replication()
        except Unauthorised as error:
            if "pg_hba" in str(error):
                raise
            raise Unauthorised(
                f"{self._context.system}: {table.who} may not replicate: ALTER ROLE {table.grantee} REPLICATION;"
            ) from None
        self._sessions.end(connection)

    async def open(self) -> None:
        """Begin to hear, unless that has begun. Raises `SlotUnusable`, and what `Sessions` raises."""
        async with self._opening:
            until = anyio.current_time() + IN_USE_S
            while not self.is_open:
                try:
                    await self._open()
                    if not self.is_open:
                        raise self.error or Transient(f"{self._sessions.place}: the stream of changes ended at once")
                except SlotInUse as error:
                    self.concern = str(error)
                    if anyio.current_time() > until:
                        raise
                    await anyio.sleep(IN_USE_S / 20)

    async def _open(self) -> None:
        await self.look()
        self._began = self._began or anyio.current_time()
        connection = await self._sessions.replication()
        sender: Walsender | None = None
        try:
            sender = Walsender(connection, self.slot, self._sessions.place)
            system, timeline, *_ = (await sender.ask("IDENTIFY_SYSTEM"))[0]
            self.told = Told(self.told.keys)
            self._sender = sender
            await sender.start(self.publication, self._hear, self._wake_if_ended)
            async with self._sessions.use() as other:
                self._floor = await other.fetchval(_CONFIRMED, self.slot) or 0
        except BaseException:
            self._sessions.end(connection)
            if sender is not None:
                sender.close()
            raise
        self._log = Log(str(system), str(timeline))

    async def look(self) -> None:
        """Look how it stands with the slot. Raises `SlotUnusable`."""
        async with self._sessions.use() as connection:
            found = await self.looked(connection)
        if found.why_not:
            raise SlotUnusable(found.why_not)

    async def looked(self, connection: Connection) -> Standing:
        """How it stands with the slot, for whoever asks later, too."""
        found = await standing(connection, self.slot, self._bound)
        self.concern, self.figures = found.why_not or found.warning, found.figures
        return found

    # What was told

    async def front(self, object: str) -> Front:
        """All that is committed now. Raises `SlotUnusable`, `Transient`."""
        await self.open()
        told = self.told
        asked = list(told.unseen)
        async with self._sessions.use() as connection:
            now = await terms(connection, self.publication, self._tables[object])
        await self._reach(now.flushed)
        told.are_seen(set(asked) - running(asked, now.snapshot))
        step, until = STEP_S, anyio.current_time() + VISIBLE_S
        while told is self.told:
            # What is told while the server is asked counts the next time.
            position, known, asked = self.position, list(told.transactions), list(told.unseen)
            hidden = running(asked, await self._snapshot()) if asked else set()
            told.are_seen(set(asked) - hidden)
            if not hidden:
                return Front(position, now.terms, known)
            if anyio.current_time() > until:
                asyncio.get_running_loop().call_later(AGAIN_S, self._set, object)
                return self._before(hidden, now.terms, known)
            await anyio.sleep(step)
            step *= 2
        raise Transient(f"{self._sessions.place}: the stream of changes was opened anew")

    def _before(self, hidden: Set[int], on_terms: str, known: Sequence[Transaction]) -> Front:
        """What comes before the first transaction that is hidden."""
        visible = list(takewhile(lambda transaction: transaction.xid not in hidden, known))
        return Front(visible[-1].end if visible else self._floor, on_terms, visible)

    async def _reach(self, flushed: Lsn) -> None:
        """Hear everything up to a place in the log. It may lie inside a record, which is told when it is all there."""
        moved, heard, place = anyio.current_time(), anyio.current_time(), self.position
        while self.position < flushed:
            sender = self._sender
            if sender is None:
                raise Transient(f"{self._sessions.place}: the stream of changes was closed")
            answered = await sender.question(QUESTION_S)
            now = anyio.current_time()
            if answered:
                heard = now
            if self.position != place or self.told.is_inside:
                moved, place = now, self.position
            elif answered and now - moved > QUESTION_S:
                return
            if now - heard > self._sessions.answer_s:
                self.close()
                raise Transient(f"{self._sessions.place}: the stream of changes stands still")
            if self.position < flushed:
                await anyio.sleep(STEP_S)

    async def _snapshot(self) -> str:
        async with self._sessions.use() as connection:
            found: str = await connection.fetchval(_SNAPSHOT)
            return found

    # Cursors

    def cursor(self, front: Front) -> Cursor:
        log = self._log
        return json.dumps({"slot": [log.system, log.timeline, self.slot, front.position, front.terms]})

    def place_of(self, cursor: Cursor | None, front: Front) -> Lsn | None:
        """The place that a cursor stands for; None: not all that was changed since is told."""
        try:
            system, timeline, slot, place, on_terms = json.loads(cursor or "")["slot"]
            place = int(place)
        except (ValueError, TypeError, KeyError):
            return None
        if (Log(system, timeline), slot, on_terms) != (self._log, self.slot, front.terms):
            return None
        return place if self._floor <= place <= self.position else None

    def commit(self, object: str, place: Lsn) -> None:
        """All before a place is in the state, for one object; what is so for all of them the server may forget."""
        self._committed[object] = max(place, self._committed.get(object, 0))
        self._asked[object] = anyio.current_time()
        least = min(self._committed.get(name, 0) for name in self._context.objects if not self._holds_up(name))
        if least > self._floor and self._sender is not None:
            self._floor = least
            self.told.forget(least)
            self._sender.acknowledge(least)

    def _holds_up(self, object: str) -> bool:
        """Whether an object that nobody pulls any more lets the server keep too much; it is read completely then."""
        behind = self.position - self._committed.get(object, 0)
        return behind > self._bound and anyio.current_time() - self._asked.get(object, self._began) > HELD_S

    def is_far(self, place: Lsn) -> bool:
        """Whether the log has grown so much since a cursor that it should be renewed."""
        return self.position - place > RENEWED

    # Our own

    def ours(self, xid: int, object: str, own: Own) -> None:
        self.told.ours(xid, self._tables[object], own)

    def not_ours(self, xid: int) -> None:
        self.told.not_ours(xid)

    # Hints

    def listen(self, object: str) -> None:
        """From now on `news` tells what comes."""
        self._news[object] = anyio.Event()

    async def news(self, object: str, timeout_s: float) -> bool:
        """Wait until something of an object was told, its cursor should be renewed or the stream ended; false: it is
        quiet."""
        event = self._news[object]
        with anyio.move_on_after(timeout_s):
            await event.wait()
        if event.is_set():
            self._news[object] = anyio.Event()
        return event.is_set()

    async def is_alive(self) -> bool:
        """Whether the server answers over the stream; asked when it was quiet for long."""
        try:
            return self._sender is not None and await self._sender.question(self._sessions.answer_s)
        except AdapterError:
            return False

    def _hear(self, data: bytes) -> None:
        transaction = self.told.hear(data)
        if transaction is not None:
            for object, table in self._tables.items():
                if self.told.has_news(transaction, table):
                    self._set(object)

    def _wake_if_ended(self) -> None:
        if not self.is_open:
            self._wake()
            return
        position = self.position
        for object, place in self._committed.items():
            if position - max(place, self._nudged.get(object, 0)) > RENEWED:
                self._nudged[object] = position
                self._set(object)

    def _wake(self) -> None:
        for object in self._tables:
            self._set(object)

    def _set(self, object: str) -> None:
        if object in self._news:
            self._news[object].set()


def running(xids: Sequence[int], snapshot: str) -> set[int]:
    """Of transactions that were told, those whose rows nobody sees yet.

    A commit is told as soon as it is on disk; others see it a moment later, and where standbys have to confirm it, much
    later. A row that is read before shows what was before.
    """
    return {xid for xid in xids if is_running(xid, snapshot)}


def is_running(xid: int, snapshot: str) -> bool:
    """Whether a transaction, of whose number there are 32 bits, is not over in a snapshot as the server writes it."""
    _, end, running = snapshot.split(":")
    above = int(end)
    whole = above + (xid - above + _HALF) % (2 * _HALF) - _HALF
    return whole >= above or str(whole) in running.split(",")
