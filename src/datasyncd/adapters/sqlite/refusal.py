"""Refusals: why the database does not take one write, as the outcome that says so.

Reasons name columns and rules, never values.
"""

from __future__ import annotations

import sqlite3

from datasyncd.adapters.contract import Clash, Native, Outcome, Rejected, Write

from .constraint import checked, orphaned
from .keys import key_text
from .selection import column
from .table import Table, quoted
from .trouble import primary_code

_TAKEN = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_ONE_WRITE = {
    0,  # raised by Python: a value that SQLite has no form for
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
}

UNFIT = (OverflowError, UnicodeEncodeError)
"""What Python raises for values that SQLite has no form for, beside its own errors."""


def is_refusal(error: Exception) -> bool:
    """Whether an error is about one write only; else the whole call failed."""
    return isinstance(error, UNFIT) or (isinstance(error, sqlite3.Error) and primary_code(error) in _ONE_WRITE)


def refusal(error: Exception, connection: sqlite3.Connection, table: Table, key: str, write: Write) -> Outcome:
    """What a refused write is answered with."""
    code = int(getattr(error, "sqlite_errorcode", 0))
    text = str(error)
    if code in _TAKEN:
        return _clash(connection, table, key, write, _columns(text, table))
    if code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        names = _columns(text, table)
        return Rejected(f"{', '.join(names)} may not be NULL", tuple(names))
    if code == sqlite3.SQLITE_CONSTRAINT_CHECK:
        about = checked(connection, table, text.partition(": ")[2])
        return Rejected(text, tuple(name for name in write.fields if name in about))
    if code == _CONSTRAINT_DATATYPE:
        return Rejected(text, tuple(name for name in write.fields if text.endswith(f".{name}")))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY and write.op != "delete":
        return missing_row(connection, table, write)
    if code == 0 or primary_code(error) == sqlite3.SQLITE_TOOBIG:  # type: ignore[arg-type]
        unfit = unfit_fields(write)
        return Rejected(f"SQLite has no form for the value of {', '.join(unfit) or 'a field'}", unfit)
    return Rejected(text)


def missing_row(connection: sqlite3.Connection, table: Table, write: Write) -> Rejected:
    """A foreign key was broken: a row that is referred to is missing, or one that others refer to would be."""
    names = orphaned(connection, table, write.fields)
    if names:
        return Rejected(f"{', '.join(names)}: there is no row that it refers to", names)
    return Rejected("FOREIGN KEY constraint failed")


_CONSTRAINT_DATATYPE = 3091
"""SQLITE_CONSTRAINT_DATATYPE; Python's module has no name for it before 3.12."""


def unfit_fields(write: Write) -> tuple[str, ...]:
    """Fields whose value SQLite cannot hold: other types than its own, wide integers, text without UTF-8."""
    return tuple(name for name, value in write.fields.items() if not _fits(value))


def _fits(value: Native) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or isinstance(value, float | bytes)


def _clash(connection: sqlite3.Connection, table: Table, key: str, write: Write, names: list[str]) -> Clash:
    """Another row has the values of these columns; find it."""
    if not names:
        return Clash(None)
    values = [write.key if name == key and name not in write.fields else write.fields.get(name) for name in names]
    same = " AND ".join(column(name) + " = ?" for name in names)
    sql = " ".join(("SELECT", column(key), "FROM", quoted(table.name), "AS t WHERE", same, "LIMIT 1"))
    found = None if None in values else connection.execute(sql, values).fetchone()
    field = next((name for name in names if name in write.fields), names[0])
    return Clash(field, key_text(found[0]) if found else None)


def _columns(text: str, table: Table) -> list[str]:
    """Columns that a text of SQLite names: "UNIQUE constraint failed: contacts.email, contacts.shop"."""
    _, _, listed = text.partition(": ")
    return [name for part in listed.split(", ") if (name := part.removeprefix(f"{table.name}.")) in table.columns]
