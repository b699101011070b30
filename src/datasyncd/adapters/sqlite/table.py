"""Tables and views as SQLite declares them."""

from __future__ import annotations

import re
import sqlite3
from typing import Literal, TypeAlias

import msgspec

from datasyncd.adapters.contract import Column, Native, Schema
from datasyncd.adapters.errors import NotFound, Unsupported
from datasyncd.adapters.keeps import Keeps
from datasyncd.adapters.needed import nobody_gives

Kind: TypeAlias = Literal["text", "integer", "float", "boolean", "bytes", "any"]

_COLUMNS = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
_INDEXES = 'SELECT name, origin FROM pragma_index_list(?) WHERE "unique" AND NOT partial'
_INDEXED = "SELECT name FROM pragma_index_info(?)"
_STRICT = "(SELECT strict FROM pragma_table_list(s.name) WHERE schema = 'main')"
_WHAT = f"""
SELECT name, type, {_STRICT if sqlite3.sqlite_version_info >= (3, 37) else "0"} FROM sqlite_schema AS s
WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"""

_GENERATED = (2, 3)
"""Values of `hidden` for generated columns: virtual, stored."""


def quoted(name: str) -> str:
    """An identifier as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


class TableColumn(msgspec.Struct, frozen=True):
    """One column."""

    name: str
    kind: Kind
    keeps: Keeps | None
    nullable: bool
    has_default: bool
    generated: bool


class Table(msgspec.Struct, frozen=True):
    """One table or view."""

    name: str
    is_view: bool
    columns: dict[str, TableColumn]
    unique: frozenset[str]
    """Columns of which no two rows have the same value, but for NULL."""
    row_id: str | None
    """The column that is another name of the row's number: SQLite makes its values."""
    writable: frozenset[str]
    """Columns that a write may name."""

    def makes(self, key: str) -> bool:
        """Whether the key of a new row need not be given."""
        return key == self.row_id or self.columns[key].has_default

    def why_key_needed(self, key: str) -> str:
        """Why the key must be among the fields of a new row; "": it need not."""
        kind = self.columns[key].kind
        if self.makes(key) or kind not in ("integer", "float", "boolean"):
            return ""
        return nobody_gives(key, "an integer" if kind == "integer" else f"a {kind}")

    def tells_keys_apart(self, key: str) -> bool:
        """Whether no two rows can have keys that are the same text (17 and '17' can stand in an untyped column)."""
        return not self.is_view and key in self.unique and self.columns[key].kind != "any"

    def schema(self, key: str | None) -> Schema:
        """As the contract describes an object."""
        why_key = self.why_key_needed(key) if key is not None and not self.is_view else ""
        columns = tuple(
            Column(
                name=c.name, kind=c.kind, nullable=c.nullable, keeps=c.keeps, writable=c.name in self.writable,
                required=bool(why_key) if c.name == key else not (
                    c.nullable or c.has_default or c.generated or c.name == self.row_id
                ),
                why_required=why_key if c.name == key else "",
            )
            for c in self.columns.values()
        )  # fmt: skip
        return Schema(self.name, columns, key_assigned=key is not None and self.makes(key))


def table_of(connection: sqlite3.Connection, name: str) -> Table:
    """What the database says of a table or view now. Raises `NotFound`."""
    found = connection.execute(_WHAT, (name,)).fetchone()
    if found is None:
        raise NotFound(f"there is no table {name!r}")
    is_view, is_strict = found[1] == "view", bool(found[2])
    rows = connection.execute(_COLUMNS, (name,)).fetchall()
    indexes = connection.execute(_INDEXES, (name,)).fetchall()
    primary = [column for column, _, _, _, pk, _ in rows if pk]
    keyed_by_row = len(primary) == 1 and not is_view and all(origin != "pk" for _, origin in indexes)
    columns = {
        column: TableColumn(
            name=column,
            kind=kind_of(declared),
            keeps=NUMERIC if makes_numbers(declared, is_strict) else None,
            nullable=not notnull and not (pk and keyed_by_row),
            has_default=default not in (None, "NULL"),
            generated=hidden in _GENERATED,
        )
        for column, declared, notnull, default, pk, hidden in rows
    }
    unique = set(primary) if keyed_by_row else set()
    for index, _ in indexes:
        members = [member for (member,) in connection.execute(_INDEXED, (index,))]
        if len(members) == 1 and members[0] is not None:
            unique.add(members[0])
    return Table(
        name=found[0],
        is_view=is_view,
        columns=columns,
        unique=frozenset(unique),
        row_id=primary[0] if keyed_by_row else None,
        writable=frozenset(c.name for c in columns.values() if not (is_view or c.generated)),
    )


def kind_of(declared: str) -> Kind:
    """What values a column of this declared type has, by SQLite's rules of affinity ("Datatypes in SQLite", 3.1)."""
    text = declared.upper()
    if "INT" in text:
        return "integer"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if "BLOB" in text:
        return "bytes"
    if any(word in text for word in ("REAL", "FLOA", "DOUB")):
        return "float"
    if "BOOL" in text:
        return "boolean"
    return "any"


def makes_numbers(declared: str, is_strict: bool) -> bool:
    """Whether texts that look like numbers become numbers in a column of this declared type, which has the affinity
    NUMERIC (3.1); a STRICT table has ANY instead, which keeps them."""
    return declared != "" and not is_strict and kind_of(declared) == "any"


def _as_number(native: Native) -> Native:
    """What the affinity NUMERIC makes of a value ("Datatypes in SQLite", 3)."""
    if not isinstance(native, str) or not _NUMBER(native):
        return native
    text = native.strip(_BLANKS)
    if _WHOLE(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    number = float(text)
    if number - number != 0:
        return None
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


_BLANKS = " \t\n\v\f\r"
_NUMBER = re.compile(rf"[{_BLANKS}]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[{_BLANKS}]*").fullmatch
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}").fullmatch

NUMERIC = Keeps("texts that do not look like numbers, and numbers of about 15 digits", _as_number, "decimal")


def check(table: Table, key: str, columns: tuple[str, ...]) -> None:
    """Raise `NotFound` for a column that the table lacks, `Unsupported` for a key that does not tell its rows apart."""
    for name in columns:
        if name not in table.columns:
            nearest = next((known for known in table.columns if known.lower() == name.lower()), None)
            hint = f"; did you mean {nearest!r}?" if nearest else f"; it has {', '.join(table.columns)}"
            raise NotFound(f"the table {table.name!r} has no column {name!r}{hint}")
    if not table.is_view and key not in table.unique:
        raise Unsupported(
            f"the column {key!r} of the table {table.name!r} cannot be its key: "
            "it is neither the primary key nor UNIQUE"
        )
