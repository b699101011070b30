"""Fixtures of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.three_stores import Stores
from tests.torture.load import everybody


@pytest.fixture(scope="module")
def in_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stores that are in step."""
    stores = Stores.of(tmp_path_factory.mktemp("in_step"), everybody())
    done = stores.sync()
    assert (done.code, done.document["failed"]) == (0, {})
    return stores.folder


@pytest.fixture
def stores(in_step: Path, tmp_path: Path) -> Stores:
    """A copy of them."""
    folder = tmp_path / "shop"
    shutil.copytree(in_step, folder, ignore=shutil.ignore_patterns("*.sock"))
    return Stores(folder)
