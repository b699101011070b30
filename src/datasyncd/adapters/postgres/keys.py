"""Keys: the texts that the server casts to the types of the key's columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datasyncd.adapters.contract import Key
from datasyncd.adapters.sql.keys import Parts, split

from .table import TableColumn

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}").fullmatch


def parts_of(key: Key, columns: Sequence[TableColumn]) -> Parts | None:
    """The texts of a key; None: no row has it, as its form tells."""
    parts = split(key, len(columns))
    fits = parts is not None and all(_can_be(part, column) for part, column in zip(parts, columns, strict=True))
    return parts if fits else None


def is_told(column: TableColumn) -> bool:
    """Whether `parts_of` tells each text that no value of the column has."""
    return column.bounds is not None or column.type_name in ("uuid", "text", "varchar", "bpchar")


def _can_be(part: str, column: TableColumn) -> bool:
    """Whether a value of the column can have this text; what is not told here, the server tells."""
    if column.bounds is not None:
        return _WHOLE(part) is not None and column.bounds[0] <= int(part) <= column.bounds[1]
    if column.type_name == "uuid":
        return _UUID(part) is not None
    return "\0" not in part and not any("\ud800" <= letter <= "\udfff" for letter in part)
