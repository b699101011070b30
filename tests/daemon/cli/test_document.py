"""Documents: a value in them is text, whatever it looks like."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from datasyncd.daemon.cli.document import HEADS, document


def report(value: Any) -> dict[str, Any]:
    return {
        "id": "ab12", "kind": "conflict", "entity": "contact", "key": "k", "field": "name", "state": "open",
        "since": "2026-01-01T00:00:00.000001Z", "chosen": None, "decided": False, "text": "", "undecidable": None,
        "system": None,
        "candidates": [
            {"value": value, "system": "crm", "edited_at": None, "seen_at": None, "dot": None, "field": None}
        ],
    }  # fmt: skip


def cell(form: str, value: Any) -> str:
    row = list(csv.reader(io.StringIO(document([report(value)], form), newline="")))[1]
    return row[HEADS.index("value")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@sum", "'@sum"),
        ("-cmd", "'-cmd"),
        ("+1 201 555-0123", "+1 201 555-0123"),
        ("-3.5", "-3.5"),
        ('a "quoted", value\nof two lines', 'a "quoted", value\nof two lines'),
        (None, "(blank)"),
        (["a", "b"], "a; b"),
        (0, "0"),
    ],
)
def test_a_spreadsheet_takes_no_value_for_a_formula(value: Any, shown: str) -> None:
    assert cell("csv", value) == shown


def test_html_and_markdown_take_no_value_for_markup() -> None:
    value = "<script>|*x*\n# y"

    assert "&lt;script&gt;|*x*" in document([report(value)], "html")
    assert "&lt;script&gt;\\|\\*x\\*<br>\\# y" in document([report(value)], "md")


def test_a_table_has_as_many_cells_in_each_line() -> None:
    lines = document([report("a"), report("b|c")], "markdown").splitlines()[2:]

    assert {line.replace("\\|", "").count("|") for line in lines} == {len(HEADS) + 1}


def test_a_report_about_a_whole_record_names_the_field_of_each_value() -> None:
    candidates = [{**report("Anna")["candidates"][0], "field": field} for field in ("first_name", "city")]
    whole = {**report("Anna"), "kind": "delete_vs_edit", "field": None, "candidates": candidates}

    rows = list(csv.DictReader(io.StringIO(document([whole], "csv"), newline="")))

    assert [(row["field"], row["value"], row["chosen"]) for row in rows] == [
        ("first_name", "Anna", ""), ("city", "Anna", ""),
    ]  # fmt: skip
