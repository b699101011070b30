"""Server: what a table of a PostgreSQL database looks like to somebody who sees it for the first time.

It is read by the adapter that will synchronise it, so that its values have the form that the daemon gets.
"""

from __future__ import annotations

from pathlib import Path

from datasyncd.adapters.contract import Context, Moment, ObjectSpec
from datasyncd.adapters.errors import AdapterError, OptionError
from datasyncd.adapters.postgres.adapter import PostgresAdapter, PostgresOptions
from datasyncd.adapters.postgres.names import shown
from datasyncd.adapters.postgres.session import Sessions
from datasyncd.adapters.postgres.table import table_of

from .survey import Kind, Store, Unknown
from .words import is_id

_NAME = "init"
"""Of the system, in errors and for the server."""

_TABLES = """
SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(n.oid, 'USAGE')
  AND has_any_column_privilege(c.oid, 'SELECT')"""


async def tables(dsn: str) -> list[str]:
    """Names of the tables that the role of this address may read. Raises `Unknown`."""
    sessions = _sessions(dsn)
    try:
        async with sessions.use() as connection:
            found = await connection.fetch(_TABLES)
    except AdapterError as error:
        raise Unknown(str(error)) from None
    finally:
        await sessions.aclose()
    if not found:
        raise Unknown(f"{sessions.place}: the role may read no table there")
    return [f"{shown(schema)}.{shown(name)}" for schema, name in found]


async def table(dsn: str, object: str) -> Store:
    """One table, with its first page of rows. Raises `Unknown`."""
    try:
        keys, names = await _columns(dsn, object)
        if not keys:
            return Store("postgres", dsn, object, dict.fromkeys(names, "any"), [], [])
        spec = ObjectSpec(object, keys[0], tuple(names))
        context = Context(_NAME, Path(), lambda: Moment(0, 0), {object: spec})
        adapter = PostgresAdapter(context, PostgresOptions(dsn))
        try:
            schema = await adapter.describe(object)
            columns: dict[str, Kind] = {c.name: c.kind for c in schema.columns if c.name in names}
            page = await anext(adapter.pull(object, None))
        finally:
            await adapter.aclose()
    except AdapterError as error:
        raise Unknown(str(error)) from None
    return Store("postgres", dsn, object, columns, keys, [record.fields for record in page.records])


async def _columns(dsn: str, object: str) -> tuple[list[str], list[str]]:
    """Columns that can be the record's own id, the likeliest first, and those that can be fields."""
    sessions = _sessions(dsn)
    try:
        async with sessions.use() as connection:
            found = await table_of(connection, object)
    finally:
        await sessions.aclose()
    readable = [column for column in found.columns.values() if column.may_select]
    keys = [column.name for column in readable if not column.nullable and found.is_unique([column.name])]
    names = [column.name for column in readable if not column.is_generated]
    return sorted(keys, key=lambda name: not is_id(name)), names


def _sessions(dsn: str) -> Sessions:
    try:
        options = PostgresOptions(dsn)
    except OptionError as error:
        raise Unknown(f"the address of the database: {error.text}") from None
    return Sessions(
        _NAME,
        dsn,
        connect_s=options.connect_s,
        timeout_s=options.timeout_s,
        lock_s=options.lock_s,
        row_security=options.row_security,
    )
