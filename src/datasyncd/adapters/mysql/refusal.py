"""Refusals: why the database does not take one write, as the outcome that says so.

Reasons name columns and rules, never values: what the server says of a value usually quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from datasyncd.adapters.contract import Clash, Outcome, Rejected, Write
from datasyncd.adapters.sql.keys import Parts, key_of, native

from .connection import Connection, ServerError
from .constraint import checked, computed_from
from .selection import Selection, placed
from .table import Table

_INDEXED = """
SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = %s ORDER BY SEQ_IN_INDEX"""

_DUPLICATE, _NULL, _NO_DEFAULT = 1062, 1048, 1364
_CHECKS = (3819, 4025)
_NO_PARENT, _HAS_CHILDREN = 1452, 1451

# At the end of the text, so that no value that is quoted before it is taken for a name.
_COLUMN = re.compile(r"\bcolumn (?:(?:`(?:[^`]|``)+`\.)*`((?:[^`]|``)+)`|'([^']+)') at row \d+$").search
_NAMED = re.compile(r"^(?:Column|Field) '([^']+)' ").search
_INDEX = re.compile(r" for key '([^']+)'$").search
_CHECK = re.compile(r"^(?:CONSTRAINT `(.+?)` failed for|Check constraint '(.+)' is violated)").search
_FOREIGN = re.compile(r"\((?:`([^`]+)`\.)?`([^`]+)`, CONSTRAINT `([^`]+)` FOREIGN KEY \((`[^)]+`)\) REFERENCES ").search


async def refusal(
    error: ServerError, connection: Connection, selection: Selection, write: Write, parts: Parts | None
) -> Outcome:
    """What a refused write is answered with; the transaction goes on. `parts`: of its row."""
    table = selection.table
    if error.code == _DUPLICATE:
        clash = await _clash(error, connection, selection, write, parts)
        return clash or Rejected("a value that must be unique is there already, in this table or in one of a trigger")
    if error.code in (_NULL, _NO_DEFAULT):
        name = _first(_NAMED(error.text))
        if name in table.columns:
            return Rejected(f"{name} may not be NULL" if error.code == _NULL else f"{name} needs a value", (name,))
    if error.code in _CHECKS:
        return _check(error, table, write)
    if error.code in (_NO_PARENT, _HAS_CHILDREN):
        return _foreign(error, table, write)
    name = _first(_COLUMN(error.text)).replace("``", "`")
    if name in write.fields and name in table.columns:
        return Rejected(f"{name}: a value of the type {table.columns[name].shown} expected", (name,))
    return Rejected(f"the database refuses it (error {error.code}); a trigger may do so")


def _first(match: re.Match[str] | None) -> str:
    """The first group that there is."""
    return "" if match is None else next(group for group in match.groups() if group is not None)


async def _clash(
    error: ServerError, connection: Connection, selection: Selection, write: Write, parts: Parts | None
) -> Clash | None:
    """Another row has the same values in columns that are unique together; find it. None: it is none of this table."""
    table = selection.table
    names = await _indexed(error, connection, table)
    if names is None:
        return None
    columns = [name for name, _ in names if name is not None]
    sources = [s for name in columns for s in (computed_from(table, name) or [name])]
    own = selection.spec.keys if parts is not None or write.key is not None else ()
    if not any(name in write.fields or name in own for name in sources):
        return None
    field = next((name for name in sources if name in write.fields), sources[0])
    same = _same(selection, write, parts, columns)
    if same is None or any(name is None or part is not None for name, part in names):
        return Clash(field)
    where, values = same
    keys = ", ".join(placed(name) for name in selection.spec.keys)
    found = await connection.fetch(f"SELECT {keys} FROM {table.sql} AS t WHERE {where} LIMIT 1", *values)
    if not found:
        return None
    key = [selection.native(name, value) for name, value in zip(selection.spec.keys, found[0], strict=True)]
    own_key = key_of([native(part, c) for part, c in zip(parts, selection.keys, strict=True)]) if parts else None
    return None if key_of(key) == own_key else Clash(field, key_of(key))


async def _indexed(
    error: ServerError, connection: Connection, table: Table
) -> list[tuple[str | None, int | None]] | None:
    """Columns of the index that the error names, with how much of each counts; None: this table has none such."""
    said = _first(_INDEX(error.text))
    of_table = said.removeprefix(f"{table.name}.")  # MySQL names the table, too
    for name in dict.fromkeys((of_table, said)):
        rows = await connection.fetch(_INDEXED, table.schema, table.name, name)
        if rows:
            return [(column, part) for column, part in rows]
    return None


def _same(
    selection: Selection, write: Write, parts: Parts | None, names: Sequence[str]
) -> tuple[str, list[Any]] | None:
    """A condition for rows that have the write's values in these columns; None: not all of them are known."""
    texts = parts or (selection.parts_of(write.key) if write.key is not None else None)
    own = dict(zip(selection.spec.keys, texts or (), strict=False))
    columns, same, values = selection.table.columns, [], []
    for name in names:
        value = write.fields.get(name)
        if value is None and name in own:
            value = native(own[name], columns[name])
        if value is None:
            return None
        same.append(selection.same(name))
        values.append(columns[name].form.to_wire(value))
    return " AND ".join(same), values


def _check(error: ServerError, table: Table, write: Write) -> Rejected:
    name = _first(_CHECK(error.text)).replace("``", "`")
    about = checked(table, name)
    return Rejected(
        f"the constraint {name} of {table.shown} forbids it", tuple(field for field in write.fields if field in about)
    )


def _foreign(error: ServerError, table: Table, write: Write) -> Rejected:
    """A foreign key: a row that is referred to is missing, or one that others refer to would be."""
    found = _FOREIGN(error.text)
    if found is None:
        return Rejected("a foreign key forbids it")
    schema, of, constraint, columns = found.groups()
    names = [name.replace("``", "`") for name in columns[1:-1].split("`, `")]
    mine = tuple(name for name in write.fields if name in names)
    if error.code == _NO_PARENT and mine and (schema in (None, table.schema)) and of == table.name:
        return Rejected(f"{', '.join(mine)}: there is no row that it refers to ({constraint})", mine)
    return Rejected(
        f"other rows refer to it ({constraint})"
        if error.code == _HAS_CHILDREN
        else f"a row that is referred to is missing ({constraint})"
    )
