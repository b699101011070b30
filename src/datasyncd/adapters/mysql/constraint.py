"""Constraints: the columns that a rule of a table is about, by the statement that makes the table.

The server writes each column and each rule there in a line of its own, and every name in backquotes.
"""

from __future__ import annotations

import re

from .names import backquoted
from .table import Table

_TEXT = re.compile(r"'(?:[^'\\]|''|\\.)*'")
_NAME = re.compile(r"`((?:[^`]|``)+)`")


def checked(table: Table, name: str) -> frozenset[str]:
    """Columns that a CHECK is about; `name`: its own, or of one that stands at a column, `table.column`."""
    for line in _lines(table):
        if line.startswith(f"CONSTRAINT {backquoted(name)} CHECK"):
            return _named(line.split(" CHECK", 1)[1], table)
    column = name.removeprefix(f"{table.name}.")
    return frozenset({column}) if column in table.columns else frozenset()


def computed_from(table: Table, name: str) -> list[str]:
    """Columns of which the server computes this one; empty: it does not."""
    for line in _lines(table):
        if line.startswith(backquoted(name) + " ") and " GENERATED ALWAYS AS (" in line:
            about = _named(line.split(" GENERATED ALWAYS AS (", 1)[1], table)
            return [column for column in table.columns if column in about]
    return []


def _lines(table: Table) -> list[str]:
    return [line.strip() for line in table.definition.splitlines()]


def _named(text: str, table: Table) -> frozenset[str]:
    names = (name.replace("``", "`") for name in _NAME.findall(_TEXT.sub("''", text)))
    return frozenset(name for name in names if name in table.columns)
