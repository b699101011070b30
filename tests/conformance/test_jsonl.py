"""JSON lines keep the promises, with and without a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.jsonl.adapter import KIND, JsonlOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged


@pytest.mark.parametrize("locks", [False, True], ids=["no lock", "lock"])
class TestJsonl(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, locks: bool) -> Stage:
        return staged(KIND, JsonlOptions(path=".", lock=locks), tmp_path)
