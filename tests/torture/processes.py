"""The daemon as a process to which something happens, and stores in step for it."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.test_kill import attempts
from tests.end_to_end.three_stores import Stores, environment, until
from tests.torture.load import Load

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0


@contextlib.contextmanager
def launched(stores: Stores, action: str, point: str, nth: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process to which something will happen at a point; see `launcher`."""
    program = [sys.executable, "-m", "tests.torture.launcher"]
    with stores.log_file.open("ab") as log:
        process = subprocess.Popen(
            [*program, action, point, str(nth), *words, "--config", str(stores.config)],
            cwd=ROOT, stdout=log, stderr=log, env=environment(),
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def killed_at(stores: Stores, load: Load, point: str, nth: int = 1) -> None:
    """Run the daemon while people work, until it dies at this point."""
    load.round()
    with launched(stores, "kill", point, nth, "run") as process:
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.4)
            load.round()
        assert process.poll() == -signal.SIGKILL, f"{point!r} was not reached {nth} times\n{tail(stores)}"


def tail(stores: Stores) -> str:
    return "\n".join(stores.log_file.read_text(encoding="utf-8").splitlines()[-15:])


def nothing_was_logged_of_a_bug(stores: Stores) -> None:
    text = stores.log_file.read_text(encoding="utf-8")
    assert "task_crashed" not in text
    assert "Traceback" not in text


def wait_for_pause(process: subprocess.Popen[bytes]) -> None:
    """Until all its threads stand still."""
    tasks = Path(f"/proc/{process.pid}/task")
    until(lambda: {_state(task) for task in tasks.iterdir()} == {"T"})


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "it has ended"


def nothing_is_locked(stores: Stores) -> bool:
    """Whether everybody can edit the SQLite and the CSV store at once; PostgreSQL ends what stands still by itself."""
    try:
        with contextlib.closing(sqlite3.connect(stores.crm.file, timeout=0, isolation_level=None)) as crm:
            crm.execute("BEGIN IMMEDIATE")
            crm.execute("ROLLBACK")
        with stores.mail.file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (sqlite3.OperationalError, BlockingIOError):
        return False
    return True


def settled(stores: Stores) -> None:
    """Until a record that was being made can no longer come, none is made anew: 30 s for PostgreSQL."""
    stores.sync()
    deadline = time.monotonic() + 60
    while any(attempts(stores).values()) and time.monotonic() < deadline:
        time.sleep(5)
        stores.sync()
    assert attempts(stores) == {"open": 0, "unknown": 0}
