"""The disk of the state or of a store is full or read-only: nothing is lost, it is said where and what to do.

The same process goes on once there is room.
"""

from __future__ import annotations

import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.three_stores import COMMAND, Daemon, Stores, environment, until
from tests.torture import tally
from tests.torture.disks import read_only, small_disk
from tests.torture.launcher import fill
from tests.torture.load import Load
from tests.torture.processes import launched, nothing_was_logged_of_a_bug

SMALL_KIB = 2048
FULL = re.compile(
    r"(datasyncd|crm)?(: )?\S+/(state|crm)\.db: "
    r"((its|the) disk is full(; make room there)?|reading or writing (its|the) disk failed(; see .* full or broken)?)"
)
"""A place, a cause, a next step. SQLite says the second where it could not make a file beside its own."""


@pytest.fixture
def filler(stores: Stores) -> Iterator[Path]:
    """The state on a small disk; a file that fills it when it is asked to."""
    with on_small_disk(stores, "var") as file:
        yield file


class on_small_disk:
    """A folder of the stores on a disk of its own."""

    def __init__(self, stores: Stores, name: str) -> None:
        self._folder = stores.folder / name
        self._disk = small_disk(self._folder, SMALL_KIB)

    def __enter__(self) -> Path:
        aside = self._folder.with_name("aside")
        self._folder.rename(aside)
        self._disk.__enter__()
        shutil.copytree(aside, self._folder, dirs_exist_ok=True)
        return self._folder / "filler"

    def __exit__(self, *error: Any) -> None:
        self._disk.__exit__(*error)


def told(daemon: Daemon, pattern: str) -> str:
    """What `status` says, once it says something of this kind."""
    found: list[str] = []

    def said() -> bool:
        found[:] = [text for _code, text in problems(daemon) if re.search(pattern, text)]
        return bool(found)

    until(said)
    return found[0]


def problems(daemon: Daemon) -> list[tuple[str, str]]:
    """Code, and text with what to do, of what `status` finds wrong."""
    status = daemon.status()
    assert status is not None
    return [(p["code"], f"{p['text']}; {p['fix']}") for p in status["problems"]]


def full(filler: Path, case: str) -> None:
    tally.count(tally.DISK_FULL, case)
    fill(filler)


def still_full(filler: Path, daemon: Daemon) -> bool:
    """Whether it says that its state cannot be written; what it gave back of its log is taken, too."""
    fill(filler)
    return any(code == "state" for code, _text in problems(daemon))


def in_step(load: Load) -> None:
    load.round()
    until(load.arrived, 30)


def test_the_disk_of_the_state_fills_up_while_people_work(stores: Stores, filler: Path) -> None:
    load = Load(stores)
    with stores.daemon() as daemon:
        in_step(load)
        full(filler, "the state, while people work")
        for _ in range(3):
            load.round()
            until(lambda: still_full(filler, daemon))
        said = dict(problems(daemon))["state"]
        asked = stores.command("resolve", "--where", "field == 'note'", "--newest")
        assert not load.arrived()
        filler.unlink()
        until(load.arrived, 60)
        until(lambda: not any(code == "state" for code, _text in problems(daemon)))
        assert daemon.process.poll() is None

    tally.said(tally.DISK_FULL, said)
    assert FULL.match(said)
    assert asked.returncode in (0, 75)
    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("system", ["crm", "mail", "prefs"])
@pytest.mark.parametrize("moment", ["before sending to", "after the answer of"])
def test_the_disk_of_the_state_fills_up_at_a_write(stores: Stores, filler: Path, moment: str, system: str) -> None:
    load = Load(stores)
    load.round()
    with launched(stores, str(filler), f"{moment} {system}", 1, "run") as process:
        until(filler.exists)
        load.round()
        until(lambda: "state_unavailable" in stores.log_file.read_text())
        filler.unlink()
        until(load.arrived, 60)
        assert process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


def test_a_sync_ends_with_75_when_the_disk_of_the_state_is_full_and_the_next_one_goes_on(
    stores: Stores, filler: Path
) -> None:
    load = Load(stores)
    load.round()
    full(filler, "the state, before a sync")

    done = stores.command("sync")

    tally.said(tally.DISK_FULL, done.stderr)
    assert done.returncode == 75
    assert FULL.fullmatch(done.stderr.strip())
    filler.unlink()
    load.check()


