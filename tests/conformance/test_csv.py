"""CSV files keep the promises, with and without a lock, and in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.csv.adapter import KIND, CsvOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged

FORMS: dict[str, dict[str, Any]] = {
    "no lock": {},
    "lock": {"lock": True},
    "latin-1": {"encoding": "latin-1", "delimiter": ";"},
}


@pytest.mark.parametrize("form", FORMS)
class TestCsv(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, form: str) -> Stage:
        return staged(KIND, CsvOptions(path=".", **FORMS[form]), tmp_path)
