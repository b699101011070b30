"""Conflicts as a document to hand on."""

from __future__ import annotations

import csv
import html
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .screen import moment

HEADS = ("id", "kind", "entity", "key", "field", "state", "since", "system", "value", "edited", "chosen", "text")

_NUMBER = re.compile(r"[+-][0-9 ().-]*")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}"
    "th,td{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}"
)


def document(reports: Sequence[dict[str, Any]], form: str) -> str:
    """A table with a line for each value of each report; `form` is md, markdown, html or csv."""
    rows = [row for report in reports for row in _rows(report, exact=form == "csv")]
    title = f"{len(reports)} {'report' if len(reports) == 1 else 'reports'}"
    if form == "csv":
        return _csv(rows)
    if form == "html":
        return _html(title, rows)
    lines = ["| " + " | ".join(_markdown(cell) for cell in row) + " |\n" for row in rows]
    head = "| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS) + "\n"
    return f"# {title}\n\n{head}" + "".join(lines)


def write(path: Path, text: str) -> None:
    """Write a document that only its owner may read: it holds personal data. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as out:
        out.write(text)


def _rows(report: dict[str, Any], *, exact: bool) -> list[list[str]]:
    """`exact`: times as scripts read them."""

    def when(at: str | None) -> str:
        return at or "" if exact or at is None else moment(at)

    first = [report[name] or "" for name in ("id", "kind", "entity", "key")]
    chosen = _value(report["chosen"]) if report["decided"] else ""
    text = report["undecidable"] or report["text"]
    candidates = report["candidates"] or [{"system": report["system"] or ""}]
    return [
        [
            *first,
            each.get("field") or report["field"] or "",
            report["state"],
            when(report["since"]),
            "a person" if each["system"] is None else each["system"],
            _value(each.get("value", "")),
            when(each.get("edited_at")),
            chosen,
            text,
        ]
        for each in candidates
    ]


def _value(value: Any) -> str:
    """A value in full."""
    if value is None:
        return "(blank)"
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADS)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _html(title: str, rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f"<h1>{title}</h1>\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</html>\n"
    )


def _markdown(cell: str) -> str:
    """A cell that is nothing but text."""
    escaped = re.sub(r"([\\`*_\[\]|#])", r"\\\1", cell)
    return html.escape(escaped, quote=False).replace("\r", "").replace("\n", "<br>")


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet takes for text or a number, never for a formula."""
    risky = cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(cell)
    return "'" + cell if risky else cell
