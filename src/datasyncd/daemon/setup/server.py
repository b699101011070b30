"""Server: what a table of a database server looks like to somebody who sees it for the first time.

It is read by the adapter that will synchronise it, so that its values have the form that the daemon gets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from datasyncd.adapters.contract import Column, Context, Moment, ObjectSpec
from datasyncd.adapters.errors import AdapterError, OptionError
from datasyncd.adapters.registry import find
from datasyncd.adapters.sql.session import Sessions
from datasyncd.adapters.sql.table import Connection, Table

from .survey import Store, Unknown
from .words import is_id

_NAME = "init"
"""Of the system, in errors and for the server."""

_OF_POSTGRES = """
SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(n.oid, 'USAGE')
  AND has_any_column_privilege(c.oid, 'SELECT')"""

_OF_MYSQL = """
SELECT CASE WHEN t.TABLE_SCHEMA = DATABASE() THEN '' ELSE t.TABLE_SCHEMA END, t.TABLE_NAME
FROM information_schema.TABLES AS t
WHERE t.TABLE_SCHEMA = coalesce(DATABASE(), t.TABLE_SCHEMA) AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
  AND t.TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
  AND EXISTS (SELECT 1 FROM information_schema.COLUMNS AS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA
              AND c.TABLE_NAME = t.TABLE_NAME AND FIND_IN_SET('select', c.PRIVILEGES))"""


class Server(msgspec.Struct, frozen=True):
    """One kind of server."""

    adapter: str
    tables: str
    """SQL of the schemas and names of the tables of which something may be read; "": of the database itself."""
    shown: Callable[[str], str]
    """A name as SQL takes it."""
    table_of: Callable[[Connection, str], Awaitable[Table]]
    sessions: Callable[[str, Any], Sessions]
    """Connections, by an address and the options of the system."""


def _server(address: str) -> Server:
    """The kind that an address is of; its driver is not needed yet."""
    if address.startswith(("mysql://", "mariadb://")):
        from datasyncd.adapters.mysql import names, session, table

        return Server("mysql", _OF_MYSQL, names.shown, table.table_of, lambda dsn, options: session.Sessions(
            _NAME, dsn, connect_s=options.connect_s, timeout_s=options.timeout_s, lock_s=options.lock_s,
        ))  # fmt: skip
    from datasyncd.adapters.postgres import names as pg_names
    from datasyncd.adapters.postgres import session as pg_session
    from datasyncd.adapters.postgres import table as pg_table

    return Server("postgres", _OF_POSTGRES, pg_names.shown, pg_table.table_of, lambda dsn, options: pg_session.Sessions(
        _NAME, dsn, connect_s=options.connect_s, timeout_s=options.timeout_s, lock_s=options.lock_s,
        row_security=options.row_security,
    ))  # fmt: skip


async def tables(dsn: str) -> list[str]:
    """Names of the tables of which something may be read at this address. Raises `Unknown`."""
    server = _server(dsn)
    sessions = server.sessions(dsn, _options(server, dsn))
    try:
        async with sessions.use() as connection:
            found = await connection.fetch(server.tables)
    except AdapterError as error:
        raise Unknown(str(error)) from None
    finally:
        await sessions.aclose()
    if not found:
        raise Unknown(f"{sessions.place}: whoever signs in there may read no table")
    return [".".join(map(server.shown, filter(None, names))) for names in found]


async def table(dsn: str, object: str) -> Store:
    """One table, with its first page of rows. Raises `Unknown`."""
    server = _server(dsn)
    options = _options(server, dsn)
    try:
        keys, names = await _columns(server, dsn, options, object)
        if not keys:
            return Store(server.adapter, dsn, object, {name: Column(name, "any") for name in names}, [], [])
        spec = ObjectSpec(object, keys[0], tuple(names))
        context = Context(_NAME, Path(), lambda: Moment(0, 0), {object: spec})
        adapter = find(server.adapter).open(context, options)
        try:
            schema = await adapter.describe(object)
            columns = {column.name: column for column in schema.columns if column.name in names}
            page = await anext(aiter(adapter.pull(object, None)))
        finally:
            await adapter.aclose()
    except AdapterError as error:
        raise Unknown(str(error)) from None
    return Store(server.adapter, dsn, object, columns, keys, [record.fields for record in page.records])


async def _columns(server: Server, dsn: str, options: Any, object: str) -> tuple[list[str], list[str]]:
    """Columns that can be the record's own id, the likeliest first, and those that can be fields."""
    sessions = server.sessions(dsn, options)
    try:
        async with sessions.use() as connection:
            found = await server.table_of(connection, object)
    finally:
        await sessions.aclose()
    readable = [column for column in found.columns.values() if column.may_select]
    keys = [column.name for column in readable if not column.nullable and found.is_unique([column.name])]
    names = [column.name for column in readable if not column.is_generated]
    return sorted(keys, key=lambda name: not is_id(name)), names


def _options(server: Server, dsn: str) -> Any:
    """Of the adapter's own type. Raises `Unknown`."""
    try:
        return find(server.adapter).options(dsn=dsn)
    except OptionError as error:
        raise Unknown(f"the address of the database: {error.text}") from None
