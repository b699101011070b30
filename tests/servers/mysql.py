"""The MariaDB or MySQL server of this machine, where one runs: a database a test, gone at the end.

Where its programs are installed, also servers of the tests' own, which may be set as they like, and stopped.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import anyio
import asyncmy
import pytest

import datasyncd.adapters.mysql
from tests.servers.postgres import UNPRIVILEGED, free_port, watched
from tests.servers.tls import certificate

HOST, PORT, ADMIN = "127.0.0.1", 3306, "root"
"""Where it is looked for, and who may do everything there without a password."""
NOTES = Path(datasyncd.adapters.mysql.__path__[0]) / "changes.sql"
"""What makes the table in which changes are noted."""

PROGRAMS = ("mariadbd", "mariadb-install-db", "openssl")
START_S = 60

_numbers = itertools.count(1)


class Database:
    """One database, and somebody who works in it with rights of their own."""

    def __init__(self, name: str, port: int = PORT) -> None:
        self.name = name
        self.port = port
        self.users: list[str] = []

    def dsn(self, user: str = ADMIN, port: int | None = None) -> str:
        return f"mysql://{user}@{HOST}:{port or self.port}/{self.name}"

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

    def connected(self) -> Connected:
        """A connection of somebody else, which commits each statement."""
        return Connected(self.name, self.port)

    @property
    def notes(self) -> str:
        """The table in which changes are noted."""
        return f"{self.name}.changes"


class Connected:
    """A connection, closed at the end."""

    def __init__(self, database: str, port: int) -> None:
        self._database = database
        self._port = port

    async def __aenter__(self) -> Any:
        self._connection = await asyncmy.connect(
            host=HOST,
            port=self._port,
            user=ADMIN,
            database=self._database or None,
            charset="utf8mb4",
            autocommit=True,
            init_command="SET NAMES utf8mb4",
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


def needed(what: str) -> NoReturn:
    """Skip a test that lacks something; fail where that must not be."""
    reason = f"PREREQUISITE MISSING: {what}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def empty_database(port: int = PORT) -> Iterator[Database]:
    """A new database, dropped at the end with the users that were made in it."""
    try:
        socket.create_connection((HOST, port), 2).close()
    except OSError as error:
        needed(
            f"no MariaDB or MySQL server at {HOST}:{port} ({type(error).__name__}); "
            f"start one that lets {ADMIN} in without a password"
        )
    database = Database(f"datasyncd_test_{os.getpid()}_{next(_numbers)}", port)
    anyio.run(_run, port, f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4")
    try:
        yield database
    finally:
        users = (f"DROP USER IF EXISTS {user}@'%'" for user in database.users)
        anyio.run(_run, port, f"DROP DATABASE {database.name}", *users)


async def _run(port: int, *statements: str) -> None:
    async with Connected("", port) as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)


class Server:
    """A MariaDB server of the tests' own, in a folder of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._settings = settings
        self.certificate = folder / "server.pem"
        """With which it encrypts, for whoever trusts it: of 127.0.0.1 alone."""
        self._user = pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            self._user = UNPRIVILEGED
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make its data folder."""
        made = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--user={self._user}", f"--datadir={self._folder / 'data'}",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        key = certificate(self._folder)[1]
        shutil.chown(key, self._user)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        data = self._folder / "data"
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--user={self._user}", f"--datadir={data}", f"--port={self.port}",
                 f"--socket={self._folder / 'socket'}", f"--pid-file={data / 'postmaster.pid'}",
                 f"--bind-address={HOST}", f"--ssl-cert={self.certificate}", f"--ssl-key={self._folder / 'server.key'}",
                 "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=2",
                 *self._settings],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), 1).close()
                return
            time.sleep(0.05)
        raise AssertionError(f"the server does not start: {(self._folder / 'log').read_text()}")

    def stop(self, mode: signal.Signals = signal.SIGTERM) -> None:
        """Stop it: SIGTERM in good order, SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(mode)
            self._process.wait(START_S)
            self._process = None


@contextmanager
def running(*settings: str) -> Iterator[Server]:
    """A server that runs, and is gone afterwards, also if the tests are killed."""
    programs = [program for program in PROGRAMS if shutil.which(program) is None]
    if programs:
        needed(f"no {', '.join(programs)} for a server of the tests' own; install mariadb-server and openssl")
    with tempfile.TemporaryDirectory(prefix="datasyncd-maria-") as name, watched(Path(name)):
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(folder, *settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)
