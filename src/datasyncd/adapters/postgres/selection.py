"""Selections: the statements that read the rows of one object, its key first.

Keys and marks are compared by the server alone, by the order of their own columns: a text that sorts after another one
in Python may stand before it there.
"""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Native, ObjectSpec
from datasyncd.adapters.sql import selection
from datasyncd.adapters.sql.keys import part_of

from .keys import is_told
from .names import quoted
from .table import Table, TableColumn

STAMP = "xmin"
"""The system column with the number of the transaction that saved a row last."""
# With the number of the table: one that was restored begins to count anew.
_STAMPED = f"convert_to(concat(t.tableoid, ':', t.{STAMP}), 'UTF8')"


class Selection(selection.Selection):
    """The statements that read the columns of one object."""

    table: Table
    keys: Sequence[TableColumn]

    def __init__(self, spec: ObjectSpec, table: Table, version: str | None) -> None:
        """`version`: the column that counts the changes of a row, or `STAMP`."""
        super().__init__(spec, table, None if version == STAMP else version)
        self.stamped = version == STAMP
        self.keys_are_told = all(map(is_told, self.keys))
        """No text that passes `parts_of` is refused by the server."""
        read = [*map(self.value, self.names), *([_STAMPED] if self.stamped else ())]
        self._all = f"SELECT {', '.join(read)} FROM {table.sql} AS t"
        self.key_values = ", ".join(self.value(column.name) for column in self.keys)
        order = ", ".join(key_columns := [placed(name) for name in spec.keys])
        keyed = " AND ".join(f"{column} IS NOT NULL" for column in key_columns) if self.has_keyless else "true"
        self.first = f"{self._all} WHERE {keyed} ORDER BY {order} LIMIT $1"
        self.after = f"{self._all} WHERE {self._beyond(spec.keys)} ORDER BY {order} LIMIT ${len(self.keys) + 1}"
        self.keyless = f"SELECT count(*) FROM {table.sql} AS t WHERE NOT ({keyed})"
        if spec.cursor is not None:
            mark, names = placed(spec.cursor), (spec.cursor, *spec.keys)
            at_least = f"{mark} >= {self._given(1, spec.cursor)} AND {keyed}"
            self.newest = (
                f"SELECT {self.value(spec.cursor)} FROM {table.sql} AS t WHERE {mark} IS NOT NULL "
                f"ORDER BY {mark} DESC LIMIT $1"
            )
            self.since = f"{self._all} WHERE {at_least} ORDER BY {mark}, {order} LIMIT $2"
            self.since_after = (
                f"{self._all} WHERE {self._beyond(names)} AND {keyed} ORDER BY {mark}, {order} LIMIT ${len(names) + 1}"
            )
        listed = ", ".join(f"${n}::text[]" for n, _ in enumerate(self.keys, 1))
        columns = ", ".join(f"k{n}" for n, _ in enumerate(self.keys, 1))
        self.by_key = f"{self._all} JOIN unnest({listed}) AS k ({columns}) ON {self.key_is('k')}"
        own = ", ".join(c.form.reading(cast(f"k.k{n}", c)) for n, c in enumerate(self.keys, 1))
        self.canonical = f"SELECT {own} FROM unnest({listed}) WITH ORDINALITY AS k ({columns}, n) ORDER BY k.n"
        """The values of keys, by whatever texts the server takes for them."""
        self.to_update = f"{self.by_key} ORDER BY {order} FOR NO KEY UPDATE OF t"
        """Locks rows against other writers, in one order for all, and lets foreign keys refer to them."""
        self.to_replace = f"{self.by_key} ORDER BY {order} FOR UPDATE OF t"
        """Locks rows that are deleted or change their keys."""

    def value(self, name: str) -> str:
        """SQL of a column's native value."""
        return self.table.columns[name].form.reading(placed(name))

    def key_is(self, other: str) -> str:
        """SQL of the condition that a row has the key whose texts are k1, k2, ... of `other`."""
        return " AND ".join(
            f"{placed(column.name)} = {cast(f'{other}.k{n}', column)}" for n, column in enumerate(self.keys, 1)
        )

    def given(self, name: str, native: Native) -> str:
        """A column's native value as the text by which a statement names it."""
        return part_of(native) or ""

    def by_value(self, name: str, any_case: bool) -> str:
        """Rows whose column has one of the values of an array; `any_case`: letters alike."""
        column = self.table.columns[name]
        if any_case:
            return f"{self._all} WHERE lower({placed(name)}::text) = ANY (SELECT lower(v) FROM unnest($1::text[]) AS v)"
        values = f"unnest($1::{column.form.wire}[]) AS x (v)"
        if column.form.kind == "json":
            same = f"{placed(name)}::jsonb = x.v::jsonb"
        else:
            same = f"{placed(name)} = x.v::{column.declared}"
        return f"{self._all} WHERE EXISTS (SELECT FROM {values} WHERE {same})"

    def _beyond(self, names: Sequence[str]) -> str:
        """SQL of the condition that a row comes after given values of these columns."""
        given = [self._given(n, name) for n, name in enumerate(names, 1)]
        return f"({', '.join(map(placed, names))}) > ({', '.join(given)})"

    def _given(self, n: int, name: str) -> str:
        return cast(f"${n}::text", self.table.columns[name])


def placed(name: str) -> str:
    """A column of the row that is read."""
    return "t." + quoted(name)


def cast(text: str, column: TableColumn) -> str:
    """SQL of a text as a value of the column's type."""
    return text if column.type_name == "text" else f"{text}::{column.declared}"
