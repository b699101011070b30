"""Screen: text for people, aligned, coloured only on a terminal; JSON for scripts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from ..review.timestamp import span

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
WIDEST = 60
"""Characters of a cell; longer values are cut, and shown whole with --json."""

COLOURS = {
    "ok": "green", "held": "green", "warning": "yellow", "open": "yellow", "critical": "red", "error": "red",
    "broken": "red", "unknown": "blue",
}  # fmt: skip


def show_json(document: Any) -> None:
    """One document; escaped where the screen cannot show it, or a name holds bytes that are no text."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=indent)
    click.echo(text)


def coloured(word: str) -> str:
    """A word in its colour, where somebody sees it."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return word
    return click.style(word, fg=COLOURS.get(word))


def plain(text: str) -> str:
    """A text without control characters, which could make the terminal do something: they are spelled out."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def text_of(value: Any) -> str:
    """A value in one cell."""
    if value is None:
        return "(blank)"
    if isinstance(value, list):
        return "; ".join(text_of(item) for item in value) or "(none)"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text_of(item)}" for name, item in value.items())
    text = plain(str(value))
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], indent: str = "") -> None:
    """Columns as wide as they need."""
    cells = [[text_of(value) for value in row] for row in rows]
    widths = [max([len(head), *(len(row[n]) for row in cells)]) for n, head in enumerate(heads)]
    for line in ([list(heads)] if any(heads) else []) + cells:
        click.echo((indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip())


def count(n: int, one: str, many: str | None = None) -> str:
    """How many, in words: "1 conflict", "2 conflicts"."""
    return f"{n} {one if n == 1 else many or f'{one}s'}"


def moment(at: str | None) -> str:
    """A time to the second."""
    return "never" if at is None else at.split(".")[0].rstrip("Z").replace("T", " ")


def ago(at: str | None) -> str:
    """How long ago a time was."""
    if at is None:
        return "never"
    since = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    return f"{span(since)} ago" if since >= 0 else f"in {span(-since)}"
