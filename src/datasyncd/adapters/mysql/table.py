"""Tables and views as the catalog describes them, with what the daemon's user may do there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.sql import table as base

from .connection import Connection, ServerError
from .form import Form, form_of, keeps_of
from .names import quoted, shown, split

_FIND = """
SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, e.TRANSACTIONS, CURRENT_USER()
FROM information_schema.TABLES AS t LEFT JOIN information_schema.ENGINES AS e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = coalesce(%s, DATABASE()) AND t.TABLE_NAME = %s"""

_OTHERS = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = coalesce(%s, DATABASE())"

_CREATED = "SELECT CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"

# What a change of which makes the map be looked at anew.
_SHAPED = "COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT IS NULL, EXTRA, CHARACTER_SET_NAME, COLLATION_NAME"

_COLUMNS = f"""
SELECT COLUMN_NAME, {_SHAPED}, DATA_TYPE, COLUMN_DEFAULT, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH,
       NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, PRIVILEGES
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"""

_UNIQUE = """
SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX"""

# Shown to those who may make triggers there, and to nobody else.
_FILLS = """
SELECT count(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s
AND ACTION_TIMING = 'BEFORE' AND EVENT_MANIPULATION = 'INSERT'"""

_SHAPE = f"SELECT COLUMN_NAME, {_SHAPED} FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"

_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_YEARS = (1901, 2155)
_CHARACTERS = ("char", "varchar")
_TEXTS = (*_CHARACTERS, "tinytext", "text", "mediumtext", "longtext")
_LABEL = re.compile(r"'((?:[^']|'')*)'").finditer
_IS_JSON = re.compile(r"^\s*(`(?:[^`]|``)+`) .*CHECK \(json_valid\(\1\)\)", re.MULTILINE | re.IGNORECASE).finditer
_IS_CALL = re.compile(r"(?!current_timestamp)[a-z_]+\(.*\)", re.IGNORECASE).fullmatch
_DENIED = (1142, 1143)


class TableColumn(base.TableColumn, frozen=True, kw_only=True):
    """One column."""

    form: Form
    charset: str | None
    collation: str | None
    makes_numbers: bool
    """The server numbers new rows in it."""
    makes_keys: bool
    """The server gives each new row another value of its own, and says which."""

    @property
    def given(self) -> str:
        """SQL of a value to compare the column with: in its own alphabet, since an index is of no use for another. What
        that lacks is a question mark."""
        if self.charset in (None, "utf8mb4"):
            return "%s"
        return f"CONVERT(%s USING {self.charset}) COLLATE {self.collation}"


class Table(base.Table, frozen=True, kw_only=True):
    """One table or view."""

    schema: str
    name: str
    definition: str
    """The statement that makes it, as far as the user may see it."""
    engine: str
    """Of a table without transactions the engine that has none; "": it has them."""
    columns: dict[str, TableColumn]

    def makes_part(self, name: str) -> bool:
        return self.columns[name].makes_keys

    def why_not_written(self, column: base.TableColumn) -> str:
        if column.form.to_wire is _ONLY_READ:
            return "values of its type are only read"
        if self.engine:
            return (
                f"{self.shown} has the engine {self.engine}, which has no transactions: "
                f"ALTER TABLE {self.shown} ENGINE = InnoDB;"
            )
        return super().why_not_written(column)


_ONLY_READ = form_of("geometry", "geometry", is_json=False, labels=()).to_wire


async def table_of(connection: Connection, object: str) -> Table:
    """What the catalog says of a table or view now. Raises `NotFound`."""
    parts = split(object)
    if parts is None:
        raise NotFound(f"{object!r} names no table; expected a name such as contacts or shop.`my table`")
    found = await connection.fetch(_FIND, *parts)
    if not found:
        known = [name for (name,) in await connection.fetch(_OTHERS, parts[0])]
        nearest = get_close_matches(parts[1], known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise NotFound(f"there is no table {object!r}, or the user has no right there{hint}")
    schema, name, kind, engine, transactions, user = found[0]
    sql = ".".join((quoted(schema), quoted(name)))
    definition = await _definition(connection, sql)
    json = {match[1][1:-1].replace("``", "`") for match in _IS_JSON(definition)}
    columns = [_column(row, json, connection.is_mariadb) for row in await connection.fetch(_COLUMNS, schema, name)]
    is_table = kind in _TABLES
    return Table(
        schema=schema, name=name, sql=sql, shown=".".join((shown(schema), shown(name))), definition=definition,
        is_table=is_table, engine="" if transactions == "YES" or not is_table else str(engine),
        who=f"the user {_grantee(user)}", grantee=_grantee(user),
        may_insert=any(column.may_insert for column in columns),
        may_update=any(column.may_update for column in columns),
        may_delete=is_table and await _may_delete(connection, sql),
        fills=bool((await connection.fetch(_FILLS, schema, name))[0][0]),
        columns={column.name: column for column in columns},
        unique=_unique(await connection.fetch(_UNIQUE, schema, name)),
    )  # fmt: skip


async def created(connection: Connection, table: Table) -> str:
    """When the table was made; one that was altered may have been made anew."""
    found = await connection.fetch(_CREATED, table.schema, table.name)
    return str(found[0][0]) if found else ""


async def verify(connection: Connection, table: Table, names: Iterable[str]) -> None:
    """Raise `NotFound` if the columns are no longer what `table` says: the map has to be looked at anew."""
    found = {row[0]: row[1:] for row in await connection.fetch(_SHAPE, table.schema, table.name)}
    for name in names:
        if name not in found:
            raise NotFound(f"the table {table.shown} has no column {name!r} any more; run `datasyncd check`")
        if found[name] != table.columns[name].shape:
            raise NotFound(f"the column {name!r} of {table.shown} changed its type; it is looked at anew")


async def _definition(connection: Connection, sql: str) -> str:
    try:
        return str((await connection.fetch(f"SHOW CREATE TABLE {sql}"))[0][1])
    except ServerError as error:
        if error.code not in _DENIED and error.code != _INVALID_VIEW:
            raise
        return ""


_INVALID_VIEW = 1356


async def _may_delete(connection: Connection, sql: str) -> bool:
    """Whether rows may be deleted: to have the statement explained, one needs the right to run it."""
    try:
        await connection.fetch(f"EXPLAIN DELETE FROM {sql} WHERE 1 = 0")
    except ServerError as error:
        if error.code not in _DENIED:
            raise
        return False
    return True


def _grantee(user: str) -> str:
    name, _, host = user.rpartition("@")
    return "@".join("'" + part.replace("'", "''") + "'" for part in (name, host))


def _column(row: Sequence[Any], json: set[str], returns: bool) -> TableColumn:
    """`returns`: the server says what a default came to be."""
    name, shape, rest = row[0], tuple(row[1:7]), row[7:]
    type_name, default, length, octets, precision, scale, fraction, privileges = rest
    column_type, nullable, _, extra, charset, collation = shape
    labels = _labels(column_type) if type_name in ("enum", "set") else ()
    generated = "GENERATED" in extra.replace("DEFAULT_GENERATED", "")
    numbers = "auto_increment" in extra
    # An enum that may not be NULL is its first label, if nobody gives one ("Data Type Default Values").
    is_given = default not in (None, "NULL") or (type_name == "enum" and nullable == "NO")
    filled = numbers or "DEFAULT_GENERATED" in extra or is_given
    form = form_of(type_name, column_type, is_json=name in json, labels=labels)
    places = None if scale is None else int(scale)
    may = {right.strip() for right in privileges.split(",")}
    return TableColumn(
        name=name, named=shown(name), shape=shape, declared=type_name, shown=column_type, type_name=type_name,
        is_text=type_name in _TEXTS, form=form, nullable=nullable == "YES", has_default=filled, is_generated=generated,
        max_length=int(length) if type_name in _CHARACTERS else None, bounds=_bounds(type_name, column_type, form),
        digits=(int(precision), int(scale)) if type_name == "decimal" else None, labels=labels,
        keeps=None if labels or name in json else keeps_of(type_name, places, int(fraction or 0), int(octets or 0)),
        may_select="select" in may, may_insert="insert" in may, may_update="update" in may, charset=charset,
        collation=collation, makes_numbers=numbers,
        makes_keys=numbers or (returns and _IS_CALL(default or "") is not None),
    )  # fmt: skip


def _bounds(type_name: str, column_type: str, form: Form) -> tuple[int, int] | None:
    if form.kind != "integer":
        return None
    if type_name == "year":
        return _YEARS
    if type_name == "bit":
        return 0, (1 << int(column_type[len("bit(") : -1])) - 1
    bits = _BITS[type_name]
    if "unsigned" in column_type:
        return 0, (1 << bits) - 1
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def _labels(column_type: str) -> tuple[str, ...]:
    return tuple(match[1].replace("''", "'") for match in _LABEL(column_type))


def _unique(rows: Iterable[Sequence[Any]]) -> tuple[frozenset[str], ...]:
    """Sets of columns by the indexes that have the whole of each."""
    members: dict[str, list[str | None]] = {}
    for index, column, part in rows:
        members.setdefault(index, []).append(column if part is None else None)
    return tuple(frozenset(names) for names in members.values() if None not in names)  # type: ignore[arg-type]
