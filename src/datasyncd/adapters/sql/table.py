"""Tables and views as a server describes them, with what the daemon may do there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import Column, ObjectSpec, Schema
from datasyncd.adapters.errors import NotFound, Unauthorised, Unsupported
from datasyncd.adapters.keeps import Keeps
from datasyncd.adapters.needed import OWN_KEY_LENGTH, nobody_gives

from .form import Form

_NEVER_HEXADECIMAL = frozenset(
    {
        "uuid", "numeric", "decimal", "date", "datetime", "time", "timetz", "timestamp", "timestamptz",
        "timestamp with time zone", "time with time zone", "interval", "inet",
    }
)  # fmt: skip
"""Types that have no value whose text is a key as the daemon makes it; a UUID has dashes."""

Connection: TypeAlias = Any
"""A connection of the driver, which has no types of its own."""


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column."""

    name: str
    named: str
    """Its name as SQL takes it."""
    shape: tuple[Any, ...]
    """What the catalog says of its type; a change makes the map be looked at anew."""
    declared: str
    """Its type without a length, as SQL names it: a cast to a type with one would cut what is longer."""
    shown: str
    """Its type with its length."""
    type_name: str
    is_text: bool
    """Any text is a value of its type, as far as its length goes."""
    form: Form
    nullable: bool
    has_default: bool
    """The server makes a value where none is given."""
    is_generated: bool
    """Computed by the server, or an identity that nobody else gives."""
    max_length: int | None
    bounds: tuple[int, int] | None
    digits: tuple[int, int] | None
    """Of decimal numbers: digits, and how many of them after the point."""
    labels: tuple[str, ...]
    """The texts that are its values, or elements of them; none: any."""
    may_select: bool
    may_insert: bool
    may_update: bool
    keeps: Keeps | None = None
    """Which values come back as they were written, if not all."""

    @property
    def takes_nul(self) -> bool:
        """Whether U+0000 can be in its texts."""
        return True


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table or view."""

    sql: str
    """Its name in statements."""
    shown: str
    """Its name for people."""
    is_table: bool
    who: str
    """Whom the daemon is there, for people."""
    grantee: str
    """The same as GRANT takes it."""
    may_insert: bool
    may_update: bool
    may_delete: bool
    fills: bool
    """Triggers may give a new row values of columns that nobody else gives."""
    columns: Mapping[str, TableColumn]
    unique: tuple[frozenset[str], ...]
    """Sets of columns of which no two rows have the same values, but for NULL."""

    def is_unique(self, names: Iterable[str]) -> bool:
        """Whether no two rows have the same values in these columns."""
        return any(known <= set(names) for known in self.unique)

    def makes(self, keys: tuple[str, ...]) -> bool:
        """Whether the key of a new row need not be given; parts of a composite key come with the fields."""
        return len(keys) > 1 or self.makes_part(keys[0])

    def makes_part(self, name: str) -> bool:
        """Whether the database makes the value of a key's column where none is given."""
        return self.columns[name].has_default

    def why_key_needed(self, keys: tuple[str, ...], name: str) -> str:
        """Why the value of a key's column must be among the fields of a new row; "": it need not."""
        column = self.columns[name]
        if self.makes_part(name) or (len(keys) == 1 and _takes_own_key(column)):
            return ""
        what = "an integer" if column.form.kind == "integer" else f"of the type {column.shown}"
        return nobody_gives(name, what if len(keys) == 1 else f"of several parts, {name} being one")

    def grant(self, what: str) -> str:
        """The statement that gives the daemon a right here."""
        return f"GRANT {what} ON {self.shown} TO {self.grantee};"

    def lacking(self) -> str:
        """The statement that gives the daemon all rights that it lacks here; "": it lacks none."""
        rights = (("INSERT", self.may_insert), ("UPDATE", self.may_update), ("DELETE", self.may_delete))
        lacking = ", ".join(right for right, has in rights if self.is_table and not has)
        return self.grant(lacking) if lacking else ""

    def why_not_written(self, column: TableColumn) -> str:
        """Why nothing can be written to a column; "": it can."""
        if not self.is_table:
            return "it is a column of a view"
        if column.is_generated:
            return "the database makes its values"
        lacking = [right for right, has in (("INSERT", column.may_insert), ("UPDATE", column.may_update)) if not has]
        if lacking:
            rights = ", ".join(f"{right} ({column.named})" for right in lacking)
            return f"{self.who} may not: {self.grant(rights)}"
        return ""

    def schema_of(self, keys: tuple[str, ...]) -> Schema:
        """As the contract describes an object."""
        columns = []
        for column in self.columns.values():
            why_not = self.why_not_written(column)
            why_key = self.why_key_needed(keys, column.name) if column.name in keys and self.is_table else ""
            if column.name in keys:
                required = bool(why_key)
            else:
                required = not (column.nullable or column.has_default or column.is_generated or self.fills)
            columns.append(
                Column(
                    name=column.name, kind=column.form.kind, nullable=column.nullable, writable=not why_not,
                    max_length=column.max_length, bounds=column.bounds, digits=column.digits, keeps=column.keeps,
                    labels=column.labels, takes_empty=column.is_text or column.form.kind != "text",
                    takes_nul=column.takes_nul,
                    required=required, why_not=why_not, why_required=why_key,
                )
            )  # fmt: skip
        rights = (("INSERT", self.may_insert, "makes no records"), ("DELETE", self.may_delete, "deletes none"))
        lacks = [
            f"{self.who} {what} in {self.shown}: {self.grant(right)}"
            for right, has, what in rights
            if self.is_table and not has
        ]
        return Schema(self.shown, tuple(columns), key_assigned=bool(keys) and self.makes(keys), lacks=tuple(lacks))


def _takes_own_key(column: TableColumn) -> bool:
    """Whether a key that the daemon makes may stand in the column; of unknown types the server tells."""
    if column.form.kind != "text" or column.type_name in _NEVER_HEXADECIMAL or column.labels:
        return False
    return column.max_length is None or column.max_length >= OWN_KEY_LENGTH


def check(table: Table, spec: ObjectSpec, more: Iterable[str] = ()) -> None:
    """Raise `NotFound` for a missing column, `Unauthorised` for one that may not be read, `Unsupported` for a key
    that does not tell rows apart."""
    names = tuple(dict.fromkeys((*spec.columns, *more)))
    for name in names:
        if name not in table.columns:
            nearest = get_close_matches(name, table.columns, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; it has {', '.join(table.columns)}"
            raise NotFound(f"the table {table.shown} has no column {name!r}{hint}")
    hidden = [table.columns[name] for name in names if not table.columns[name].may_select]
    if hidden:
        grant = table.grant(f"SELECT ({', '.join(column.named for column in hidden)})")
        raise Unauthorised(f"{table.who} may not read {', '.join(c.name for c in hidden)} of {table.shown}: {grant}")
    what = f"the key {', '.join(map(repr, spec.keys))} of {table.shown}"
    for name in spec.keys:
        if not table.columns[name].form.can_be_key:
            raise Unsupported(f"{what} is of the type {table.columns[name].declared}, which cannot be a key")
    if table.is_table and not table.is_unique(spec.keys):
        raise Unsupported(f"{what} does not tell its rows apart: expected the primary key, or columns that are UNIQUE")
