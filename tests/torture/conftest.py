"""Fixtures of this folder, and what was done, at the end of a run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.end_to_end.three_stores import Stores
from tests.torture import tally
from tests.torture.load import everybody


def pytest_configure(config: pytest.Config) -> None:
    if tally.PLACE not in os.environ:
        number, os.environ[tally.PLACE] = tempfile.mkstemp(prefix="datasyncd-torture-")
        os.close(number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several processes: the one that started them tells of all
    terminalreporter.section("what was done")
    for what, times in sorted(tally.counted().items()):
        terminalreporter.write_line(f"{times:>5}  {what}")
    Path(os.environ.pop(tally.PLACE)).unlink()


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
