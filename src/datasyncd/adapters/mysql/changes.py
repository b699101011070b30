"""Changes: a table in which triggers note the keys of what was changed.

Notes are numbered as they are made, and come to be seen as their transactions are committed, which may be in another
order. So a cursor is the highest number that was seen, and the *gaps*: numbers below it that were not there. A gap is
looked at again until its note is there, or until no transaction holds it any more: then whoever took the number rolled
back. So a transaction that commits late is never missed, however long it takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Cursor, ObjectSpec
from datasyncd.adapters.errors import NotFound, Unauthorised, Unsupported
from datasyncd.adapters.sql.keys import Parts

from .connection import Connection, ServerError
from .names import backquoted
from .table import Table, created, table_of

KEPT_DAYS = 7
"""What was noted longer ago, and is behind the cursor, is deleted."""
OLDEST_US = (KEPT_DAYS - 1) * 86_400_000_000
"""A cursor that is older means nothing: what it asks for may be deleted by now."""
RENEWED_US = 86_400_000_000
"""A cursor is renewed after so long although nothing was changed."""
GRACE_US = 60_000_000
"""A number that nobody holds may still be on its way into the table for so long."""
AT_A_TIME = 10_000
"""Rows that are deleted by one statement."""
BATCH = 1_000
"""Notes that are read by one statement."""
MOST_GAPS = 500
"""Gaps that a cursor remembers; more are joined with what lies between them, which is then read again."""
MOST_PARTS = 4
"""Columns of a key for which the notes have room."""

_EVENTS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
"""Event -> where its trigger finds the key."""
_LOCKED = {1205, 3572}
"""Codes of a row that somebody holds, where nobody waits for it."""

_TRIGGERS = """
SELECT EVENT_MANIPULATION, ACTION_STATEMENT FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s AND ACTION_TIMING = 'AFTER'"""

_MAY_SEE_TRIGGERS = """
SELECT count(*) FROM (
    SELECT GRANTEE, PRIVILEGE_TYPE, TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLE_PRIVILEGES
    UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE, TABLE_SCHEMA, NULL FROM information_schema.SCHEMA_PRIVILEGES
    UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE, NULL, NULL FROM information_schema.USER_PRIVILEGES) AS p
WHERE PRIVILEGE_TYPE = 'TRIGGER' AND %s LIKE coalesce(TABLE_SCHEMA, '%%') AND coalesce(TABLE_NAME, %s) = %s"""

_CASCADES = """
SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s
AND NOT (DELETE_RULE IN ('RESTRICT', 'NO ACTION') AND UPDATE_RULE IN ('RESTRICT', 'NO ACTION'))"""

_PARTS = tuple(f"{kind}{n}" for kind in ("key", "old") for n in range(1, MOST_PARTS + 1))
_COLUMNS = ("n", "at", "relation", "writer", *_PARTS)


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Numbers for which there was no note."""

    first: int
    last: int
    at: int
    """When they were first found missing, microseconds of the daemon's clock."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far the notes have been read."""

    notes: str
    """When the table of notes was made: in another one numbers mean nothing."""
    table: str
    """When the table was made: what was done to another one of its name nobody noted."""
    n: int
    """The highest number that was seen."""
    at: int
    """When it was taken, microseconds of the daemon's clock."""
    gaps: tuple[Gap, ...] = ()


class Noted(msgspec.Struct, frozen=True):
    """Some notes of one object, by their numbers."""

    keys: list[Parts]
    """Each once."""
    place: int
    """Where the next ones begin."""
    more: bool


