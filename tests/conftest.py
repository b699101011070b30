"""Fixtures for all tests: real servers, started when the first test of a process asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import mysql as mysql_server
from tests.servers import nats as nats_server
from tests.servers import radicale, tryton
from tests.servers import redis as redis_server
from tests.servers.postgres import Database, Server, streaming


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; who stops it starts it again."""
    with streaming() as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> Database:
    """An empty PostgreSQL database."""
    return postgres.database()


@pytest.fixture(scope="session")
def postgres_16() -> Iterator[Server]:
    """An older PostgreSQL server."""
    with streaming(16) as server:
        yield server


@pytest.fixture
def mysql() -> Iterator[mysql_server.Database]:
    """An empty MariaDB or MySQL database."""
    with mysql_server.empty_database() as database:
        yield database


LOOSE = (
    "--sql-mode=", "--log-bin=binlog", "--binlog-format=STATEMENT", "--server-id=1", "--autocommit=0",
    "--character-set-server=latin1", "--skip-character-set-client-handshake", "--default-time-zone=+05:00",
    "--transaction-isolation=SERIALIZABLE", "--completion-type=CHAIN",
)  # fmt: skip
"""Settings of a server that takes what it gets, cuts what is too long, and has another zone and another alphabet."""


@pytest.fixture(scope="session")
def own_mysql() -> Iterator[mysql_server.Server]:
    """A MariaDB server that may be stopped, set as loosely as can be; who stops it starts it again."""
    with mysql_server.running(*LOOSE) as server:
        yield server


@pytest.fixture
def loose_mysql(own_mysql: mysql_server.Server) -> Iterator[mysql_server.Database]:
    """An empty database of that server."""
    with mysql_server.empty_database(own_mysql.port) as database:
        yield database


@pytest.fixture(scope="session")
def carddav() -> Iterator[radicale.Server]:
    """A CardDAV server."""
    with radicale.running() as server:
        yield server


@pytest.fixture
def book(carddav: radicale.Server) -> radicale.Book:
    """An empty address book."""
    return carddav.book()


@pytest.fixture(scope="session")
def nats() -> Iterator[nats_server.Server]:
    """A NATS server; who stops it starts it again."""
    with nats_server.running() as server:
        yield server


@pytest.fixture
def streams(nats: nats_server.Server) -> Iterator[nats_server.Streams]:
    """No streams yet, and none afterwards."""
    with nats_server.streams(nats) as streams:
        yield streams


@pytest.fixture(scope="session")
def redis_process() -> Iterator[redis_server.Server]:
    """A Redis server."""
    with redis_server.running() as server:
        yield server


@pytest.fixture
def redis(redis_process: redis_server.Server) -> redis_server.Server:
    """A Redis server with nothing in it; who stops it starts it again."""
    with redis_process.connected() as client:
        client.flushall()
    return redis_process


@pytest.fixture(scope="session")
def tryton_server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[tryton.Server]:
    """A Tryton server; all processes of a run of tests share the template of its databases."""
    base = tmp_path_factory.getbasetemp()
    with tryton.running(base if worker_id == "master" else base.parent) as server:
        yield server


@pytest.fixture
def crm(tryton_server: tryton.Server) -> tryton.Database:
    """A database of Tryton without parties."""
    for model in ("party.party", "party.category"):
        tryton_server.crm.clear(model)
    return tryton_server.crm
