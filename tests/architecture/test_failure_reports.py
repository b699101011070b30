"""Each report of docs/reference/failure-reports.md names tests that exist and say its number, or why there is none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "failure-reports.md"
NUMBERS = [f"F{n:02}" for first, last in ((1, 26), (41, 47), (71, 76), (79, 97)) for n in range(first, last + 1)]
"""The reports that are about the core."""


class Report(NamedTuple):
    """One line of the table."""

    number: str
    rule: str
    tests: list[str]


def reports() -> Iterator[Report]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| F\d", line):
            number, rule, shown = (cell.strip() for cell in line.strip("|").split("|"))
            yield Report(number, rule, re.findall(r"`([^`\s]+::[^`\s]+)`", shown))


@cache
def docstrings(file: str) -> dict[str, str]:
    """What each function of a file, and each method by `Class::name`, says of itself."""
    found: dict[str, str] = {}
    tree = ast.parse((ROOT / file).read_bytes())
    for node in tree.body:
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for part in parts:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + part.name] = ast.get_docstring(part) or ""
    return found


def test_every_report_about_the_core_is_listed_once_in_order() -> None:
    assert [report.number for report in reports()] == NUMBERS


@pytest.mark.parametrize("report", list(reports()), ids=lambda report: report.number)
def test_a_report_names_tests_that_exist_and_say_its_number(report: Report) -> None:
    if not report.tests:
        assert report.rule.startswith("Open: "), "no test, and not said to be open"
    for test in report.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), test
        assert name in docstrings(file), test
        assert re.search(rf"\b{report.number}\b", docstrings(file)[name]), f"{test} does not say {report.number}"
