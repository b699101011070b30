"""Told: what the messages of a stream come to: transactions, each with the keys of the rows that it changed.

Pure: no connection, no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Set

import msgspec

from datasyncd.adapters.contract import Key
from datasyncd.adapters.sql.keys import Parts, key_of

from .pgoutput import (
    Begin,
    Commit,
    Delete,
    Insert,
    Lsn,
    Relation,
    Row,
    Truncate,
    Unsent,
    Update,
    decode,
)

MOST_KEYS = 200_000
"""More keys are not kept in memory: what is told beyond means that all rows have to be read."""
MOST_OWN = 10_000
"""Transactions of our own that are remembered until they are told."""
MOST_UNSEEN = 100_000
"""Transactions that are told, and of which it is not known yet that everybody sees what they did."""


class Transaction(msgspec.Struct):
    """One that was committed."""

    xid: int
    """Its number, 32 bits of it."""
    end: Lsn = 0
    keys: dict[int, dict[Parts, bool]] = {}
    """By table: the keys of rows that it changed; true: the last thing that it did to it was to delete it."""
    anything: set[int] = set()
    """Tables of which it may have changed any row."""


Own = dict[Key, bool]
"""Keys of rows that a transaction of ours changed; true: it deleted it."""


class Told:
    """What was told since some place in the log, the first committed first."""

    def __init__(self, keys: Mapping[int, tuple[str, ...]]) -> None:
        """`keys`: by table, its columns that make a record's key; what happens in other tables is no matter."""
        self.keys = dict(keys)
        self.transactions: deque[Transaction] = deque()
        self.unseen: deque[int] = deque(maxlen=MOST_UNSEEN)
        self.end: Lsn = 0
        """Where the last transaction ended, whatever it changed."""
        self.is_inside = False
        """Between the beginning and the end of a transaction."""
        self._relations: dict[int, tuple[tuple[int, ...], int] | None] = {}
        """By table: the places of its key's columns, and how many columns there are; None: it has none such."""
        self._now = Transaction(0)
        self._count = 0
        self._own: OrderedDict[int, dict[int, Own]] = OrderedDict()

    def hear(self, data: bytes) -> Transaction | None:
        """Take one message; the transaction that it ends, if it does. Raises `Malformed`."""
        match message := decode(data):
            case Insert():
                self._changed(message.relation, None, message.new)
            case Update():
                self._changed(message.relation, message.old, message.new)
            case Delete():
                self._changed(message.relation, message.old, None)
            case Begin():
                self._now, self.is_inside = Transaction(message.xid), True
            case Commit():
                return self._ended(message.end)
            case Relation():
                self._described(message)
            case Truncate():
                self._now.anything.update(id for id in message.relations if id in self.keys)
        return None

    def forget(self, lsn: Lsn) -> None:
        """What ends here or before is needed no more."""
        while self.transactions and self.transactions[0].end <= lsn:
            gone = self.transactions.popleft()
            self._own.pop(gone.xid, None)
            self._count -= sum(map(len, gone.keys.values()))

    def are_seen(self, xids: Set[int]) -> None:
        """Everybody sees what these transactions did."""
        self.unseen = deque((xid for xid in self.unseen if xid not in xids), MOST_UNSEEN)

    # Our own

    def ours(self, xid: int, table: int, own: Own) -> None:
        """A transaction of ours is about to be committed; what it made of these rows we know."""
        self._own.setdefault(xid, {})[table] = own
        while len(self._own) > MOST_OWN:
            self._own.popitem(last=False)

    def not_ours(self, xid: int) -> None:
        """It was not committed, or nobody knows: what is told of it is news."""
        self._own.pop(xid, None)

    def has_own(self, transaction: Transaction) -> bool:
        """Whether it is one of ours."""
        return transaction.xid in self._own

    def is_news(self, transaction: Transaction, table: int, key: Key | None, parts: Parts) -> bool:
        """Whether a key that was told is of a row that somebody else changed, or of one that ended otherwise than we
        know."""
        own = self._own.get(transaction.xid)
        if own is None or key is None:
            return True
        return own.get(table, {}).get(key) is not transaction.keys[table][parts]

    def has_news(self, transaction: Transaction, table: int) -> bool:
        """Whether somebody should look at a table. Says yes where keys have to be compared by the server."""
        return table in transaction.anything or any(
            self.is_news(transaction, table, key_of(parts), parts) for parts in transaction.keys.get(table, ())
        )

    # Messages

    def _described(self, relation: Relation) -> None:
        names = self.keys.get(relation.id)
        if names is None or not set(names) <= set(relation.columns):
            self._relations[relation.id] = None
        else:
            places = tuple(map(relation.columns.index, names))
            self._relations[relation.id] = (places, len(relation.columns))

    def _changed(self, table: int, old: Row | None, new: Row | None) -> None:
        if table not in self.keys or table in self._now.anything:
            return
        known = self._relations.get(table)
        if known is None:
            self._now.anything.add(table)
            return
        places, width = known
        before = None if old is None else _key(old, places, width)
        after = None if new is None else _key(new, places, width, before)
        keys = self._now.keys.setdefault(table, {})
        if before is not None and before != after:
            keys.pop(before, None)
            keys[before] = True
        if after is not None:
            keys.pop(after, None)
            keys[after] = False
        if (new is None and before is None) or (new is not None and after is None and _is_cut(new, places)):
            # It cannot be told which row it was.
            self._now.anything.add(table)
        if len(keys) > MOST_KEYS:
            self._now.anything.add(table)
            keys.clear()

    def _ended(self, end: Lsn) -> Transaction | None:
        now, self._now, self.is_inside = self._now, Transaction(0), False
        self.end = end
        if not now.keys and not now.anything:
            return None
        now.end = end
        self.unseen.append(now.xid)
        self._count += sum(map(len, now.keys.values()))
        self.transactions.append(now)
        if self._count > MOST_KEYS:
            self._overflow(end)
        return now

    def _overflow(self, end: Lsn) -> None:
        """Keep no keys, only which tables have to be read."""
        tables = {table for known in self.transactions for table in (*known.keys, *known.anything)}
        xid = self.transactions[-1].xid
        self.transactions.clear()
        self.transactions.append(Transaction(xid, end, {}, tables))
        self._count = 0


def _key(row: Row, places: tuple[int, ...], width: int, before: Parts | None = None) -> Parts | None:
    """The key of a row; None: it has none, or it was not sent."""
    if len(row) != width:
        return None
    parts = []
    for n, place in enumerate(places):
        value = row[place]
        if isinstance(value, Unsent) and before is not None:
            value = before[n]
        if not isinstance(value, str):
            return None
        parts.append(value)
    return tuple(parts)


def _is_cut(row: Row, places: tuple[int, ...]) -> bool:
    """Whether part of a key was not sent, other than NULL."""
    return any(place >= len(row) or isinstance(row[place], Unsent) for place in places)
