"""Conflicts as a document to hand on."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from typing import Any

from .screen import moment, text_of

HEADS = ("id", "kind", "entity", "key", "field", "state", "since", "system", "value", "edited", "chosen")


def document(reports: Sequence[dict[str, Any]], form: str) -> str:
    """A table with a line for each value of each report; `form` is md, html or csv."""
    rows = [row for report in reports for row in _rows(report)]
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADS)
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
        return out.getvalue()
    if form == "html":
        lines = ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
        head = "".join(f"<th>{name}</th>" for name in HEADS)
        return (
            '<!doctype html>\n<meta charset="utf-8">\n<title>Conflicts</title>\n'
            f"<h1>{len(reports)} reports</h1>\n<table>\n<tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>\n"
        )
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    head = "| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS)
    return f"# {len(reports)} reports\n\n{head}\n" + "".join(line + "\n" for line in lines)


def _rows(report: dict[str, Any]) -> list[list[str]]:
    first = [report[name] or "" for name in ("id", "kind", "entity", "key", "field", "state")]
    chosen = "" if report["state"] == "open" else text_of(report["chosen"])
    candidates = report["candidates"] or [{"system": report.get("system"), "value": "", "edited_at": None}]
    return [
        [
            *first,
            moment(report["since"]),
            c["system"] or "a person",
            text_of(c["value"]),
            moment(c["edited_at"]),
            chosen,
        ]
        for c in candidates
    ]


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet takes for text: never a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
