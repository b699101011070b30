"""Fixtures for all tests: real servers, started when the first test of a process asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import mysql as mysql_server
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
