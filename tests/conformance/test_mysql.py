"""MariaDB keeps the promises: by digests of rows, by a column that counts their changes, and by notes of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.mysql.adapter import KIND, MysqlOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from tests.servers.mysql import Database, notes_table


async def stage_in(database: Database, **options: Any) -> Stage:
    """A table that is as the options say, in a database that has what they name."""
    if "changes" in options:
        await database.run(notes_table(database))
    return staged(KIND, MysqlOptions(dsn=database.dsn(), **options), Path())


class TestMysql(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        return await stage_in(mysql)


class TestMysqlWithAVersion(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        return await stage_in(mysql, version={"people": "row_version"})


class TestMysqlWithNotesOfChanges(AdapterConformance):
    @pytest.fixture
    async def stage(self, mysql: Database) -> Stage:
        return await stage_in(mysql, changes=mysql.notes)


class TestMysqlOnALooseServer(AdapterConformance):
    @pytest.fixture
    async def stage(self, loose_mysql: Database) -> Stage:
        return await stage_in(loose_mysql, changes=loose_mysql.notes)
