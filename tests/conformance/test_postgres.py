"""PostgreSQL keeps the promises: by digests of rows, a column that counts changes, or stamps; by notes or by a slot."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.adapters.postgres.adapter import KIND, PostgresOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from tests.servers.postgres import NOTES, Database, Server

CHANGES = "datasyncd.changes"


async def stage_in(database: Database, **options: Any) -> Stage:
    """A table that is as the options say, in a database that has what they name."""
    if "changes" in options:
        await database.run(NOTES.read_text(encoding="utf-8"))
    return staged(KIND, PostgresOptions(dsn=database.dsn(), **options), database.server.folder)


class TestPostgres(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        return await stage_in(database)


class TestPostgresWithAVersion(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        return await stage_in(database, version={"people": "row_version"})


class TestPostgresWithStamps(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        return await stage_in(database, version={"people": "xmin"})


class TestOlderPostgresWithStampsAndASlot(AdapterConformance):
    @pytest.fixture
    async def stage(self, postgres_16: Server) -> Stage:
        return await stage_in(postgres_16.database(), version={"people": "xmin"}, slot="of_the_daemon")


class TestPostgresWithNotesOfChanges(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        return await stage_in(database, changes=CHANGES)


class TestOlderPostgres(AdapterConformance):
    @pytest.fixture
    async def stage(self, postgres_16: Server) -> Stage:
        return await stage_in(postgres_16.database(), changes=CHANGES)


class TestPostgresWithASlot(AdapterConformance):
    @pytest.fixture
    async def stage(self, database: Database) -> Stage:
        return await stage_in(database, slot="of_the_daemon")


class TestOlderPostgresWithASlot(AdapterConformance):
    @pytest.fixture
    async def stage(self, postgres_16: Server) -> Stage:
        return await stage_in(postgres_16.database(), slot="of_the_daemon")
