"""The MariaDB or MySQL server of this machine, where one runs: a database a test, gone at the end."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import asyncmy
import pytest

import datasyncd.adapters.mysql

HOST, PORT, ADMIN = "127.0.0.1", 3306, "root"
"""Where it is looked for, and who may do everything there without a password."""
NOTES = Path(datasyncd.adapters.mysql.__path__[0]) / "changes.sql"
"""What makes the table in which changes are noted."""

_numbers = itertools.count(1)


class Database:
    """One database, and somebody who works in it with rights of their own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = PORT
        self.users: list[str] = []

    def dsn(self, user: str = ADMIN, port: int = PORT, options: str = "") -> str:
        return f"mysql://{user}@{HOST}:{port}/{self.name}{options}"

    async def run(self, *statements: str) -> None:
        """Execute statements, each in a transaction of its own."""
        async with self.connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.connected() as connection, connection.cursor() as cursor:
            await cursor.execute(sql, values or None)
            return list(await cursor.fetchall())

    async def many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        async with self.connected() as connection, connection.cursor() as cursor:
            await cursor.executemany(sql, rows)

    async def user(self, rights: str, *, on: str = "*") -> str:
        """A new user with these rights on a table, or on all."""
        name = f"{self.name}_{len(self.users) + 1}"
        self.users.append(name)
        await self.run(f"CREATE USER {name}@'%'")
        if rights:
            await self.run(f"GRANT {rights} ON {self.name}.{on} TO {name}@'%'")
        return name

    def connected(self, database: str | None = None) -> Connected:
        """A connection of somebody else, which commits each statement."""
        return Connected(self.name if database is None else database)

    @property
    def notes(self) -> str:
        """The table in which changes are noted."""
        return f"{self.name}.changes"


class Connected:
    """A connection, closed at the end."""

    def __init__(self, database: str) -> None:
        self._database = database

    async def __aenter__(self) -> Any:
        self._connection = await asyncmy.connect(
            host=HOST, port=PORT, user=ADMIN, database=self._database or None, charset="utf8mb4", autocommit=True
        )
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.ensure_closed()


async def notes_changes(database: Database, table: str, *keys: str) -> None:
    """Set up what notes the changes of a table, as the guide says; the table of notes is made by the first."""
    there = "SELECT 1 FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = %s"
    if not await database.rows(there, database.notes):
        await database.run(notes_table(database))
    await database.run(*triggers(database, table, *keys))


def notes_table(database: Database) -> str:
    """The statement that makes the table of notes, in a database of the tests."""
    text = NOTES.read_text(encoding="utf-8")
    return text[text.index("CREATE TABLE") :].replace("datasyncd.changes", database.notes)


def triggers(database: Database, table: str, *keys: str) -> list[str]:
    """The statements that let the changes of a table be noted."""
    made = []
    for event, sides in {"INSERT": ["NEW"], "UPDATE": ["NEW", "OLD"], "DELETE": ["OLD"]}.items():
        columns = [f"{kind}{n}" for kind, _ in zip(("key", "old"), sides, strict=False) for n, _ in enumerate(keys, 1)]
        values = [f"{side}.`{key}`" for side in sides for key in keys]
        made.append(
            f"CREATE TRIGGER datasyncd_{event.lower()}_{table} AFTER {event} ON `{table}` FOR EACH ROW "
            f"INSERT INTO {database.notes} (relation, writer, {', '.join(columns)}) "
            f"VALUES ('{database.name}.{table}', @datasyncd_writes, {', '.join(values)})"
        )
    return made


def needed() -> None:
    """Skip a test where no server runs; fail where that must not be."""
    try:
        socket.create_connection((HOST, PORT), 2).close()
    except OSError as error:
        reason = f"PREREQUISITE MISSING: no MariaDB or MySQL server at {HOST}:{PORT} ({type(error).__name__})"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; start one that lets {ADMIN} in without a password")
        pytest.skip(f"{reason}; start one that lets {ADMIN} in without a password")


@contextmanager
def empty_database() -> Iterator[Database]:
    """A new database, dropped at the end with the users that were made in it."""
    needed()
    database = Database(f"datasyncd_test_{os.getpid()}_{next(_numbers)}")
    anyio.run(_run, f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4")
    try:
        yield database
    finally:
        users = (f"DROP USER IF EXISTS {user}@'%'" for user in database.users)
        anyio.run(_run, f"DROP DATABASE {database.name}", *users)


async def _run(*statements: str) -> None:
    async with Connected("") as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)
