"""Stopped: a command ends early: why, for people and for scripts, and the exit code that says so.

Exit codes are those of sysexits; 1 means that something needs a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .screen import show_json

USAGE, UNAVAILABLE, BUG, GONE, TRY_AGAIN, CONFIG = 64, 69, 70, 72, 75, 78
INTERRUPTED = 130


class Stopped(Exception):
    """Nothing more is done."""

    def __init__(self, text: str, exit_code: int, details: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code
        self.details = details


def stop(text: str, code: int) -> NoReturn:
    """Say why nothing more is done, and leave."""
    raise Stopped(text, code)


def stop_for_config(problems: Sequence[Any]) -> NoReturn:
    """Leave with all that is wrong with the config, each with its file and line."""
    text = "the config is not valid\n" + "\n".join(map(str, problems))
    details = [
        {"file": p.file, "line": p.line, "key": p.key, "text": p.text, "nearest": p.nearest, "severity": p.severity}
        for p in problems
    ]
    raise Stopped(text, CONFIG, details)


def tell(stopped: Stopped, as_json: bool) -> None:
    """For people on standard error; where JSON was asked for, as one document on standard output, too."""
    click.echo(f"datasyncd: {stopped.text}", err=True)
    if as_json:
        show_json({"error": {"text": stopped.text, "exit_code": stopped.exit_code, "details": stopped.details}})
