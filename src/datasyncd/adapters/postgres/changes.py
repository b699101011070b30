"""Changes: a table in which triggers note the keys of what was changed, and a channel that tells at once.

A pull since a cursor reads the keys that were noted since, and then the rows. The cursor is a transaction number, below
which nobody was at work any more when it was taken: so a transaction that commits late is never missed, however long it
takes, and what was read while it was at work may be read twice.
"""

from __future__ import annotations

import json

import msgspec

from datasyncd.adapters.contract import Cursor, ObjectSpec
from datasyncd.adapters.errors import NotFound, Unauthorised, Unsupported
from datasyncd.adapters.sql.table import Connection

from .names import shown
from .table import Table, table_of

KEPT_DAYS = 7
"""What was noted longer ago, and is behind the cursor, is deleted."""
OLDEST_US = (KEPT_DAYS - 1) * 86_400_000_000
"""A cursor that is older means nothing: what it asks for may be deleted by now."""
RENEWED_US = 86_400_000_000
"""A cursor is renewed after so long although nothing was changed."""
AT_A_TIME = 10_000
"""Rows that are deleted by one statement."""
BATCH = 1_000
"""Notes that are read by one statement."""

FUNCTION = "note_changes"
_EVENTS = {
    "INSERT": (4, "REFERENCING NEW TABLE AS new_rows "),
    "UPDATE": (16, "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "),
    "DELETE": (8, "REFERENCING OLD TABLE AS old_rows "),
    "TRUNCATE": (32, ""),
}
"""Event -> its bit in the catalog, and the rows that its trigger is given."""

_TRIGGERS = """
SELECT coalesce(bit_or(t.tgtype::int), 0) FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND n.nspname = $2 AND p.proname = $3
  AND t.tgargs = $4"""

_OVER = "pg_snapshot_xmin(pg_current_snapshot())::text"
"""SQL of the transaction number below which nobody is at work any more."""
_NEVER = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric < $1::numeric"
"""Whether a transaction number is yet to come."""


class Mark(msgspec.Struct, frozen=True):
    """How far the notes have been read."""

    table: int
    """The catalog's number of the table of notes: in another one the numbers of transactions mean nothing."""
    xid: str
    """All transactions below are over."""
    at: int
    """When it was taken, microseconds of the daemon's clock."""


class Noted(msgspec.Struct, frozen=True):
    """Some notes of one object, the oldest first."""

    keys: list[tuple[str, ...]]
    """Each once."""
    anything: bool
    """Something was changed that has no key: all rows have to be read."""
    xid: str
    """All transactions below were over when these notes were read; "": there are no notes."""
    place: tuple[str, int]
    """Where the next ones begin."""
    more: bool


BEGIN = ("0", 0)
"""The place before all notes."""


