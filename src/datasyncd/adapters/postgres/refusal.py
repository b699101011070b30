"""Refusals: why the database does not take one write, as the outcome that says so.

Reasons name columns and rules, never values: what PostgreSQL says of a value usually quotes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasyncd.adapters.contract import Clash, Outcome, Rejected, Write
from datasyncd.adapters.sql.form import Unfit
from datasyncd.adapters.sql.keys import Parts, key_of
from datasyncd.adapters.sql.table import Connection

from .keys import parts_of
from .selection import Selection, cast, placed
from .table import TableColumn
from .trouble import code_of, is_refusal

_COLUMNS_OF = """
SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) ORDER BY a.attnum)
FROM pg_catalog.pg_constraint c WHERE c.conrelid = $1 AND c.conname = $2"""

# Of an index over expressions, the columns that they depend on.
_COLUMNS_OF_INDEX = """
SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0
             AND (a.attnum = ANY (i.indkey::int2[]) OR a.attnum IN (
                 SELECT d.refobjsubid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass
                 AND d.objid = i.indexrelid AND d.refobjid = i.indrelid)) ORDER BY a.attnum),
       i.indexprs IS NULL AND i.indpred IS NULL
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 AND c.relname = $2"""

_NOT_NULL, _UNIQUE, _FOREIGN, _CHECK, _EXCLUSION = "23502", "23505", "23503", "23514", "23P01"


async def refusal(
    error: Exception, connection: Connection, selection: Selection, write: Write, parts: Parts | None
) -> Outcome:
    """What a refused write is answered with; the transaction goes on behind the savepoint. `parts`: of its row."""
    code = code_of(error)
    constraint = getattr(error, "constraint_name", None)
    ours = getattr(error, "table_name", None) in (None, selection.table.name)
    if code == _UNIQUE and ours and constraint:
        return await _clash(connection, selection, write, parts, constraint)
    if code == _NOT_NULL and ours:
        name = str(getattr(error, "column_name", None))
        return Rejected(f"{name} may not be NULL", (name,))
    if code == _FOREIGN:
        return await _foreign(connection, selection, write, constraint, ours)
    if code in (_CHECK, _EXCLUSION) and ours and constraint:
        names = await _columns(connection, selection, constraint)
        if names:
            return Rejected(f"the constraint {constraint} of {selection.table.shown} forbids it", _named(names, write))
    unfit = await _unfit(connection, selection, write)
    if unfit:
        expected = [f"{name}: a value of the type {selection.table.columns[name].shown} expected" for name in unfit]
        return Rejected("; ".join(expected), unfit)
    named = getattr(error, "column_name", None)
    if ours and named in write.fields:  # a trigger may say which column it is about
        return Rejected(f"{named}: the database refuses it (SQLSTATE {code}); its server's log says why", (named,))
    if constraint:
        return Rejected(f"the constraint {constraint} forbids it")
    return Rejected(f"the database refuses it (SQLSTATE {code}); a trigger may do so, and its server's log says why")


async def _clash(
    connection: Connection, selection: Selection, write: Write, parts: Parts | None, constraint: str
) -> Clash:
    """Another row has the same values in columns that are unique together; find it."""
    table = selection.table
    found = await connection.fetchrow(_COLUMNS_OF_INDEX, table.id, constraint)
    if found is None or not found[0]:
        return Clash(None)
    names, is_plain = found
    field = next((name for name in names if name in write.fields), names[0])
    if parts is None and write.key is not None:
        parts = parts_of(write.key, selection.keys)
    own = dict(zip(selection.spec.keys, parts or (), strict=False))
    same: list[str] = []
    sent: list[Any] = []
    for n, name in enumerate(names, 1):
        column = table.columns[name]
        if (value := write.fields.get(name)) is not None:
            sent.append(column.form.to_wire(value))
            same.append(f"{placed(name)} = (${n}::{column.form.wire})::{column.declared}")
        elif name in own:
            sent.append(own[name])
            same.append(f"{placed(name)} = {cast(f'${n}::text', column)}")
    if not is_plain or len(same) < len(names):
        return Clash(field)
    sql = f"SELECT {selection.key_values} FROM {table.sql} AS t WHERE {' AND '.join(same)} LIMIT 1"
    other = await connection.fetchrow(sql, *sent)
    return Clash(field, None if other is None else key_of(tuple(other)))


async def _foreign(
    connection: Connection, selection: Selection, write: Write, constraint: str | None, ours: bool
) -> Rejected:
    """A foreign key: a row that is referred to is missing, or one that others refer to would be."""
    names = await _columns(connection, selection, constraint) if constraint and ours else ()
    mine = _named(names, write)
    if mine and write.op != "delete":
        return Rejected(f"{', '.join(mine)}: there is no row that it refers to ({constraint})", mine)
    return Rejected(f"other rows refer to it ({constraint})")


async def _columns(connection: Connection, selection: Selection, constraint: str) -> tuple[str, ...]:
    found = await connection.fetchval(_COLUMNS_OF, selection.table.id, constraint)
    return tuple(found or ())


def _named(names: Sequence[str], write: Write) -> tuple[str, ...]:
    """Those that the write names."""
    return tuple(name for name in write.fields if name in names)


async def _unfit(connection: Connection, selection: Selection, write: Write) -> tuple[str, ...]:
    """Fields whose value is none of their column's type or too long for it, each tried by itself."""
    unfit = []
    for name, value in write.fields.items():
        column = selection.table.columns[name]
        if value is not None and not await _fits(connection, column, value):
            unfit.append(name)
    return tuple(unfit)


async def _fits(connection: Connection, column: TableColumn, value: object) -> bool:
    if column.max_length is not None and isinstance(value, str) and len(value) > column.max_length:
        return False
    if column.type_name == "bit" and isinstance(value, str) and column.shown not in (f"bit({len(value)})", "bit"):
        return False
    await connection.execute("SAVEPOINT field")
    try:
        sql = f"SELECT ($1::{column.form.wire})::{column.shown} IS NULL"
        await connection.fetchval(sql, column.form.to_wire(value))
    except Unfit:
        fits = False
    except Exception as error:
        if not is_refusal(error):
            raise
        fits = False
    else:
        fits = True
    await connection.execute("ROLLBACK TO field; RELEASE field")
    return fits
