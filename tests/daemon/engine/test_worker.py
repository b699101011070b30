"""Worker: what makes a link pull and push, and what it waits for."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from datasyncd.adapters.files import watch
from datasyncd.daemon import worker as workers
from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.worker import Worker

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
[systems.mail]
adapter = "csv"
path = "mail"
[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
[links.mail.person]
object = "people"
key = "Id"
direction = "both"
live = true
map = { email = "Email" }
"""
HEAD = "Id,Email\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config with one live system: a folder with a file."""
    monkeypatch.setattr(watch, "LOOK_MS", 100)
    monkeypatch.setattr(workers, "RETRY_S", (0.1,))
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "people.csv").write_text(HEAD)
    return tmp_path


async def test_what_changed_before_the_watch_listened_is_pulled_soon(folder: Path) -> None:
    async with Engine.open(load(folder / "config.toml"), "run") as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), True, 300.0)
        tasks.start_soon(worker.watching_loop)
        await anyio.wait_all_tasks_blocked()
        await worker.due.wait(5)  # a pull begins with the watch, and may read before the watch listens

        with anyio.fail_after(5):
            await worker.due.wait()
        tasks.cancel_scope.cancel()


async def test_what_changed_while_nobody_could_watch_is_pulled_soon(folder: Path) -> None:
    async with Engine.open(load(folder / "config.toml"), "run") as engine, anyio.create_task_group() as tasks:
        worker = Worker(engine, ("mail", "person"), True, 300.0)
        tasks.start_soon(worker.watching_loop)
        while not worker.watching:  # noqa: ASYNC110
            await anyio.sleep(0.02)
        (folder / "mail").rename(folder / "old")
        while worker.watching:  # noqa: ASYNC110
            await anyio.sleep(0.02)
        worker.due = workers.Signal()

        (folder / "old").rename(folder / "mail")

        with anyio.fail_after(5):
            await worker.due.wait()
        tasks.cancel_scope.cancel()
