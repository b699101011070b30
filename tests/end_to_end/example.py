"""The example in a folder of its own, for tests that meet it as a stranger does."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from datasyncd.daemon.example import stores
from tests.end_to_end.pages import run

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
T = TypeVar("T")


class Example:
    """The example in a folder of its own, and the process that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        shutil.copy(ROOT / "config.toml", folder)

    def command(self, *arguments: str) -> list[str]:
        return [str(self.folder / ".venv/bin/python"), "-m", "datasyncd.daemon.example", *arguments]

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[str]:
        """Run it; yields what it has printed when it waits for Ctrl-C. Ended by SIGTERM, with 0."""
        with (self.folder / "printed").open("wb") as out:
            process = subprocess.Popen(
                self.command(*arguments), cwd=self.folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        try:
            soon(lambda: "Ctrl-C" in self.printed() or process.poll() is not None)
            assert process.poll() is None, self.printed()
            yield self.printed()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, self.printed()
            assert self.printed().endswith("\nstopped\n")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)

    def printed(self) -> str:
        return (self.folder / "printed").read_text(encoding="utf-8")

    def types(self, commands: str) -> str:
        """What commands print that somebody types in the example's folder; they must succeed."""
        code, shown = run(commands, self.folder)
        assert code == 0, f"{commands}\n{shown}"
        return shown

    def json(self, arguments: str) -> Any:
        return json.loads(self.types(f".venv/bin/datasyncd {arguments} --json || test $? -le 2"))

    def in_mail(self, email: str) -> dict[str, str]:
        with (self.folder / "var" / stores.MAIL).open(encoding="utf-8", newline="") as file:
            return next(row for row in csv.DictReader(file) if row["Email"] == email)

    def in_prefs(self, email: str) -> dict[str, Any]:
        lines = (self.folder / "var" / stores.PREFS).read_text(encoding="utf-8").splitlines()
        return next(row for row in map(json.loads, lines) if row["email"] == email)

    def in_crm(self, email: str) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self.folder / "var" / stores.CRM)) as crm:
            crm.row_factory = sqlite3.Row
            return dict(crm.execute("SELECT * FROM contacts WHERE email = ?", (email,)).fetchone())

    def languages(self, email: str) -> tuple[str, str, str]:
        return self.in_crm(email)["language"], self.in_mail(email)["Language"], self.in_prefs(email)["language"]


def soon(check: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Wait until it is true."""
    end = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found
