"""SQLite keeps the promises."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from datasyncd.adapters.sqlite.adapter import KIND, SqliteOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged


@pytest.mark.parametrize("journal", ["delete", "wal"])
class TestSqlite(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, journal: str) -> Stage:
        with closing(sqlite3.connect(tmp_path / "app.db")) as app:
            app.execute(f"PRAGMA journal_mode = {journal}")
            app.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
        return staged(KIND, SqliteOptions(path="app.db"), tmp_path)
