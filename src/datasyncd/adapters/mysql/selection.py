"""Selections: the statements that read the rows of one object, its key first.

Keys and marks are compared by the server alone, by the order of their own columns: a text that sorts after another one
in Python may stand before it there. What a collation takes for the same key may still be another one, such as `Ann` for
`ann`: whoever reads by key compares once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from datasyncd.adapters.contract import Key, Native, ObjectSpec
from datasyncd.adapters.sql import selection
from datasyncd.adapters.sql.keys import Parts, native, parts_of

from .names import quoted
from .table import Table, TableColumn


class Selection(selection.Selection):
    """The statements that read the columns of one object. Each %s stands for a value."""

    table: Table
    keys: Sequence[TableColumn]

    def __init__(self, spec: ObjectSpec, table: Table, version: str | None) -> None:
        """`version`: the column that counts the changes of a row."""
        super().__init__(spec, table, version)
        self._all = f"SELECT {', '.join(map(self._value, self.names))} FROM {table.sql} AS t"
        self._order = ", ".join(key_columns := [placed(name) for name in spec.keys])
        keyed = " AND ".join(f"{column} IS NOT NULL" for column in key_columns) if self.has_keyless else "TRUE"
        self.first = f"{self._all} WHERE {keyed} ORDER BY {self._order} LIMIT %s"
        self.after = f"{self._all} WHERE {self._beyond(spec.keys)} ORDER BY {self._order} LIMIT %s"
        self.keyless = f"SELECT count(*) FROM {table.sql} AS t WHERE NOT ({keyed})"
        if spec.cursor is not None:
            mark, names = placed(spec.cursor), (spec.cursor, *spec.keys)
            by_mark = f"AND {keyed} ORDER BY {mark}, {self._order} LIMIT %s"
            self.newest = (
                f"SELECT {self._value(spec.cursor)} FROM {table.sql} AS t WHERE {mark} IS NOT NULL "
                f"ORDER BY {mark} DESC LIMIT %s"
            )
            self.since = f"{self._all} WHERE {mark} >= {self._given(spec.cursor)} {by_mark}"
            self.since_after = f"{self._all} WHERE {self._beyond(names)} {by_mark}"
        self.key_is = " AND ".join(map(self.same, spec.keys))
        """SQL of the condition that a row has a key."""

    def given(self, name: str, native: Native) -> Any:
        return self.table.columns[name].form.to_wire(native)

    def parts_of(self, key: Key) -> Parts | None:
        """The texts of a key; None: no row has it, as its form tells."""
        return parts_of(key, self.keys)

    def key(self, parts: Parts) -> tuple[Any, ...]:
        """The values by which `key_is` finds the row of a key."""
        return tuple(c.form.to_wire(native(part, c)) for c, part in zip(self.keys, parts, strict=True))

    def by_key(self, keys: Sequence[Parts], *, lock: bool = False) -> tuple[str, list[Any]]:
        """A statement for the rows of these keys, and its values; `lock`: no other may write them, in one order for
        all."""
        values = [value for parts in keys for value in self.key(parts)]
        if len(self.keys) == 1:
            where = f"{placed(self.spec.key)} IN ({', '.join([self._given(self.spec.key)] * len(keys))})"
        else:
            where = " OR ".join([f"({self.key_is})"] * len(keys))
        return f"{self._all} WHERE {where}{f' ORDER BY {self._order} FOR UPDATE' if lock else ''}", values

    def by_value(self, name: str, wires: Sequence[Any], any_case: bool) -> tuple[str, list[Any]]:
        """A statement for rows whose column has one of these values, and its values; `any_case`: letters alike."""
        column, declared = placed(name), self.table.columns[name]
        form, wires = declared.form, list(wires)
        same = " OR ".join([self.same(name)] * len(wires))
        if form.exact:
            return f"{self._all} WHERE {same}", wires
        # What a collation takes for the same is looked for first, where it is enough: an index may help there.
        alike = not any_case or (declared.collation or "").endswith("_ci")
        text = f"CONVERT({column} USING utf8mb4)"
        exact = f"CAST({f'lower({text})' if any_case else text} AS BINARY) IN ({_marks(wires)})"
        sql = f"{self._all} WHERE {f'({same}) AND ' if alike else ''}{exact}"
        sent = [wire.lower() if any_case else wire for wire in wires]
        return sql, [*(wires if alike else ()), *(wire.encode() for wire in sent)]

    def same(self, name: str) -> str:
        """SQL of the condition that a column has a given value."""
        return f"{self.table.columns[name].form.compared.replace('{}', placed(name))} = {self._given(name)}"

    def _beyond(self, names: Sequence[str]) -> str:
        """SQL of the condition that a row comes after given values of these columns."""
        return selection.beyond(names, self.same, lambda name: f"{placed(name)} > {self._given(name)}")

    def _given(self, name: str) -> str:
        return self.table.columns[name].given

    def _value(self, name: str) -> str:
        return self.table.columns[name].form.reading(placed(name))


def placed(name: str) -> str:
    """A column of the row that is read."""
    return "t." + quoted(name)


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _ in values)