class Changes:
    """The table of notes, as it serves one object."""

    def __init__(self, notes: Table, table: Table, spec: ObjectSpec) -> None:
        self.id = notes.id
        self.channel = ".".join((notes.schema, notes.name))
        self.writes = f"SELECT set_config('datasyncd.writes', {_literal(self.channel)}, true)"
        """Says in a transaction that its writes need no notes."""
        self._notes = notes
        self._table = table
        self._keys = spec.keys
        self._args = b"".join(key.encode() + b"\0" for key in spec.keys)
        self._read = (
            f"SELECT c.xid::text, c.n, c.key, {_OVER} FROM {notes.sql} AS c WHERE c.relation = $1 "
            "AND c.xid >= $2::text::xid8 AND (c.xid, c.n) > ($3::text::xid8, $4) ORDER BY c.xid, c.n LIMIT $5"
        )
        self._clear = (
            f"DELETE FROM {notes.sql} WHERE n IN (SELECT n FROM {notes.sql} WHERE relation = $1 "
            f"AND xid < $2::text::xid8 AND at < now() - interval '{KEPT_DAYS} days' LIMIT {AT_A_TIME})"
        )

    @property
    def payload(self) -> str:
        """What the channel says when this object was changed."""
        return str(self._table.id)

    async def missing(self, connection: Connection) -> str:
        """The statements that are missing for all changes of the table to be noted, and why; "": none."""
        events = await connection.fetchval(_TRIGGERS, self._table.id, self._notes.schema, FUNCTION, self._args)
        missing = [event for event, (bit, _) in _EVENTS.items() if not events & bit]
        if not missing:
            return ""
        statements = "\n".join(map(self._trigger, missing))
        return (
            f"nothing notes in {self._notes.shown} each {' and '.join(missing)} of {self._table.shown}; "
            f"its owner can make what is missing:\n{statements}"
        )

    async def now(self, connection: Connection) -> str:
        """The present transaction number for a mark."""
        found: str = await connection.fetchval(f"SELECT {_OVER}")
        return found

    async def is_known(self, connection: Connection, mark: Mark, now: int) -> bool:
        """Whether the notes since a mark are all there."""
        if mark.table != self.id or now - mark.at > OLDEST_US:
            return False
        return not await connection.fetchval(_NEVER, mark.xid)

    async def since(self, connection: Connection, xid: str, place: tuple[str, int]) -> Noted:
        """Notes since a transaction number, behind a place."""
        rows = await connection.fetch(self._read, self._table.id, xid, *place, BATCH)
        keys = dict.fromkeys(tuple(key) for _, _, key, _ in rows if key is not None)
        anything = any(key is None or len(key) != len(self._keys) for _, _, key, _ in rows)
        last = rows[-1] if rows else (*place, None, "")
        return Noted(list(keys), anything, last[3], (last[0], last[1]), len(rows) == BATCH)

    async def clear(self, connection: Connection, xid: str) -> None:
        """Delete old notes that are behind a mark, where the role may."""
        if self._notes.may_delete:
            await connection.execute(self._clear, self._table.id, xid)

    async def forget(self, connection: Connection) -> None:
        """Delete all notes of the table, where the role may."""
        if self._notes.may_delete:
            await connection.execute(f"DELETE FROM {self._notes.sql} WHERE relation = $1", self._table.id)

    def triggers(self) -> list[str]:
        """The statements that let the changes of the table be noted."""
        return [self._trigger(event) for event in _EVENTS]

    def _trigger(self, event: str) -> str:
        args = ", ".join(map(_literal, self._keys))
        function = ".".join((shown(self._notes.schema), FUNCTION))
        return (
            f"CREATE TRIGGER datasyncd_{event.lower()} AFTER {event} ON {self._table.shown} {_EVENTS[event][1]}"
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}({args});"
        )


async def changes_of(connection: Connection, name: str, table: Table, spec: ObjectSpec) -> Changes:
    """The table of notes of this name, for one object. Raises `NotFound`, `Unauthorised`, `Unsupported`."""
    if not table.is_table:
        raise Unsupported(f"{table.shown} is a view, whose changes no trigger notes")
    try:
        notes = await table_of(connection, name)
    except NotFound:
        raise NotFound(
            f"there is no table {name!r}; the statements that make it are in the guide to PostgreSQL, "
            "under changes as they are made"
        ) from None
    hidden = [column for column in ("n", "xid", "relation", "key") if not _may_read(notes, column)]
    if hidden:
        raise Unauthorised(f"{notes.who} may not read {notes.shown}: {notes.grant('SELECT')}")
    changes = Changes(notes, table, spec)
    if missing := await changes.missing(connection):
        raise Unsupported(missing)
    return changes


def _may_read(notes: Table, name: str) -> bool:
    column = notes.columns.get(name)
    if column is None:
        raise Unsupported(f"the table {notes.shown} has no column {name!r}; it is none in which changes are noted")
    return column.may_select


def position(mark: Mark) -> Cursor:
    """A mark as a cursor."""
    return json.dumps({"changes": [mark.table, mark.xid, mark.at]})


def mark_of(cursor: Cursor | None) -> Mark | None:
    """The mark in a cursor, if it is one."""
    try:
        table, xid, at = json.loads(cursor or "")["changes"]
        return Mark(int(table), str(int(xid)), int(at))
    except (ValueError, TypeError, KeyError):
        return None


def _literal(text: str) -> str:
    """A text as it stands in SQL."""
    return "".join(("'", text.replace("'", "''"), "'"))