class Changes:
    """The table of notes, as it serves one object."""

    def __init__(self, notes: Table, table: Table, spec: ObjectSpec) -> None:
        self.relation = f"{table.schema}.{table.name}"
        self.writes = f"{notes.schema}.{notes.name} {self.relation}"
        """Says in a session whose notes its writes are no news for."""
        self.cascades: tuple[str, ...] = ()
        """Foreign keys by which rows are changed without a trigger being run."""
        self._notes = notes
        self._table = table
        self._decoders = [table.columns[name].form.decode for name in spec.keys]
        self._parts = [f"{kind}{n}" for kind in ("key", "old") for n, _ in enumerate(spec.keys, 1)]
        self._keys = spec.keys

    # Triggers

    async def missing(self, connection: Connection) -> str:
        """The statements that are missing for all changes of the table to be noted, and why; "": none."""
        rows = await connection.fetch(_TRIGGERS, self._table.schema, self._table.name)
        there = {(event, _squeezed(statement)) for event, statement in rows}
        missing = [event for event in _EVENTS if (event, _squeezed(self._statement(event))) not in there]
        if not missing:
            return ""
        statements = "\n".join(map(self._trigger, missing))
        return (
            f"nothing notes in {self._notes.shown} each {' and '.join(missing)} of {self._table.shown}; "
            f"its owner can make what is missing:\n{statements}"
        )

    def _statement(self, event: str) -> str:
        """What a trigger does."""
        values = [f"{_EVENTS[event]}.{backquoted(name)}" for name in self._keys]
        columns = self._parts[: len(self._keys)]
        if event == "UPDATE":
            columns = self._parts
            values += [f"OLD.{backquoted(name)}" for name in self._keys]
        return (
            f"INSERT INTO {self._notes.shown} (relation, writer, {', '.join(columns)}) "
            f"VALUES ({_literal(self.relation)}, @datasyncd_writes, {', '.join(values)})"
        )

    def triggers(self) -> list[str]:
        """The statements that let the changes of the table be noted."""
        return [self._trigger(event) for event in _EVENTS]

    async def forget(self, connection: Connection) -> None:
        """Delete all notes of the table, where the user may."""
        if self._notes.may_delete:
            await connection.execute(f"DELETE FROM {self._notes.sql} WHERE relation = %s", self.relation)

    def _trigger(self, event: str) -> str:
        name = backquoted(f"datasyncd_{event.lower()}_{self._table.name}"[:_LONGEST_NAME])
        of = f"{backquoted(self._table.schema)}.{name}"
        return f"CREATE TRIGGER {of} AFTER {event} ON {self._table.shown} FOR EACH ROW {self._statement(event)};"

    # Marks

    async def begin(self, connection: Connection, now: int) -> Mark:
        """The mark for a reading of everything that begins now."""
        made = await created(connection, self._notes), await created(connection, self._table)
        return await self._ahead(connection, Mark(*made, 0, now), now)

    async def is_known(self, connection: Connection, mark: Mark, now: int) -> bool:
        """Whether the notes since a mark are all there, and tell all that happened."""
        if now - mark.at > OLDEST_US or mark.n > await self.top(connection):
            return False
        return (mark.notes, mark.table) == (
            await created(connection, self._notes),
            await created(connection, self._table),
        )

    async def is_empty(self, connection: Connection) -> bool:
        """Whether there is no row: TRUNCATE may have done that, which no trigger notes."""
        return not await connection.fetch(f"SELECT 1 FROM {self._table.sql} LIMIT 1")

    async def top(self, connection: Connection) -> int:
        """The highest number that there is."""
        return int((await connection.fetch(f"SELECT coalesce(max(n), 0) FROM {self._notes.sql}"))[0][0])

    async def ahead(self, connection: Connection, mark: Mark, now: int) -> Mark:
        """The mark after a reading of the notes since another one. To be taken before they are read."""
        kept = []
        for gap in mark.gaps:
            if now - gap.at < GRACE_US or await self._is_held(connection, gap):
                kept += await self._gaps_in(connection, gap.first - 1, gap.last, gap.at)
        return await self._ahead(connection, msgspec.structs.replace(mark, gaps=tuple(kept)), now)

    async def _ahead(self, connection: Connection, mark: Mark, now: int) -> Mark:
        top = await self.top(connection)
        new = await self._gaps_in(connection, mark.n, top, now) if top > mark.n else []
        return msgspec.structs.replace(mark, n=max(top, mark.n), at=now, gaps=_joined([*mark.gaps, *new]))

    async def _gaps_in(self, connection: Connection, after: int, last: int, at: int) -> list[Gap]:
        """Numbers from one behind `after` to `last` for which there is no note."""
        sql = (
            "SELECT before_it, n FROM (SELECT n, coalesce(lag(n) OVER (ORDER BY n), %s) AS before_it FROM "
            f"{self._notes.sql} WHERE n > %s AND n <= %s) AS there WHERE n > before_it + 1"
        )
        found = [Gap(int(a) + 1, int(b) - 1, at) for a, b in await connection.fetch(sql, after, after, last)]
        ((highest,),) = await connection.fetch(
            f"SELECT coalesce(max(n), %s) FROM {self._notes.sql} WHERE n > %s AND n <= %s", after, after, last
        )
        return found if int(highest) >= last else [*found, Gap(int(highest) + 1, last, at)]

    async def _is_held(self, connection: Connection, gap: Gap) -> bool:
        """Whether a transaction that is at work has notes in a gap, or they have come to be seen."""
        sql = f"SELECT n FROM {self._notes.sql} WHERE n BETWEEN %s AND %s LIMIT 1 FOR UPDATE NOWAIT"
        try:
            return bool(await connection.fetch(sql, gap.first, gap.last))
        except ServerError as error:
            if error.code not in _LOCKED:
                raise
            return True

    # Notes

    async def between(self, connection: Connection, mark: Mark, ahead: Mark, place: int) -> Noted:
        """Notes since a mark, as far as another one, with numbers above `place`."""
        spans = [(gap.first, gap.last) for gap in mark.gaps]
        spans.append((mark.n + 1, ahead.n))
        where = " OR ".join(["n BETWEEN %s AND %s"] * len(spans))
        sql = (
            f"SELECT n, {', '.join(self._parts)} FROM {self._notes.sql} WHERE relation = %s AND n > %s AND ({where}) "
            f"AND NOT (writer <=> %s) ORDER BY n LIMIT {BATCH}"
        )
        rows = await connection.fetch(sql, self.relation, place, *(n for span in spans for n in span), self.writes)
        width = len(self._keys)
        keys = dict.fromkeys(
            key
            for row in rows
            for part in (row[1 : width + 1], row[width + 1 :])
            if (key := self._key(part)) is not None
        )
        return Noted(list(keys), rows[-1][0] if rows else place, len(rows) == BATCH)

    def _key(self, texts: Sequence[str | None]) -> Parts | None:
        """The texts of a key as records have them, of those that the server made."""
        parts = []
        for text, decode in zip(texts, self._decoders, strict=True):
            if text is None:
                return None
            parts.append(text if decode is None else str(decode(text)))
        return tuple(parts)

    async def clear(self, connection: Connection, mark: Mark) -> None:
        """Delete old notes that are behind a mark, where the user may. Behind a gap nothing is touched: somebody may
        hold it."""
        if not self._notes.may_delete:
            return
        old = f"at < CURRENT_TIMESTAMP - INTERVAL {KEPT_DAYS} DAY"
        oldest = f"SELECT n, at FROM {self._notes.sql} WHERE relation = %s ORDER BY n LIMIT 1"
        if await connection.fetch(f"SELECT n FROM ({oldest}) AS oldest WHERE {old}", self.relation):
            behind = min([mark.n, *(gap.first for gap in mark.gaps)])
            sql = f"DELETE FROM {self._notes.sql} WHERE relation = %s AND n < %s AND {old} ORDER BY n LIMIT {AT_A_TIME}"
            await connection.execute(sql, self.relation, behind)


