"""Parquet files keep the promises, with and without a lock, and in S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datasyncd.adapters.parquet.adapter import KIND, ParquetOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from tests.servers import s3


@pytest.mark.parametrize("locks", [False, True], ids=["no lock", "lock"])
class TestParquet(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path, locks: bool) -> Stage:
        return staged(KIND, ParquetOptions(path=".", lock=locks), tmp_path)


class TestParquetInS3(AdapterConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with s3.server(tmp_path) as server:
            yield staged(KIND, ParquetOptions(**server.options()), tmp_path)
