"""Selections: what is read of one object, its key first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from datasyncd.adapters.contract import Native, ObjectSpec

from .table import Table, TableColumn


class Selection(ABC):
    """The columns of one object that are read, and what is made of their values."""

    first: str
    """The first page of all rows that have a key. These statements take values to begin at, and how many rows."""
    after: str
    """Rows behind a key."""
    keyless: str
    """How many rows have no key."""
    newest: str
    """The highest values of the cursor column, highest first."""
    since: str
    """Rows by the cursor column, from a value on."""
    since_after: str
    """Rows behind a value of the cursor column and a key."""

    def __init__(self, spec: ObjectSpec, table: Table, version: str | None) -> None:
        """`version`: the column that counts the changes of a row."""
        self.spec = spec
        self.table = table
        self.version = version
        self.keys: Sequence[TableColumn] = [table.columns[name] for name in spec.keys]
        self.has_keyless = any(column.nullable for column in self.keys)
        self.stamped = False
        """The database stamps each save of a row by itself: the last value of a row is its stamp, in bytes."""
        self.names = spec.columns if version is None or version in spec.columns else (*spec.columns, version)
        """All columns that are read."""
        forms = [table.columns[name].form for name in self.names]
        self.decoders: list[tuple[int, Callable[[Any], Native]]] = [
            (place, form.decode) for place, form in enumerate(forms) if form.decode is not None
        ]
        """Places of the values that are not native yet, and what makes them so."""

    @abstractmethod
    def given(self, name: str, native: Native) -> Any:
        """A column's native value as statements take it, to begin at or after it."""

    def native(self, name: str, value: Any) -> Native:
        """The native value of one that a statement found in a column."""
        decode = self.table.columns[name].form.decode
        return value if value is None or decode is None else decode(value)


def beyond(names: Sequence[str], same: Callable[[str], str], above: Callable[[str], str]) -> str:
    """SQL of the condition that a row comes after given values of these columns; its values: `behind`."""
    steps = [[*map(same, names[:n]), above(name)] for n, name in enumerate(names)]
    return "(" + " OR ".join(f"({' AND '.join(step)})" for step in steps) + ")"


def behind(values: Sequence[Any]) -> list[Any]:
    """The values for a condition of `beyond`."""
    return [value for count, _ in enumerate(values) for value in values[: count + 1]]