@pytest.mark.parametrize("system", ["mail", "prefs"])
def test_the_disk_of_a_store_fills_up(stores: Stores, system: str) -> None:
    load = Load(stores)
    others = tuple(name for name in stores.by_name if name != system)
    with on_small_disk(stores, system) as filler, stores.daemon() as daemon:
        in_step(load)
        full(filler, system)
        load.round(others)
        tally.said(tally.DISK_FULL, told(daemon, "No space left on device"))
        until(lambda: stores.by_name[others[0]].rows() == stores.by_name[others[1]].rows() == load.expected)
        filler.unlink()
        until(load.arrived, 60)
        daemon.kill()
        load.check()
    nothing_was_logged_of_a_bug(stores)


def test_the_disk_of_a_database_fills_up(stores: Stores) -> None:
    load = Load(stores)
    (stores.folder / "crm").mkdir()
    stores.config.write_text(stores.config.read_text().replace('path = "crm.db"', 'path = "crm/crm.db"'))
    shutil.move(stores.crm.file, stores.folder / "crm" / "crm.db")
    stores.crm.file = stores.folder / "crm" / "crm.db"
    with on_small_disk(stores, "crm") as filler, stores.daemon() as daemon:
        in_step(load)
        full(filler, "crm")
        load.round(("mail", "prefs"))
        tally.said(tally.DISK_FULL, told(daemon, FULL.pattern))
        filler.unlink()
        until(load.arrived, 60)
        daemon.kill()
        load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("words", ["run", "sync"])
def test_a_state_on_a_read_only_disk(stores: Stores, filler: Path, words: str) -> None:
    load = Load(stores)
    load.round()
    with read_only(filler.parent):
        tally.count(tally.DISK_READ_ONLY, f"the state, {words}")
        done = stores.command(words)

    tally.said(tally.DISK_READ_ONLY, done.stderr)
    assert done.returncode == 75
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"datasyncd: {stores.folder / 'var' / 'state.db'}: ")
    assert "see " in done.stderr
    load.check()


def test_a_store_on_a_read_only_disk(stores: Stores) -> None:
    load = Load(stores)
    with on_small_disk(stores, "mail") as filler, stores.daemon() as daemon:
        in_step(load)
        with read_only(filler.parent):
            tally.count(tally.DISK_READ_ONLY, "mail")
            load.round(("crm", "prefs"))
            tally.said(tally.DISK_READ_ONLY, told(daemon, "Read-only file system"))
            until(lambda: stores.crm.rows() == stores.prefs.rows() == load.expected)
        until(load.arrived, 60)
        daemon.kill()
        load.check()
    nothing_was_logged_of_a_bug(stores)


def test_files_that_may_not_grow(stores: Stores) -> None:
    """The second means, for whom nothing can be mounted: the process may write no file beyond a size."""
    load = Load(stores)
    load.round()
    size = (stores.folder / "var" / "state.db").stat().st_size

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8, size // 8))

    done = subprocess.run(
        [*COMMAND, "sync", "--config", str(stores.config)], preexec_fn=limited, env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    tally.count(tally.FILE_LIMITED, "a limit")
    tally.said(tally.FILE_LIMITED, done.stderr)
    assert done.returncode == 75
    assert len(done.stderr.splitlines()) == 1
    assert str(stores.folder / "var" / "state.db") in done.stderr
    assert "full" in done.stderr
    load.check()


def test_a_log_that_cannot_be_written_stops_nobody(stores: Stores) -> None:
    load = Load(stores)
    (stores.folder / "mail" / "contacts.csv").rename(stores.folder / "aside.csv")
    with open("/dev/full", "wb") as nowhere:
        process = subprocess.Popen(
            [*COMMAND, "run", "--config", str(stores.config)], stdout=nowhere, stderr=nowhere, env=environment()
        )
    tally.count(tally.FILE_LIMITED, "/dev/full")
    try:
        load.round(("crm", "prefs"))
        until(lambda: stores.crm.rows() == stores.prefs.rows() == load.expected)
        (stores.folder / "aside.csv").rename(stores.folder / "mail" / "contacts.csv")
        until(load.arrived, 60)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    load.check()
