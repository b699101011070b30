"""Refusals: why DuckDB does not take one write, as the outcome that says so.

Reasons name columns and rules, never values: what DuckDB says of a value usually quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from datasyncd.adapters.contract import Clash, Outcome, Rejected
from datasyncd.adapters.sql.batch import Change
from datasyncd.adapters.sql.keys import key_of, native

from .connection import Connection
from .names import quoted
from .selection import Selection, placed
from .table import Foreign, Table
from .trouble import DuckdbError, is_refusal

_TAKEN = "Duplicate key "
_NULL = "NOT NULL constraint failed: "
_CHECK = re.compile(r"CHECK constraint failed on table .+? with expression (CHECK\(.*\))$", re.DOTALL)
_NO_PARENT = "does not exist in the referenced table"
_HAS_CHILDREN = "is still referenced by a foreign key"


async def refusal(error: Exception, connection: Connection, selection: Selection, change: Change) -> Outcome:
    """What a refused write is answered with. The transaction in which it was tried is over."""
    assert isinstance(error, DuckdbError)
    table, text = selection.table, error.text
    if error.kind != "ConstraintException":
        return await _unfit(error, connection, selection, change)
    if _TAKEN in text:
        clash = await _clash(connection, selection, change)
        return clash or Rejected("a value that must be unique is there already")
    if _NULL in text:
        names = tuple(name for name in table.columns if text.endswith(f".{name}"))
        return Rejected(f"{', '.join(names)} may not be NULL", names)
    if found := _CHECK.search(text):
        name, about = table.checks.get(found[1], ("", ()))
        fields = tuple(field for field in change.write.fields if field in about)
        return Rejected(f"the constraint {name or found[1]} of {table.shown} forbids it", fields)
    if _HAS_CHILDREN in text:
        return Rejected(f"other rows refer to it ({', '.join(table.referring)})")
    if _NO_PARENT in text:
        return await _orphaned(connection, selection, change)
    return Rejected("a constraint forbids it")


async def _unfit(error: DuckdbError, connection: Connection, selection: Selection, change: Change) -> Rejected:
    """Which values their columns cannot hold: each is tried alone."""
    table, bad = selection.table, []
    for name, value in _values(selection, change).items():
        column = table.columns[name]
        try:
            await connection.fetch(f"SELECT {column.given(f'CAST(? AS {column.form.wire})')}", value)
        except DuckdbError as trouble:
            if not is_refusal(trouble):
                raise
            bad.append(name)
    if not bad:
        return Rejected(f"DuckDB refuses it ({error.kind})")
    reasons = "; ".join(f"{name}: a value of the type {table.columns[name].shown} expected" for name in bad)
    return Rejected(reasons, tuple(bad))


async def _clash(connection: Connection, selection: Selection, change: Change) -> Clash | None:
    """Another row has the same values in columns that are unique together; find it. None: nothing was found."""
    table = selection.table
    values, own = _values(selection, change), _own_key(selection, change)
    unsure: Clash | None = None
    for names in table.rules:
        if change.parts is not None and not any(name in change.names for name in names):
            continue
        field = next((name for name in names if name in change.write.fields), names[0])
        if any(name not in values for name in names):
            unsure = unsure or Clash(field)  # what the row has in the others is not known here
            continue
        if any(values[name] is None for name in names):
            continue
        where = " AND ".join(map(selection.same, names))
        keys = ", ".join(table.columns[name].form.reading(placed(name)) for name in selection.spec.keys)
        sql = f"SELECT {keys} FROM {table.sql} AS t WHERE {where} LIMIT 2"
        for row in await connection.fetch(sql, *(values[name] for name in names)):
            key = key_of([selection.native(n, value) for n, value in zip(selection.spec.keys, row, strict=True)])
            if key != own:
                return Clash(field, key)
    return unsure


async def _orphaned(connection: Connection, selection: Selection, change: Change) -> Rejected:
    """Which fields refer to rows that are not there."""
    values = _values(selection, change)
    for parent in selection.table.parents:
        known = [values.get(name) for name in parent.columns]
        if None not in known and not await connection.fetch(_exists(parent, selection.table), *known):
            mine = tuple(name for name in change.write.fields if name in parent.columns)
            return Rejected(f"{', '.join(mine)}: there is no row that it refers to ({parent.name})", mine)
    return Rejected("a row that is referred to is missing")


def _exists(parent: Foreign, table: Table) -> str:
    same = [
        f"{quoted(its)} = {table.columns[own].given('CAST(? AS VARCHAR)')}"
        for own, its in zip(parent.columns, parent.referred, strict=True)
    ]
    return f"SELECT 1 FROM {parent.table} WHERE {' AND '.join(same)} LIMIT 1"


def _values(selection: Selection, change: Change) -> Mapping[str, Any]:
    """What is sent for each column, and the present key of the row."""
    own: Sequence[Any] = () if change.parts is None else selection.key(change.parts)
    return {**dict(zip(selection.spec.keys, own, strict=False)), **dict(zip(change.names, change.values, strict=True))}


def _own_key(selection: Selection, change: Change) -> str | None:
    if change.parts is None:
        return None
    return key_of([native(part, c) for part, c in zip(change.parts, selection.keys, strict=True)])
