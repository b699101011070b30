"""Before a loss of power: what somebody is told to be done is on the disk, under its name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from datasyncd.state.database import connect
from tests.end_to_end.three_stores import Stores
from tests.torture import tally
from tests.torture.load import Load
from tests.torture.processes import launched

SYNCED_AT_EACH_COMMIT = 2
"""What SQLite calls FULL."""


@pytest.mark.parametrize("state", ["there", "not there yet"])
def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_anybody_is_told(
    stores: Stores, tmp_path: Path, state: str
) -> None:
    told = tmp_path / "order"
    Load(stores).round()
    if state == "not there yet":
        for file in (stores.folder / "var").iterdir():
            file.unlink()
    with launched(stores, "order", str(told), 0, "sync") as process:
        assert process.wait(30) in (0, 1)  # to a new state, stores that differ are in conflict
    order = [line.split() for line in told.read_text().splitlines()]

    renamed = [(at, Path(words[1]), Path(words[2])) for at, words in enumerate(order) if words[0] == "renamed"]
    names = {target.name for _at, _source, target in renamed}
    assert names >= {"contacts.csv", "people.jsonl"}
    assert ("state.db" in names) == (state == "not there yet")
    for at, source, target in renamed:
        tally.count(tally.POWER, target.name)
        relied_on = next(n for n, words in enumerate(order) if n > at and words[0] == "answered")
        assert ["synced", str(target.parent)] in order[at:relied_on], f"the name of {target}"
        if target.name != "state.db":  # SQLite puts it there itself, past Python
            assert ["synced", str(source)] in order[:at], f"the bytes of {target}"


def test_the_state_is_on_the_disk_at_each_commit(stores: Stores) -> None:
    with contextlib.closing(connect(stores.folder / "var" / "state.db")) as db:
        (mode,) = db.execute("PRAGMA synchronous").fetchone()

    tally.count(tally.POWER, "PRAGMA synchronous")
    assert mode == SYNCED_AT_EACH_COMMIT