_LONGEST_NAME = 64


async def changes_of(connection: Connection, name: str, table: Table, spec: ObjectSpec) -> Changes:
    """The table of notes of this name, for one object. Raises `NotFound`, `Unauthorised`, `Unsupported`."""
    if not table.is_table:
        raise Unsupported(f"{table.shown} is a view, whose changes no trigger notes")
    for part in spec.keys:
        # As a text it would be in the time zone of whoever writes.
        if table.columns[part].type_name == "timestamp" or len(spec.keys) > MOST_PARTS:
            raise Unsupported(f"the key of {table.shown} cannot be noted: {MOST_PARTS} columns at most, no timestamp")
    try:
        notes = await table_of(connection, name)
    except NotFound:
        raise NotFound(
            f"there is no table {name!r}, or the user has no right there; the statements that make it are in the guide "
            "to MariaDB and MySQL, under changes as they are made"
        ) from None
    lacking = [column for column in _COLUMNS if column not in notes.columns]
    if lacking:
        raise Unsupported(f"{notes.shown} has no column {lacking[0]!r}; it is no table in which changes are noted")
    if not all(notes.columns[column].may_select for column in _COLUMNS):
        raise Unauthorised(f"{notes.who} may not read {notes.shown}: {notes.grant('SELECT, DELETE')}")
    changes = Changes(notes, table, spec)
    if missing := await changes.missing(connection):
        ((seen,),) = await connection.fetch(_MAY_SEE_TRIGGERS, table.schema, table.name, table.name)
        if not seen:
            raise Unauthorised(f"{table.who} may not see which triggers there are: {table.grant('TRIGGER')}")
        raise Unsupported(missing)
    found = await connection.fetch(_CASCADES, table.schema, table.name)
    changes.cascades = tuple(constraint for (constraint,) in found)
    return changes


def position(mark: Mark) -> Cursor:
    """A mark as a cursor."""
    return json.dumps({"changes": msgspec.to_builtins(mark)})


def mark_of(cursor: Cursor | None) -> Mark | None:
    """The mark in a cursor, if it is one."""
    try:
        found: Any = json.loads(cursor or "")["changes"]
        return msgspec.convert(found, Mark)
    except (ValueError, TypeError, KeyError, msgspec.ValidationError):
        return None


def _joined(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps by their numbers; of too many, two neighbours are made one."""
    found = sorted(gaps, key=lambda gap: gap.first)
    while len(found) > MOST_GAPS:
        pairs = [found[n : n + 2] for n in range(0, len(found), 2)]
        found = [Gap(pair[0].first, pair[-1].last, max(gap.at for gap in pair)) for pair in pairs]
    return tuple(found)


def _squeezed(statement: str) -> str:
    """A statement without what does not matter in it."""
    return re.sub(r"\s+", " ", statement.replace("`", "")).strip().rstrip(";")


def _literal(text: str) -> str:
    """A text as it stands in SQL."""
    return "".join(("'", text.replace("\\", "\\\\").replace("'", "''"), "'"))
