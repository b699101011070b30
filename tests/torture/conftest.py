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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help="put what was done into the page, if all of it passed")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        number, os.environ[tally.PLACE] = tempfile.mkstemp(prefix="datasyncd-torture-")
        os.close(number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several processes: the one that started them tells of all
    done = tally.Tally.of_this_run()
    Path(os.environ.pop(tally.PLACE)).unlink()
    if not done.times:
        return
    terminalreporter.section("what was done: cases, times")
    for torment in tally.TABLE:
        if times := done.times[torment.what]:
            terminalreporter.write_line(f"{done.cases[torment.what]:>5} {times:>5}  {torment.what}")
    terminalreporter.section("what was said")
    for (what, message), times in sorted(done.said.items()):
        terminalreporter.write_line(f"{times:>5}  {what}: {message}")
    if config.getoption("--write", default=False):
        if exitstatus or done.missing:
            terminalreporter.write_line(f"nothing is written: a test failed, or this is a part: {done.missing}")
        else:
            done.write()


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
