"""Pages: the commands of a page of the documentation, run as they stand, and what the page says they show.

A page has blocks:

    ```sh          commands, run in order in one folder; each block must end with 0 unless the page says `# exits N`
    ```text        what the block before shows, as far as it does not depend on the moment
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

PATIENCE_S = 60

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{8,16}\b"), "ID"),
    (re.compile(r"\bdatasyncd_certify_[0-9a-f]{8}\b"), "SCRATCH"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|min)\b"), "SPAN"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\bby [\w.-]+\)"), "by SOMEBODY)"),
    (re.compile(r"\bcontact \d+"), "contact N"),
    (re.compile(r"^\d+ cycles? in .* recognised$", re.MULTILINE), "CYCLES"),
    (re.compile(r"^\d+ +(?=\w+\.\w+ )", re.MULTILINE), "GUARD "),  # numbered by all that was done before
    (re.compile(r"\b\d+\.\d+:\d+\b"), "DOT"),
    # Whom an edit had reached before the other one was seen.
    (re.compile(r"(written|writes it) to [^;\n]*; [^;\n]* ha(s|ve) it already"), r"\1 to SYSTEMS"),
    (re.compile(r" +"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


class Step(msgspec.Struct):
    """One block of commands, and what it shows."""

    line: int
    commands: str
    shows: str | None = None


def steps(page: Path) -> Iterator[Step]:
    """The blocks of commands of a page, in order."""
    text = page.read_text(encoding="utf-8")
    step: Step | None = None
    end = 0
    for found in _FENCE.finditer(text):
        follows = step is not None and not re.search(r"^#", text[end : found.start()], re.MULTILINE)
        if found[1] == "sh":
            if step is not None:
                yield step
            step = Step(text.count("\n", 0, found.start()) + 1, found[2])
        elif found[1] == "text" and step is not None and follows and step.shows is None:
            step.shows = found[2]
        end = found.end()
    if step is not None:
        yield step


def run(commands: str, folder: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Commands in a shell, as somebody types them there: exit code, and all that they print.

    A `sleep` takes somewhat longer: the machine may be busy with other tests.
    """
    shell = ["sh", "-e", "-c", re.sub(r"^sleep (\d+)", r"sleep \1.5", commands, flags=re.MULTILINE)]
    done = subprocess.run(
        shell,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def lasting(text: str) -> list[str]:
    """The lines of an output, with what depends on the moment replaced."""
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return text.strip("\n").split("\n")


def shown_in(page: Path, commands: str) -> str:
    """What a page says that these commands show."""
    return next(step.shows for step in steps(page) if step.commands.strip() == commands and step.shows is not None)
