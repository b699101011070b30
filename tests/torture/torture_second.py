"""Two on one state, and deaths while a state is made, brought up to date, copied or put back.

Whoever comes second is refused and told why; the first one goes on. Whatever died, the state is afterwards the old or
the new one, whole, and the same command again brings it to its end.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import time
from importlib import resources
from pathlib import Path

import pytest

from datasyncd.state.backup import inspect
from datasyncd.state.database import newest_schema
from tests.end_to_end.three_stores import COMMAND, Daemon, Stores, environment, until
from tests.torture import launcher, tally
from tests.torture.load import Load
from tests.torture.processes import launched, nothing_was_logged_of_a_bug, wait_for_pause

SOON_S = 30.0
AT_ONCE = 5
"""Daemons that are started at the same moment."""
BUSY = "another datasyncd works on this state; ask it over its control socket, or stop it"
LEFT_BEHIND = ("restoring", "creating", "copy-", "journal")


def state_of(stores: Stores) -> Path:
    return stores.folder / "var" / "state.db"


def sequence_of(stores: Stores) -> int:
    """How far the state has come, its log included, if it is whole."""
    return inspect(state_of(stores)).sequence


def left_behind(folder: Path) -> list[str]:
    """Files that a later start or command has to clear away."""
    return sorted(file.name for file in folder.iterdir() if any(word in file.name for word in LEFT_BEHIND))


def refused(stores: Stores, *words: str, beside: str) -> None:
    """A command, because another process is at work."""
    done = stores.command(*words)
    tally.count(tally.SECOND, f"{words[0]} beside {beside}")
    tally.said(tally.SECOND, done.stderr)
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr == f"datasyncd: {state_of(stores)}: {BUSY}\n"


def is_up(daemon: Daemon) -> bool:
    return daemon.status() is not None


def ended_well(stores: Stores, load: Load) -> None:
    """A daemon takes up what is there, and everything comes to its end."""
    load.round()
    with stores.daemon():
        until(load.arrived, SOON_S)
    load.check()
    nothing_was_logged_of_a_bug(stores)


def in_step(stores: Stores) -> None:
    """A new or a restored state reads everything, and finds that nothing is to be written."""
    done = stores.sync()
    assert done.code == 0
    assert [sum(counts.values()) for counts in done.written.values()] == [0, 0, 0]


# Two on one state --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["the same path", "a link to the folder"])
def test_a_second_daemon_is_refused_again_and_again_and_the_first_goes_on(stores: Stores, place: str) -> None:
    load, second = Load(stores), stores
    if place == "a link to the folder":
        (stores.folder.parent / "link").symlink_to(stores.folder)
        second = Stores(stores.folder.parent / "link")
    with stores.daemon() as daemon:
        until(lambda: is_up(daemon))
        for _ in range(5):
            load.round()
            refused(second, "run", beside=f"a daemon, {place}")
        until(load.arrived, SOON_S)
        assert is_up(daemon)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("state", ["there", "not there yet"])
def test_of_daemons_that_start_at_once_one_works(stores: Stores, state: str) -> None:
    load = Load(stores)
    for _ in range(4):
        if state == "not there yet":
            for file in state_of(stores).parent.iterdir():
                file.unlink()
        else:
            load.round()
        one_works(stores, load, state)

    load.check()


def one_works(stores: Stores, load: Load, state: str) -> None:
    many = [
        subprocess.Popen(
            [*COMMAND, "run", "--config", str(stores.config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(),
        )
        for _ in range(AT_ONCE)
    ]  # fmt: skip
    try:
        until(lambda: sum(process.poll() is None for process in many) <= 1)
        until(load.arrived, SOON_S)
        assert sum(process.poll() is None for process in many) == 1
    finally:
        for process in many:
            process.kill()
        ended = [(process.communicate()[1], process.returncode) for process in many]
    said = [text for text, code in ended if code == 75]
    for _ in said:
        tally.count(tally.SECOND, f"run beside run, the state {state}")
    assert said == [f"datasyncd: {state_of(stores)}: {BUSY}\n"] * (AT_ONCE - 1)


def test_a_daemon_that_is_killed_is_followed_by_the_one_that_was_refused(stores: Stores) -> None:
    load = Load(stores)
    for moment in (0.0, 0.1, 0.3, 0.6, 1.0, 1.5):
        with stores.daemon() as first:
            load.round()
            time.sleep(moment)
            with stores.daemon() as second:
                time.sleep(0.3)
                tally.count(tally.KILLED_AT_A_TIME, "with a second daemon waiting")
                first.kill()
                load.round()
                if second.process.poll() is None:
                    until(load.arrived, SOON_S)

    ended_well(stores, load)


def test_syncs_beside_a_daemon_are_its_own(stores: Stores) -> None:
    load = Load(stores)
    with stores.daemon() as daemon:
        until(lambda: is_up(daemon))
        for _ in range(4):
            load.round()
            many = [
                subprocess.Popen(
                    [*COMMAND, "sync", "--config", str(stores.config)],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                )
                for _ in range(3)
            ]  # fmt: skip
            assert [(process.communicate()[1], process.returncode) for process in many] == [(b"", 0)] * 3
            assert load.arrived()
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("words", [["sync"], ["run"], ["restore", "FILE"]])
def test_while_a_sync_works_nobody_else_does(stores: Stores, words: list[str]) -> None:
    load, file = Load(stores), stores.folder / "backup.db"
    assert stores.command("backup", str(file)).returncode == 0
    load.round()
    with launched(stores, "pause", "before sending to mail", 1, "sync") as first:
        wait_for_pause(first)
        refused(stores, *[str(file) if word == "FILE" else word for word in words], beside="a sync")
        first.send_signal(signal.SIGCONT)
        assert first.wait(SOON_S) == 0

    ended_well(stores, load)


# Copies ------------------------------------------------------------------------------------------------------------


def test_no_daemon_starts_while_a_state_is_put_back(stores: Stores) -> None:
    load, file = Load(stores), stores.folder / "backup.db"
    assert stores.command("backup", str(file)).returncode == 0
    for point in launcher.RESTORE_POINTS:
        with launched(stores, "pause", point, 1, "restore", str(file)) as restore:
            wait_for_pause(restore)
            refused(stores, "run", beside=point)
            refused(stores, "restore", str(file), beside=point)
            restore.send_signal(signal.SIGCONT)
            assert restore.wait(SOON_S) == 0

    in_step(stores)
    ended_well(stores, load)


def test_no_daemon_starts_at_the_moment_in_which_a_state_is_copied_and_any_time_else(stores: Stores) -> None:
    load, file = Load(stores), stores.folder / "backup.db"
    for point in launcher.BACKUP_POINTS:
        load.round()
        with launched(stores, "pause", point, 1, "backup", "--force", str(file)) as backup:
            wait_for_pause(backup)
            if point == "backup: copying":
                refused(stores, "run", beside=point)
                refused(stores, *(["restore", str(file)] if file.exists() else ["sync"]), beside=point)
            else:
                with stores.daemon():
                    until(load.arrived, SOON_S)
            backup.send_signal(signal.SIGCONT)
            assert backup.wait(SOON_S) == 0
        assert inspect(file).clusters > 0

    ended_well(stores, load)


@pytest.mark.parametrize("point", launcher.BACKUP_POINTS)
@pytest.mark.parametrize("daemon", ["without a daemon", "beside a daemon"])
def test_a_backup_that_is_killed_leaves_a_whole_file_or_none(stores: Stores, point: str, daemon: str) -> None:
    load, file = Load(stores), stores.folder / "kept" / "backup.db"
    file.parent.mkdir()
    with contextlib.ExitStack() as running:
        if daemon == "beside a daemon":
            # What copies is the daemon itself; the command dies before and after it asks.
            first = running.enter_context(stores.daemon())
            until(lambda: is_up(first))
        load.round()
        with launched(stores, "kill", point, 1, "backup", str(file)) as backup:
            assert backup.wait(SOON_S) in ((-signal.SIGKILL,) if point_is_met(point, daemon) else (0,))
        whole = file.exists()
        assert not whole or inspect(file).clusters > 0
        again = stores.command("backup", str(file))
        assert again.returncode == (64 if whole else 0)
        assert not whole or again.stderr == f"datasyncd: {file}: is there already; --force replaces it\n"
        assert inspect(file).clusters > 0

    ended_well(stores, load)


def point_is_met(point: str, daemon: str) -> bool:
    """The command itself copies only where no daemon does."""
    return daemon == "without a daemon" or point not in ("backup: copying", "backup: copied")


@pytest.mark.parametrize("point", ["backup: copying", "backup: copied"])
def test_a_daemon_that_is_killed_while_it_copies_its_state(stores: Stores, point: str) -> None:
    load, file = Load(stores), stores.folder / "backup.db"
    with launched(stores, "kill", point, 1, "run") as process:
        load.round()
        until(lambda: stores.command("status").returncode != 3)
        asked = stores.command("backup", str(file))
        assert process.wait(SOON_S) == -signal.SIGKILL

    tally.said(tally.KILLED_IN_A_COPY, asked.stderr)
    assert asked.returncode == 69
    assert asked.stderr == "datasyncd: the daemon closed the connection without an answer; it may be stopping\n"
    assert not file.exists()
    ended_well(stores, load)


@pytest.mark.parametrize("point", launcher.RESTORE_POINTS)
@pytest.mark.parametrize("before", ["stopped in good order", "killed", "none"])
def test_a_restore_that_is_killed_leaves_the_old_state_or_the_new_one(stores: Stores, point: str, before: str) -> None:
    """`before`: what happened to the daemon whose state is replaced; after a kill part of it is in its log."""
    load, file = Load(stores), stores.folder / "backup.db"
    assert stores.command("backup", str(file)).returncode == 0
    if before == "none":
        state_of(stores).unlink()
    else:
        daemon = Daemon(stores)
        until(lambda: is_up(daemon))
        daemon.signal(signal.SIGKILL if before == "killed" else signal.SIGTERM)
        daemon.process.wait()
    old = sequence_of(stores) if state_of(stores).exists() else 0

    with launched(stores, "kill", point, 1, "restore", str(file)) as restore:
        assert restore.wait(SOON_S) == -signal.SIGKILL

    if state_of(stores).exists():
        assert sequence_of(stores) >= old
    else:
        assert before == "none"
    again = stores.command("restore", str(file))
    assert (again.returncode, again.stderr) == (0, "")
    assert left_behind(state_of(stores).parent) == []
    in_step(stores)
    ended_well(stores, load)


# Beginnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", launcher.CREATION_POINTS)
def test_a_first_start_that_is_killed(stores: Stores, point: str) -> None:
    load = Load(stores)
    for file in state_of(stores).parent.iterdir():
        file.unlink()

    with launched(stores, "kill", point, 1, "run") as process:
        assert process.wait(SOON_S) == -signal.SIGKILL

    assert not state_of(stores).exists() or inspect(state_of(stores)).schema == newest_schema()
    in_step(stores)
    assert inspect(state_of(stores)).clusters == len(load.expected)
    assert left_behind(state_of(stores).parent) == []
    ended_well(stores, load)


@pytest.mark.parametrize("point", launcher.MIGRATION_POINTS)
def test_a_state_that_is_brought_up_to_date_by_one_that_is_killed(stores: Stores, point: str) -> None:
    load = Load(stores)
    make_older(state_of(stores))

    with launched(stores, "kill", point, 1, "run") as process:
        assert process.wait(SOON_S) == -signal.SIGKILL

    assert inspect(state_of(stores)).schema == (newest_schema() if "after" in point else newest_schema() - 1)
    ended_well(stores, load)
    assert inspect(state_of(stores)).schema == newest_schema()


def make_older(state: Path) -> None:
    """What the newest step of the schema made is taken back."""
    first = (resources.files("datasyncd.state") / "schema" / "0001_initial.sql").read_text(encoding="utf-8")
    start = first.index("CREATE TABLE guard_count")
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.execute("DROP TABLE guard_seen")
        db.execute(first[start : first.index(";", start)])
        db.execute("PRAGMA user_version = 1")


def test_a_state_of_a_newer_version_is_not_touched(stores: Stores) -> None:
    load = Load(stores)
    with contextlib.closing(sqlite3.connect(state_of(stores), isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {newest_schema() + 1}")
    load.round()
    before, rows = state_of(stores).read_bytes(), stores.rows()

    for words in (["run"], ["sync"]):
        done = stores.command(*words)

        tally.count(tally.NEWER, words[0])
        tally.said(tally.NEWER, done.stderr)
        assert done.returncode == 69
        assert done.stderr == (
            f"datasyncd: {state_of(stores)}: written by a newer version (schema {newest_schema() + 1}; this version "
            f"knows {newest_schema()}); install that version\n"
        )
    assert (state_of(stores).read_bytes(), stores.rows()) == (before, rows)
    with contextlib.closing(sqlite3.connect(state_of(stores), isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {newest_schema()}")
    ended_well(stores, load)
