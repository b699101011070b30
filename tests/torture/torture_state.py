"""One byte of the state is changed, at every kind of place: it is refused, or it meant nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.accounts import lost
from tests.end_to_end.three_stores import Stores
from tests.torture import tally
from tests.torture.load import Load, everybody

PAGE = 4096
OFFSETS = (0, 1, 3, 5, 7, 8, 12, 40, 700, 1500, 2500, 3300, 3900, 4090)
"""Of a page: its header, the pointers to its cells, free room, and the cells."""
EACH = 12
"""Every so many-th place is tried, so that all pages and all offsets are met."""


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Stores that were in step, with a backup of that, and edited since."""
    stores = Stores.of(tmp_path_factory.mktemp("due"), everybody())
    assert stores.sync().code == 0
    assert stores.command("backup", str(stores.folder / "backup")).returncode == 0
    load = Load(stores)
    load.round()
    return load


def copied(due: Load, folder: Path) -> Load:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(due.stores.folder, folder, ignore=shutil.ignore_patterns("*.sock"))
    load = Load(Stores(folder))
    load.expected, load.edits = due.expected, due.edits
    return load


@pytest.mark.timeout(300)
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_flipped_byte(due: Load, tmp_path: Path, offset: int) -> None:
    pages = (due.stores.folder / "var" / "state.db").stat().st_size // PAGE
    refused = 0
    for page in range(OFFSETS.index(offset) % EACH, pages, EACH):
        load = copied(due, tmp_path / "shop")
        stores, state = load.stores, load.stores.folder / "var" / "state.db"
        flip(state, page * PAGE + offset)
        before = stores.rows()

        done = stores.command("sync", "--json")

        if done.returncode == 0:
            assert load.arrived(), f"page {page}"
            load.check()
            continue
        refused += 1
        tally.said(tally.BYTE_FLIPPED, re.sub(r"\b\d+", "N", done.stderr))
        assert done.returncode in (69, 75), f"page {page}: {done.stderr}"
        assert done.stderr.startswith(f"datasyncd: {state}: "), f"page {page}: {done.stderr}"
        assert len(done.stderr.splitlines()) == 1, f"page {page}: {done.stderr}"
        assert any(word in done.stderr for word in ("datasyncd restore", "install that version", "see ")), done.stderr
        assert stores.rows() == before, f"page {page}"
    assert refused or offset  # the first byte of a page says what it is


def test_the_daemon_is_refused_too_and_a_restore_helps(due: Load, tmp_path: Path) -> None:
    load = copied(due, tmp_path / "shop")
    stores, state = load.stores, load.stores.folder / "var" / "state.db"
    flip(state, PAGE)

    with stores.daemon() as daemon:
        assert daemon.process.wait(20) == 69
    assert stores.log_file.read_text().splitlines()[-1].startswith(f"datasyncd: {state}: damaged: ")

    assert stores.command("restore", str(stores.folder / "backup")).returncode == 0
    stores.sync()
    # Who is missing somewhere was never made there, or deleted: a person says so.
    stores.json("quarantine", "retry", "--all")
    stores.sync()
    assert load.arrived()
    assert lost(load.edits, load.expected, stores.json("conflicts", "list", "--all")) == []
    assert [sum(counts.values()) for counts in stores.sync().written.values()] == [0, 0, 0]


def flip(state: Path, place: int) -> None:
    tally.count(tally.BYTE_FLIPPED, str(place))
    content = bytearray(state.read_bytes())
    content[place] ^= 0x5A
    state.write_bytes(content)
