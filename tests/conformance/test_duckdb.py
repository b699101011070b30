"""DuckDB keeps the promises: by digests of rows, and by a column that counts their changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from datasyncd.adapters.duckdb.adapter import KIND, DuckdbOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged

FORMS: dict[str, dict[str, Any]] = {"rows": {}, "version": {"version": {"people": "version"}}}


@pytest.mark.parametrize("form", FORMS)
class TestDuckdb(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, form: str) -> Stage:
        with duckdb.connect(str(tmp_path / "app.duckdb")) as app:
            app.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
        return staged(KIND, DuckdbOptions(path="app.duckdb", lock_s=20, **FORMS[form]), tmp_path)
