"""Tables and views as the catalog of a DuckDB file describes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.sql import table as base

from .connection import Connection
from .form import INTEGERS, Form, form_of, keeps_of
from .names import quoted, shown, split

_OBJECTS = """
SELECT table_name, TRUE FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = $1
UNION ALL
SELECT view_name, FALSE FROM duckdb_views() WHERE database_name = current_database() AND schema_name = $1"""

# What a change of which makes the map be looked at anew.
_SHAPED = "data_type, is_nullable, column_default IS NULL, is_generated"
_COLUMNS = f"""
SELECT column_name, {_SHAPED}, column_default FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index"""

_CONSTRAINTS = """
SELECT constraint_type, constraint_name, constraint_text, constraint_column_names, referenced_table,
       referenced_column_names
FROM duckdb_constraints() WHERE database_name = current_database() AND schema_name = ? AND table_name = ?"""
_REFERRING = """
SELECT constraint_name FROM duckdb_constraints() WHERE database_name = current_database() AND schema_name = ?
AND referenced_table = ? AND constraint_type = 'FOREIGN KEY' ORDER BY constraint_name"""
_INDEXES = """
SELECT expressions FROM duckdb_indexes()
WHERE database_name = current_database() AND schema_name = ? AND table_name = ? AND is_unique"""

_SCHEMA = "main"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
_DIGITS = re.compile(r"DECIMAL\((\d+),(\d+)\)").fullmatch
_LABEL = re.compile(r"'((?:[^']|'')*)'").finditer


class TableColumn(base.TableColumn, frozen=True, kw_only=True):
    """One column."""

    form: Form
    default: str | None
    """SQL of the value that a new row gets where none is given."""

    def given(self, sent: str) -> str:
        """SQL of the column's value of one that is sent."""
        return self.form.given(sent, self.declared)

    def compared(self, column: str) -> str:
        """The column where it is compared: texts by their characters, whatever its collation takes for the same."""
        return f"({column} COLLATE C)" if self.is_text else column


class Foreign(msgspec.Struct, frozen=True):
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    table: str
    """As SQL takes it."""
    referred: tuple[str, ...]


class Table(base.Table, frozen=True, kw_only=True):
    """One table or view."""

    schema: str
    name: str
    columns: Mapping[str, TableColumn]
    may_be_written: bool
    """By the rights of the file."""
    rules: tuple[tuple[str, ...], ...]
    """What `unique` has, each in the order in which it was declared."""
    checks: Mapping[str, tuple[str, tuple[str, ...]]]
    """Text of a CHECK -> its name, and its columns."""
    parents: tuple[Foreign, ...]
    referring: tuple[str, ...]
    """Names of the foreign keys that refer to this table."""

    def why_not_written(self, column: base.TableColumn) -> str:
        if self.is_table and not self.may_be_written:
            return "the daemon's user may not write the file, or make files in its folder"
        if isinstance(column.form, Form) and column.form.only_read:
            return f"values of the type {column.shown} are only read"
        return super().why_not_written(column)


async def table_of(connection: Connection, object: str) -> Table:
    """What the catalog says of a table or view now. Raises `NotFound`."""
    parts = split(object)
    if parts is None:
        raise NotFound(f'{object!r} names no table; expected a name such as contacts or crm."my table"')
    schema, name = parts[0] or _SCHEMA, parts[1]
    known = dict(await connection.fetch(_OBJECTS, schema))
    if name not in known:
        nearest = get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise NotFound(f"there is no table {object!r}{hint}")
    columns = {row[0]: _column(row) for row in await connection.fetch(_COLUMNS, schema, name)}
    constraints = await connection.fetch(_CONSTRAINTS, schema, name)
    rules = _rules(constraints, await connection.fetch(_INDEXES, schema, name), columns)
    return Table(
        schema=schema, name=name, sql=".".join((quoted(schema), quoted(name))),
        shown=shown(name) if schema == _SCHEMA else ".".join((shown(schema), shown(name))), is_table=known[name],
        who="the daemon", grantee="", may_insert=True, may_update=True, may_delete=True, fills=False, columns=columns,
        unique=tuple(map(frozenset, rules)), rules=rules, may_be_written=connection.file.may_be_written(),
        checks={text: (label, tuple(names)) for kind, label, text, names, _, _ in constraints if kind == "CHECK"},
        parents=tuple(
            Foreign(label, tuple(names), ".".join((quoted(schema), quoted(of))), tuple(referred))
            for kind, label, _, names, of, referred in constraints if kind == "FOREIGN KEY"
        ),
        referring=tuple(label for (label,) in await connection.fetch(_REFERRING, schema, name)),
    )  # fmt: skip


async def verify(connection: Connection, table: Table, names: Iterable[str]) -> None:
    """Raise `NotFound` if the columns are no longer what `table` says: the map has to be looked at anew."""
    found = {row[0]: tuple(row[1:5]) for row in await connection.fetch(_COLUMNS, table.schema, table.name)}
    for name in names:
        if name not in found:
            raise NotFound(f"the table {table.shown} has no column {name!r} any more; run `datasyncd check`")
        if found[name] != table.columns[name].shape:
            raise NotFound(f"the column {name!r} of {table.shown} changed its type; it is looked at anew")


def _column(row: Sequence[Any]) -> TableColumn:
    name, shape, default = row[0], tuple(row[1:5]), row[5]
    declared, nullable, _, generated = shape
    form = form_of(declared)
    digits = _DIGITS(declared)
    is_enum = declared.startswith("ENUM(")
    return TableColumn(
        name=name, named=shown(name), shape=shape, declared=declared, shown=declared.lower() if not is_enum else "enum",
        type_name=declared.partition("(")[0].lower(), is_text=declared == "VARCHAR", form=form, nullable=nullable,
        has_default=default is not None and not generated, is_generated=generated, max_length=None,
        bounds=INTEGERS.get(declared), digits=(int(digits[1]), int(digits[2])) if digits else None,
        labels=tuple(match[1].replace("''", "'") for match in _LABEL(declared)) if is_enum else (),
        keeps=None if is_enum or form.only_read else keeps_of(declared),
        may_select=True, may_insert=True, may_update=True, default=None if generated else default,
    )  # fmt: skip


def _rules(
    constraints: Iterable[Sequence[Any]], indexes: Iterable[Sequence[Any]], columns: Iterable[str]
) -> tuple[tuple[str, ...], ...]:
    """Lists of columns of which no two rows have the same values."""
    rules = [tuple(row[3]) for row in constraints if row[0] in ("PRIMARY KEY", "UNIQUE")]
    spelt = {name if _PLAIN(name) else f"'{quoted(name)}'": name for name in columns}
    for (expressions,) in indexes:
        names = [spelt.get(part) for part in expressions[1:-1].split(", ")]
        if None not in names:  # else of what is computed, which tells no columns apart
            rules.append(tuple(name for name in names if name is not None))
    return tuple(dict.fromkeys(rules))
