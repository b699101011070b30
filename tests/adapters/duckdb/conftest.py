"""A database file, and somebody else who works in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import duckdb


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.Database]:
    with duckdb.database(tmp_path / "shop.duckdb") as made:
        yield made
