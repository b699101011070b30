"""A state that is removed or replaced beneath the daemon that works on it: it writes nothing more, says so and ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasyncd.daemon.cli import asking
from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import pull_link, push_link, sync
from datasyncd.daemon.engine import Engine
from datasyncd.state.database import lock
from datasyncd.state.errors import StateGone, StateLocked
from datasyncd.state.place import is_held

from .shop import Shop

SEEN_S = 10.0
"""On a loaded machine; `CONFIRM_S` is 2."""


@contextlib.contextmanager
def running(shop: Shop, name: str = "log") -> Iterator[subprocess.Popen[bytes]]:
    """The daemon, in step."""
    words = [sys.executable, "-m", "datasyncd", "run", "--config", str(shop.config)]
    with (shop.folder / name).open("w") as log, subprocess.Popen(words, stderr=log, stdout=log) as process:
        try:
            until(lambda: process.poll() is not None or all(link["last_success"] for link in links(shop)), 30.0)
            yield process
        finally:
            process.kill()


def links(shop: Shop) -> list[dict[str, object]]:
    return list(shop.runs("status", "--json").json["links"]) or [{"last_success": None}]


def until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def removed(shop: Shop) -> None:
    shutil.rmtree(shop.folder / "var")


def moved(shop: Shop) -> None:
    (shop.folder / "var").rename(shop.folder / "elsewhere")


def replaced(shop: Shop) -> None:
    copy = shop.folder / "copy.db"
    shutil.copyfile(shop.folder / "var" / "state.db", copy)
    copy.replace(shop.folder / "var" / "state.db")


@pytest.mark.parametrize(
    ("happens", "how"), [(removed, "was removed"), (moved, "was removed"), (replaced, "was replaced")]
)
def test_a_daemon_without_its_state_writes_nothing_more_and_ends(
    tmp_path: Path, happens: Callable[[Shop], None], how: str
) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0
    with running(shop) as daemon:
        happens(shop)
        shop.says("crm", 1, name="Anna")

        assert daemon.wait(SEEN_S) == 72, (tmp_path / "log").read_text()
    said = (tmp_path / "log").read_text()
    assert f"state.db: it {how} while this process worked on it; nothing more is written to any system" in said
    assert "state_lost" in said
    assert "restore a backup" in said
    assert shop.holds("mail", 1, "name") == "Ann 1"


async def test_what_is_due_already_is_not_sent_any_more(tmp_path: Path) -> None:
    """The state goes while edits wait: the next delivery ends before its first call."""
    shop = Shop(tmp_path)
    async with Engine.open(load(shop.config), "sync") as engine:
        await sync(engine)
        shop.says("crm", 1, name="Anna")
        await pull_link(engine, engine.links["crm", "contact"])
        removed(shop)

        with pytest.raises(StateGone, match="was removed"):
            await push_link(engine, engine.links["mail", "contact"], pulled=False)
    assert shop.holds("mail", 1, "name") == "Ann 1"


def test_trouble_with_the_state_that_meets_several_tasks_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_arguments: object, **_named: object) -> None:
        raise ExceptionGroup("tasks", [KeyError("ann"), ExceptionGroup("more", [StateGone("gone"), StateGone("gone")])])

    monkeypatch.setattr(asking, "ask", breaks)
    done = Shop(tmp_path).runs("conflicts")

    assert (done.exit_code, done.err) == (72, "datasyncd: gone\n")


def test_a_lock_file_that_was_removed_ends_the_daemon_and_the_state_is_whole(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with running(shop) as daemon:
        (tmp_path / "var" / "state.db.lock").unlink()

        assert daemon.wait(SEEN_S) == 75
    assert "the state is whole: start it again" in (tmp_path / "log").read_text()
    assert shop.runs("sync").exit_code == 0


def test_it_does_not_end_well_without_its_state_where_it_is_stopped_at_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with running(shop) as daemon:
        removed(shop)
        daemon.send_signal(signal.SIGTERM)

        assert daemon.wait(SEEN_S) == 72


def test_nobody_else_starts_at_the_place_of_a_state_while_its_daemon_lives(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with running(shop) as daemon:
        daemon.send_signal(signal.SIGSTOP)
        until(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", SEEN_S)
        removed(shop)
        status = shop.runs("status", "--json")
        second = shop.runs("sync")
        daemon.send_signal(signal.SIGCONT)
        assert daemon.wait(SEEN_S) == 72

    assert (status.exit_code, status.json["problems"][0]["code"]) == (3, "in_use")
    assert second.exit_code == 75
    assert "that worked on the state that was here before still runs" in second.err
    assert shop.runs("status", "--json").json["problems"][0]["code"] == "not_running"
    assert shop.runs("sync").exit_code == 0


def test_a_place_is_held_once_and_free_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with lock(state):
        assert is_held(state)
        (tmp_path / "state.db.lock").unlink()
        with pytest.raises(StateLocked, match="still runs"), lock(state):
            pass
    assert not is_held(state)
    with lock(state):
        assert not is_held(tmp_path / "other.db")


def test_a_place_is_the_same_by_whatever_path_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")

    with lock(tmp_path / "link" / "state.db"):
        assert is_held(tmp_path / "real" / "state.db")
