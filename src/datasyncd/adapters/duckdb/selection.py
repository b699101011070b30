"""Selections: the statements that read the rows of one object, its key first.

Keys and marks are compared by DuckDB alone: texts by their characters, since a collation would take some for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasyncd.adapters.contract import Native, ObjectSpec
from datasyncd.adapters.sql import selection
from datasyncd.adapters.sql.keys import Parts, native

from .names import quoted
from .table import Table, TableColumn


class Selection(selection.Selection):
    """The statements that read the columns of one object. Each ? stands for a value."""

    table: Table
    keys: Sequence[TableColumn]

    def __init__(self, spec: ObjectSpec, table: Table, version: str | None) -> None:
        """`version`: the column that counts the changes of a row."""
        super().__init__(spec, table, version)
        self._all = f"SELECT {', '.join(map(self._value, self.names))} FROM {table.sql} AS t"
        order = ", ".join(map(self._compared, spec.keys))
        keyed = " AND ".join(f"{placed(name)} IS NOT NULL" for name in spec.keys) if self.has_keyless else "TRUE"
        self.first = f"{self._all} WHERE {keyed} ORDER BY {order} LIMIT ?"
        self.after = f"{self._all} WHERE {self._beyond(spec.keys)} ORDER BY {order} LIMIT ?"
        self.keyless = f"SELECT count(*) FROM {table.sql} AS t WHERE NOT ({keyed})"
        if spec.cursor is not None:
            mark = self._compared(spec.cursor)
            by_mark = f"AND {keyed} ORDER BY {mark}, {order} LIMIT ?"
            self.newest = (
                f"SELECT {self._value(spec.cursor)} FROM {table.sql} AS t WHERE {mark} IS NOT NULL "
                f"ORDER BY {mark} DESC LIMIT ?"
            )
            self.since = f"{self._all} WHERE {mark} >= {self._given(spec.cursor)} {by_mark}"
            self.since_after = f"{self._all} WHERE {self._beyond((spec.cursor, *spec.keys))} {by_mark}"
        self.is_row = " AND ".join(f"{self._compared(name)} = w.k{n}" for n, name in enumerate(spec.keys))
        """SQL of the condition that a row of the table `t` has the key of one of the list `w`."""

    def given(self, name: str, native: Native) -> Any:
        return self.table.columns[name].form.to_wire(native)

    def key(self, parts: Parts) -> list[Any]:
        """The parts of a key as they are sent."""
        return [c.form.to_wire(native(part, c)) for c, part in zip(self.keys, parts, strict=True)]

    def by_key(self, keys: Sequence[Parts]) -> tuple[str, list[Any]]:
        """A statement for the rows of these keys, and its values."""
        columns = list(zip(*map(self.key, keys), strict=True))
        return f"{self._all}, {self.listed(())} WHERE {self.is_row}", [list(column) for column in columns]

    def by_value(self, name: str, any_case: bool) -> str:
        """A statement for rows whose column has one of the values of a list; `any_case`: letters alike."""
        column = self.table.columns[name]
        given = column.given(_sent(column)).replace("CAST(", "TRY_CAST(")
        if any_case:
            return f"{self._all} WHERE lower({placed(name)}) IN (SELECT lower({given}))"
        return f"{self._all} WHERE {self._compared(name)} IN (SELECT {given})"

    def listed(self, names: Sequence[str]) -> str:
        """SQL of the list `w` of keys, as k0, k1, ..., and values of these columns, as v0, v1, ...; it takes a list a
        column."""
        parts = [f"{column.given(_sent(column))} AS k{n}" for n, column in enumerate(self.keys)]
        parts += [f"{self.table.columns[x].given(_sent(self.table.columns[x]))} AS v{n}" for n, x in enumerate(names)]
        return f"(SELECT {', '.join(parts)}) AS w"

    def row(self, names: Sequence[str]) -> str:
        """SQL of the values of these columns; it takes a list a column."""
        return ", ".join(self.table.columns[name].given(_sent(self.table.columns[name])) for name in names)

    def same(self, name: str) -> str:
        """SQL of the condition that a column has a given value."""
        return f"{self._compared(name)} = {self._given(name)}"

    def _beyond(self, names: Sequence[str]) -> str:
        return selection.beyond(names, self.same, lambda name: f"{self._compared(name)} > {self._given(name)}")

    def _compared(self, name: str) -> str:
        return self.table.columns[name].compared(placed(name))

    def _given(self, name: str) -> str:
        column = self.table.columns[name]
        return column.given(f"CAST(? AS {column.form.wire})")

    def _value(self, name: str) -> str:
        return self.table.columns[name].form.reading(placed(name))


def placed(name: str) -> str:
    """A column of the row that is read."""
    return "t." + quoted(name)


def _sent(column: TableColumn) -> str:
    return f"unnest(CAST(? AS {column.form.wire}[]))"
