"""Follow: the daemon as a child process: started, watched until everything is in step, stopped with us.

The child leads a process group of its own, so that Ctrl-C reaches us alone and is passed on once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from datasyncd.daemon.control.client import NoAnswer, NotRunning, ask
from datasyncd.daemon.control.message import Failure

POLL_S = 0.1
ANSWER_S = 2.0
PATIENCE_S = 20.0
"""After so long without being in step, what is wrong is said."""

Say = Callable[[str], None]


def running(state_dir: Path) -> bool:
    """Whether a daemon works on this state."""
    try:
        ask(str(state_dir), "status", {}, ANSWER_S)
    except NotRunning:
        return False
    except Failure:
        return True
    return True


def daemon(config: Path) -> subprocess.Popen[bytes]:
    """Start `datasyncd run` in this terminal, and pass on what tells us to stop: once, since a second one kills."""
    command = [sys.executable, "-m", "datasyncd", "run", "--config", str(config)]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            child.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    return child


def until_in_step(child: subprocess.Popen[bytes], state_dir: Path, read: Say, say: Say) -> Mapping[str, Any] | None:
    """Tell which systems have been read until nothing is owed any more; None if the daemon ends before."""
    began = time.monotonic()
    told: set[str] = set()
    while child.poll() is None:
        status = _status(state_dir)
        if status is not None:
            for link in status["links"]:
                if link["last_success"] is not None and link["system"] not in told:
                    told.add(link["system"])
                    read(link["system"])
            if in_step(status):
                return status
            if time.monotonic() - began > PATIENCE_S:
                began = time.monotonic()
                for problem in status["problems"]:
                    say(f"  {problem['severity']}: {problem['text']}")
        time.sleep(POLL_S)
    return None


def in_step(status: Mapping[str, Any]) -> bool:
    """Every link has run, and no system is owed anything."""
    return all(link["last_success"] is not None and not link["pending"] for link in status["links"])


def _status(state_dir: Path) -> Mapping[str, Any] | None:
    try:
        status: Mapping[str, Any] = ask(str(state_dir), "status", {}, ANSWER_S)
    except (NotRunning, NoAnswer, Failure):
        return None
    return status
