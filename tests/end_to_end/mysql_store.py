"""The preference centre in MariaDB instead of JSONL: the same words as the other stores."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import asyncmy
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.end_to_end.three_stores import CONFIG, FIELDS, Change, Edit, Row, edited, unique
from tests.servers.mysql import Database, notes_table, triggers

T = TypeVar("T")

TABLE = """CREATE TABLE people (
    id bigint unsigned AUTO_INCREMENT PRIMARY KEY, customer_id varchar(20) NOT NULL UNIQUE, email varchar(90),
    first_name varchar(90), last_name varchar(90), city varchar(40), note text, sms boolean, tags json, score integer,
    unmapped json DEFAULT '{}')"""

SYSTEM = """\
[systems.prefs]
adapter = "jsonl"
path = "prefs"
lock = true
"""
LINK = """\
[links.prefs.contact]
object = "people"
key = "id"
direction = "both"
live = true
opt_in = "write"
"""
DEADLOCK = 1213


def config(prefs: MysqlPrefs, user: str = "root", *, live: bool = True) -> str:
    """The config of the three stores, with MariaDB in the place of JSONL; `live`: by what triggers note."""
    changes = f'changes = "{prefs.database.notes}"\n' if live else ""
    text = CONFIG.replace(SYSTEM, f'[systems.prefs]\nadapter = "mysql"\ndsn = "{prefs.database.dsn(user)}"\n{changes}')
    assert "mysql" in text
    return text if live else text.replace(LINK, LINK.replace("live = true", 'every = "200ms"'))


class MysqlPrefs:
    """The table, as another program uses it, from any thread."""

    name = "prefs"

    def __init__(self, database: Database, portal: BlockingPortal) -> None:
        self.database = database
        self._portal = portal

    @classmethod
    @contextmanager
    def of(cls, database: Database) -> Iterator[MysqlPrefs]:
        """A store in a database."""
        with start_blocking_portal() as portal:
            yield cls(database, portal)

    def traces(self) -> dict[str, bytes]:
        """The number of the last note: each write is noted, ours as well."""
        return {
            "notes": str(self._portal.call(self.database.rows, f"SELECT max(n) FROM {self.database.notes}")).encode()
        }

    def user(self) -> str:
        """A user with no more rights than the daemon needs."""
        rights = "SELECT, INSERT, UPDATE, DELETE, TRIGGER"
        user: str = self._portal.call(self.database.user, "")
        self.run(*(f"GRANT {rights} ON {table} TO {user}@'%'" for table in ("people", "changes")))
        return user

    def run(self, *statements: str) -> None:
        self._portal.call(self.database.run, *statements)

    def create(self, people: Iterable[Row]) -> None:
        self.run(TABLE, notes_table(self.database), *triggers(self.database, "people", "id"))
        self.add(people)

    def add(self, people: Iterable[Row]) -> None:
        sql = f"INSERT INTO people ({', '.join(FIELDS)}) VALUES ({', '.join(['%s'] * len(FIELDS))})"
        rows = [tuple(_to_table(field, person[field]) for field in FIELDS) for person in people]
        self._portal.call(self.database.many, sql, rows)

    def delete(self, people: Iterable[str]) -> None:
        self._portal.call(
            self.database.many, "DELETE FROM people WHERE customer_id = %s", [(person,) for person in people]
        )

    def rows(self) -> dict[str, Row]:
        return unique(
            map(_from_table, self._portal.call(self.database.rows, f"SELECT {', '.join(FIELDS)} FROM people"))
        )

    def kill(self) -> int:
        """End all connections of the daemon; how many there were."""
        sql = "SELECT id FROM information_schema.PROCESSLIST WHERE db = %s AND user <> 'root'"
        found = self._portal.call(self.database.rows, sql, self.database.name)
        for (number,) in found:
            with suppress(asyncmy.OperationalError):  # it has ended by itself
                self.run(f"KILL {number}")
        return len(found)

    def edit(self, changes: Sequence[Change]) -> list[Edit]:
        async def work(cursor: Any) -> list[Edit]:
            made = []
            await cursor.execute("START TRANSACTION")
            for change in changes:
                await cursor.execute(
                    f"SELECT {', '.join(FIELDS)} FROM people WHERE customer_id = %s FOR UPDATE", (change.person,)
                )
                made.append(edited(self.name, change, _from_table(await cursor.fetchone())))
                await cursor.execute(
                    f"UPDATE people SET {change.field} = %s WHERE customer_id = %s",
                    (_to_table(change.field, change.value), change.person),
                )
            await cursor.execute("COMMIT")
            return made

        return self._with(work)

    def _with(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something with a connection; what collides with other writers is done again."""

        async def once() -> T:
            async with self.database.connected() as connection, connection.cursor() as cursor:
                return await work(cursor)

        while True:
            try:
                return self._portal.call(once)
            except asyncmy.OperationalError as error:
                if error.args[0] != DEADLOCK:
                    raise


def _to_table(field: str, value: Any) -> Any:
    if field == "tags":
        return json.dumps(sorted(value)) if value else None
    if field == "sms":
        return {"in": 1, "out": 0, None: None}[value]
    return value


def _from_table(found: Any) -> Row:
    row = dict(zip(FIELDS, found, strict=True))
    row["tags"] = tuple(sorted(json.loads(row["tags"] or "[]")))
    row["sms"] = {1: "in", 0: "out", None: None}[row["sms"]]
    return row
