"""The preference centre in PostgreSQL instead of JSONL: the same words as the other stores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from tests.end_to_end.three_stores import CONFIG, FIELDS, Change, Edit, Row, edited, unique
from tests.servers.postgres import NOTES, Database, slot, triggers

T = TypeVar("T")

TABLE = """CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id text NOT NULL, email text, first_name text,
    last_name text, city text, note text, sms boolean, tags text[], score integer, unmapped jsonb DEFAULT '{}')"""

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


LIVE = ('changes = "datasyncd.changes"', "live = true")
"""Triggers note the changes, and the link hears of them."""
STREAMED = ('slot = "{database}"', "live = true")
"""A slot of the database's name tells the changes, and the link hears of them."""
NOW_AND_THEN = ("", 'every = "200ms"')
"""The table is read completely, and often."""


def config(dsn: str, mode: tuple[str, str] = LIVE) -> str:
    """The config of the three stores, with PostgreSQL in the place of JSONL."""
    options, link = mode[0].replace("{database}", dsn.rpartition("/")[2]), mode[1]
    text = CONFIG.replace(SYSTEM, f'[systems.prefs]\nadapter = "postgres"\ndsn = "{dsn}"\n{options}\n')
    text = text.replace(
        LINK, f'[links.prefs.contact]\nobject = "public.people"\nkey = "id"\ndirection = "both"\n{link}\n'
    )
    assert text.count("postgres") > 1
    return text


class PostgresPrefs:
    """The table, as another program uses it, from any thread."""

    name = "prefs"

    def __init__(self, database: Database, mode: tuple[str, str] = LIVE) -> None:
        self.database = database
        self._mode = mode
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @classmethod
    @contextmanager
    def of(cls, database: Database, mode: tuple[str, str] = LIVE) -> Iterator[PostgresPrefs]:
        """A store in a database, closed at the end."""
        prefs = cls(database, mode)
        try:
            yield prefs
        finally:
            prefs.close()

    def traces(self) -> dict[str, bytes]:
        """Where each row stands, and which transaction made it."""
        found = self._with(lambda c: c.fetch("SELECT customer_id, ctid::text, xmin::text FROM people"))
        return {f"row of {person}": f"{place} {maker}".encode() for person, place, maker in found}

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, *statements: str) -> None:
        self._with(lambda connection: _each(connection, statements))

    def create(self, people: Iterable[Row]) -> None:
        if self._mode == STREAMED:
            self.run(TABLE, *slot(self.database, "people"))
        else:
            self.run(TABLE, NOTES.read_text(encoding="utf-8"), *triggers("people", "id"))
        self.add(people)

    def add(self, people: Iterable[Row]) -> None:
        columns, marks = ", ".join(FIELDS), ", ".join(f"${n}" for n, _ in enumerate(FIELDS, 1))
        rows = [[_to_table(field, person[field]) for field in FIELDS] for person in people]
        sql = f"INSERT INTO people ({columns}) VALUES ({marks})"
        self._with(lambda connection: connection.executemany(sql, rows))

    def delete(self, people: Iterable[str]) -> None:
        self._with(lambda c: c.execute("DELETE FROM people WHERE customer_id = ANY ($1)", list(people)))

    def rows(self) -> dict[str, Row]:
        found = self._with(lambda c: c.fetch(f"SELECT {', '.join(FIELDS)} FROM people"))
        return unique(_from_table(row) for row in found)

    def edit(self, changes: Sequence[Change]) -> list[Edit]:
        async def work(connection: Any) -> list[Edit]:
            made = []
            async with connection.transaction():
                for change in changes:
                    found = await connection.fetchrow(
                        f"SELECT {', '.join(FIELDS)} FROM people WHERE customer_id = $1 FOR UPDATE", change.person
                    )
                    made.append(edited(self.name, change, _from_table(found)))
                    await connection.execute(
                        f"UPDATE people SET {change.field} = $1 WHERE customer_id = $2",
                        _to_table(change.field, change.value), change.person,
                    )  # fmt: skip
            return made

        return self._with(work)

    def _with(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something with a connection; what collides with other writers is done again."""

        async def once() -> T:
            connection = await asyncpg.connect(self.database.dsn())
            try:
                return await work(connection)
            finally:
                await connection.close()

        while True:
            try:
                return asyncio.run_coroutine_threadsafe(once(), self._loop).result(60)
            except asyncpg.DeadlockDetectedError:
                continue


async def _each(connection: Any, statements: Iterable[str]) -> None:
    for statement in statements:
        await connection.execute(statement)


def _to_table(field: str, value: Any) -> Any:
    if field == "tags":
        return sorted(value) or None
    if field == "sms":
        return {"in": True, "out": False, None: None}[value]
    return value


def _from_table(found: Any) -> Row:
    row = dict(zip(FIELDS, found, strict=True))
    row["tags"] = tuple(sorted(row["tags"] or ()))
    row["sms"] = {True: "in", False: "out", None: None}[row["sms"]]
    return row
