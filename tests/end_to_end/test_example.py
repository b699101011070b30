"""The example as a stranger meets it: started, its commands copied as they are printed, stopped, started again."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from datasyncd.daemon.example import stores
from tests.end_to_end.pages import lasting, run, shown_in, steps

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


def commands_in(printed: str) -> list[str]:
    """The blocks of commands that the example prints, each to be copied as a whole."""
    blocks = printed[printed.index("Try it") :].split("\n\n")
    return [block.strip("\n") for block in blocks if re.match(r"\n*(\.venv|sed)", block)]


LEONIE = "leonekohler@surfeu.de"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Example, str]]:
    example = Example(tmp_path_factory.mktemp("example"))
    with example.running() as printed:
        yield example, printed


def test_the_first_run_creates_what_is_missing_and_is_healthy(started: tuple[Example, str]) -> None:
    example, printed = started

    assert stores.count(example.folder / "var") == {"crm": 59, "mail": 44, "prefs": 59}
    assert "\nin step\n" in printed
    status = example.json("status")
    assert (status["health"], status["problems"], status["conflicts"], status["outbox"]) == ("ok", [], 0, 0)


def test_the_readme_shows_what_is_printed(started: tuple[Example, str]) -> None:
    _example, printed = started

    assert lasting(shown_in(ROOT / "README.md", "make run")) == lasting(printed[: printed.index("\nTry it")])


def test_the_printed_commands_do_what_they_say(started: tuple[Example, str]) -> None:
    example, printed = started
    change_phone, opt_out, disagree, resolve, ask = commands_in(printed)

    assert "+497112842223" in example.types(change_phone)
    assert example.in_mail(LEONIE)["Mobile"] == "+497112842223"

    assert "mail: acknowledged" in example.types(opt_out)
    assert (example.in_mail(LEONIE)["SMS"], example.in_crm(LEONIE)["sms_ok"]) == ("N", 0)

    shown = example.types(disagree)
    assert re.search(r"crm +en\b", shown)
    assert re.search(r"mail +fr\b", shown)
    assert example.languages(LEONIE) == ("en", "fr", "de")

    (conflict,) = example.json("conflicts")
    assert conflict["field"] == "language"
    example.types(resolve.replace(" ID ", f" {conflict['id'][:8]} "))
    soon(lambda: example.languages(LEONIE) == ("en", "en", "en"), within_s=5.0)

    shown = example.types(ask)
    assert "language = en" in shown
    assert "0 open conflicts" in shown
    assert example.json("conflicts") == []


def test_who_may_not_be_written_to_is_not_in_the_email_platform(started: tuple[Example, str]) -> None:
    example, _printed = started

    assert example.in_prefs("hholy@gmail.com")["email_ok"] is None
    with pytest.raises(StopIteration):
        example.in_mail("hholy@gmail.com")


def test_a_second_one_says_that_a_daemon_works_on_it(started: tuple[Example, str]) -> None:
    example, _printed = started

    second = subprocess.run(example.command(), cwd=example.folder, capture_output=True, text=True, check=False)

    assert second.returncode == 75
    assert "A daemon works on" in second.stderr


def test_the_next_run_goes_on_with_the_same_stores_and_fresh_begins_anew(tmp_path: Path) -> None:
    example = Example(tmp_path)
    with example.running():
        pass
    example.types("sed -i.bak '/leonekohler/s/,Leonie,/,Leonie-Marie,/' var/mail/contacts.csv")

    with example.running() as printed:
        assert "created" not in printed
        assert example.in_crm(LEONIE)["first_name"] == "Leonie-Marie"
    with example.running("--fresh") as printed:
        assert "4 created" in printed
        assert example.in_crm(LEONIE)["first_name"] == "Leonie"


def test_a_store_that_is_gone_is_not_made_again_beside_a_state_that_knows_more(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")
    (tmp_path / "var" / stores.MAIL).unlink()

    stopped = subprocess.run(example.command(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (stopped.returncode, stopped.stderr) == (
        69,
        "var/mail/contacts.csv: missing, while the rest is there. Start over with --fresh.\n",
    )


def test_the_config_passes_its_own_check(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")

    assert example.types(".venv/bin/datasyncd check").endswith("the config can run\n")


def test_the_stores_hold_the_same_facts_before_the_first_sync(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")
    with (tmp_path / "var" / stores.MAIL).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    differing = []
    for row in rows:
        crm, prefs = example.in_crm(row["Email"]), example.in_prefs(row["Email"])
        told = {
            (row["FirstName"], row["LastName"], row["Mobile"]),
            (crm["first_name"], crm["last_name"], crm["phone"] or ""),
        }
        languages = {row["Language"], prefs["language"], crm["language"]} - {None}
        consents = {{"Y": "in", "N": "out", "": None}[row["SMS"]], prefs["sms_ok"]}
        if len(told) + len(languages) + len(consents) > 3:
            differing.append(row["Email"])

    assert (len(rows), differing) == (40, [])


def test_the_readme_can_be_followed(tmp_path: Path) -> None:
    example = Example(tmp_path)
    with example.running():
        for step in steps(ROOT / "README.md"):
            if step.commands.startswith("make "):
                continue
            if " ID " in step.commands:
                step.commands = step.commands.replace(" ID ", f" {example.json('conflicts')[0]['id']} ")
            code, shown = run(step.commands, tmp_path)
            assert sorted(lasting(shown)) == sorted(lasting(step.shows or "")), f"README.md, line {step.line}"
            assert code == 0, f"README.md, line {step.line}"
