"""Tally: what was done to the processes of a whole run and what the operator was told, as the page shows it.

Whoever does something counts it, in whatever process: a line each in one file. At the end of a run all is shown, and
with `--write` it is put into `docs/explanation/what-was-tortured.md`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

PLACE = "DATASYNCD_TORTURE_TALLY"
"""Names the file. It is inherited by all processes of a run."""
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "what-was-tortured.md"
BEGIN, END = "<!-- made by make torture PYTEST_ARGS=--write: {} -->", "<!-- end -->"


FOLDER = re.compile(r"/[^\s:]*?/(?=(?:var|crm|mail|prefs|kept|config\.toml|crm\.db|backup\.db)\b)")
"""Of the stores, which is another one in each test."""


class Torment(NamedTuple):
    """Something that is done to a process; a line of the table."""

    what: str
    where: str
    afterwards: str
    """What is checked besides what is checked always."""
    file: str


KILLED = Torment(
    "`kill -9` at a named point of a run",
    "before and after each commit in the state, each call to a system, four stages of replacing a file, the commits of "
    "SQLite and PostgreSQL, the word to a slot that its log may go; at the first and at the third time that it comes "
    "there",
    "no write is left open or unknown",
    "torture_kill.py",
)
KILLED_AT_A_TIME = Torment(
    "`kill -9` at a time",
    "0 to 3 s after the start, with a second daemon waiting, with a server that dies too, with a broken network",
    "",
    "torture_outage.py",
)
KILLED_AT_ITS_START = Torment(
    "`kill -9` while a state is made or brought up to date",
    "before and after the commit, before and after the file has its name",
    "the state is the old or the new one, whole; nothing is left behind",
    "torture_second.py",
)
KILLED_IN_A_COPY = Torment(
    "`kill -9` during `backup` or `restore`",
    "from the first byte copied to the last file renamed; of the command and of the daemon that copies for it",
    "the copy is whole or not there, the state the old or the new one; the same command again succeeds",
    "torture_second.py",
)
DISK_FULL = Torment(
    "the disk is full",
    "of the state: while people work, before and after each call, before a `sync`; of the CSV, JSONL or SQLite store",
    "`status` or the exit code says it; the other systems go on; the same process goes on once there is room",
    "torture_disk.py",
)
DISK_READ_ONLY = Torment(
    "the disk is read-only",
    "of the state, before `run` and `sync`; of a store, while the daemon works",
    "the same",
    "torture_disk.py",
)
FILE_LIMITED = Torment(
    "no file may grow, or the log cannot be written",
    "a limit on the size of files; `/dev/full` as standard output",
    "the first ends with 75, the second stops nobody",
    "torture_disk.py",
)
CLOCK = Torment(
    "the wall clock is set, by 30 days",
    "forwards and backwards, while the daemon runs and while it is down; with `live` and with `every`",
    "edits arrive within 15 s after each jump; the clock of the state never goes back",
    "torture_clock.py",
)
SERVER_ENDS = Torment(
    "PostgreSQL is stopped, crashes or is killed, and started again",
    "`SIGINT`, `SIGQUIT`, `SIGKILL`, 0 to 0.4 s after an edit",
    "`status` says which system waits and why; the others go on",
    "torture_outage.py",
)
SERVER_ENDS_IN_A_WRITE = Torment(
    "the same at a named point of a write of ours",
    "before it is sent, before, within and after its commit, after its answer",
    "",
    "torture_outage.py",
)
BACKEND_KILLED = Torment(
    "`kill -9` of the process that serves our connection",
    "0 to 0.4 s after an edit; all connections end, and the server recovers",
    "",
    "torture_outage.py",
)
NETWORK_CUT = Torment(
    "the network to PostgreSQL is cut and comes back",
    "all connections at once, with edits of the same field on both sides meanwhile",
    "`status` says which system waits and why; each clash is reported with both values",
    "torture_outage.py",
)
REQUEST_SPOILT = Torment(
    "a request to PostgreSQL or its answer is lost, cut off, late or met by silence",
    "the first to the 14th of a delivery, each commit; late by 7 and 12 s, when nobody waits any more",
    "",
    "torture_outage.py",
)
SECOND = Torment(
    "a second process on one state",
    "`run`, `sync`, `restore` beside a daemon, a `sync`, a `backup` or a `restore` at work; five daemons at once",
    "the second one is refused, the first one goes on",
    "torture_second.py",
)
NEWER = Torment(
    "a state of a newer version",
    "`run` and `sync`",
    "neither the state nor a store is touched",
    "torture_second.py",
)
BYTE_FLIPPED = Torment(
    "a byte of the state is changed",
    "at 14 offsets of a page, in every twelfth page each, so that each page is met",
    "it is refused and no store is touched, or it meant nothing and the sync is right; `restore` helps",
    "torture_state.py",
)
POWER = Torment(
    "nothing, but what a loss of power would leave is looked at",
    "the order in which files are synced, renamed and answered for; how the state is committed",
    "bytes are on the disk before their file has its name, and its name is before the write is answered",
    "torture_power.py",
)
TABLE = (
    KILLED, KILLED_AT_A_TIME, KILLED_AT_ITS_START, KILLED_IN_A_COPY, DISK_FULL, DISK_READ_ONLY, FILE_LIMITED, CLOCK,
    SERVER_ENDS, SERVER_ENDS_IN_A_WRITE, BACKEND_KILLED, NETWORK_CUT, REQUEST_SPOILT, SECOND, NEWER, BYTE_FLIPPED,
    POWER,
)  # fmt: skip


class _Line(msgspec.Struct, frozen=True, array_like=True):
    what: str
    case: str = ""
    """Which of several points, places or kinds."""
    said: str = ""


def count(torment: Torment, case: str) -> None:
    """Something was done."""
    _note(_Line(torment.what, case=case))


def said(torment: Torment, message: str) -> None:
    """The operator was told this; folders and ports, which are others each time, are replaced."""
    message = FOLDER.sub("/srv/shop/", message)
    message = re.sub(r"127\.0\.0\.1:\d+/\w+", "127.0.0.1:5432/shop", message)
    _note(_Line(torment.what, said=message.strip()))


def _note(line: _Line) -> None:
    if place := os.environ.get(PLACE):
        with open(place, "ab", buffering=0) as file:
            file.write(msgspec.json.encode(line) + b"\n")


def linked(torment: Torment) -> str:
    """Its name in the page."""
    return f"[{torment.what}](../../tests/torture/{torment.file})"


class Tally:
    """All that was noted in a run."""

    def __init__(self, lines: Iterable[str]) -> None:
        noted = [msgspec.json.decode(line, type=_Line) for line in lines]
        self.times = Counter(line.what for line in noted if line.case)
        self.cases = Counter(what for what, _case in {(line.what, line.case) for line in noted if line.case})
        self.said = Counter((line.what, line.said) for line in noted if line.said)

    @classmethod
    def of_this_run(cls) -> Tally:
        return cls(Path(os.environ[PLACE]).read_text(encoding="utf-8").splitlines())

    @property
    def missing(self) -> list[str]:
        """What was not done at all."""
        return [torment.what for torment in TABLE if not self.times[torment.what]]

    def what_was_done(self) -> list[str]:
        """The first table of the page."""
        lines = ["| what happens | where and when | cases | times | checked besides |", "|---|---|---:|---:|---|"]
        for torment in TABLE:
            figures = f"{self.cases[torment.what]:,} | {self.times[torment.what]:,}"
            lines.append(f"| {linked(torment)} | {torment.where} | {figures} | {torment.afterwards} |")
        return lines

    def what_was_said(self) -> list[str]:
        """The second one: the messages of each torment, the most frequent ones first."""
        lines = ["| what happens | what the operator reads | times |", "|---|---|---:|"]
        for torment in TABLE:
            told = [(message, times) for (what, message), times in self.said.items() if what == torment.what]
            for message, times in sorted(told, key=lambda each: (-each[1], each[0])):
                code = f"`` {message} ``" if "`" in message else f"`{message}`"
                lines.append(f"| {torment.what} | {code} | {times:,} |")
        return lines

    def write(self, page: Path = PAGE) -> None:
        """Put both tables in their places."""
        text = page.read_text(encoding="utf-8")
        for name, lines in (("what was done", self.what_was_done()), ("what was said", self.what_was_said())):
            begin = BEGIN.format(name)
            before, _, rest = text.partition(begin)
            text = "\n".join([f"{before}{begin}", *lines, END]) + rest.partition(END)[2]
        page.write_text(text, encoding="utf-8")
