"""CSV files keep the promises, with and without a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.testing import AdapterConformance, Stage

from .folder import CsvStage


@pytest.mark.parametrize("locks", [False, True], ids=["no lock", "lock"])
class TestCsv(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, locks: bool) -> Stage:
        return CsvStage(tmp_path, locks)
