"""Keys: as text, and as the native values of the key's columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from datasyncd.adapters.contract import Key, Native
from datasyncd.adapters.sql.form import Unfit
from datasyncd.adapters.sql.keys import Parts, split

from .table import TableColumn


def parts_of(key: Key, columns: Sequence[TableColumn]) -> Parts | None:
    """The texts of a key; None: no row has it, as its form tells."""
    parts = split(key, len(columns))
    fits = parts is not None and all(_can_be(part, column) for part, column in zip(parts, columns, strict=True))
    return parts if fits else None


def native(part: str, column: TableColumn) -> Native:
    """The value of a column whose text in a key is this."""
    return int(part) if column.form.kind == "integer" else part


def _can_be(part: str, column: TableColumn) -> bool:
    """Whether a value of the column can have this text."""
    if _pattern(column.form.key).fullmatch(part) is None:
        return False
    if column.bounds is not None:
        return column.bounds[0] <= int(part) <= column.bounds[1]
    try:
        column.form.to_wire(part)
    except Unfit:
        return False
    return True


@lru_cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)
