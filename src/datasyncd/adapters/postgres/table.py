"""Tables and views as the catalog describes them, with what the daemon's role may do there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from datasyncd.adapters.errors import NotFound, Unauthorised
from datasyncd.adapters.sql import table as base
from datasyncd.adapters.sql.table import Connection

from .form import CUT, Form, form_of, keeps_of
from .names import quoted, shown, split

_FIND = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, current_user::text,
       has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'INSERT'),
       has_any_column_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN $1::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 END"""

_OTHERS = """
SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN $1::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 END"""

# What a change of which makes the map be looked at anew: type, length, NOT NULL, default, number of labels.
_SHAPED = """ARRAY[a.atttypid::int8, a.atttypmod, a.attnotnull::int, a.atthasdef::int,
    (SELECT count(*) FROM pg_catalog.pg_type s JOIN pg_catalog.pg_enum l ON l.enumtypid IN (s.oid, s.typelem)
     WHERE s.oid = a.atttypid)]"""

# The type below a domain, however many domains deep; `typmod` is the innermost that is set.
_COLUMNS = f"""
WITH RECURSIVE resolved (attnum, typid, typmod, required, filled) AS (
    SELECT attnum, atttypid, atttypmod, attnotnull, false FROM pg_catalog.pg_attribute
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT r.attnum, t.typbasetype, greatest(r.typmod, t.typtypmod), r.required OR t.typnotnull,
           r.filled OR t.typdefault IS NOT NULL
    FROM resolved r JOIN pg_catalog.pg_type t ON t.oid = r.typid WHERE t.typtype = 'd'
)
SELECT a.attname::text, {_SHAPED}, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
       n.nspname::text, t.typname::text, t.typcategory = 'S',
       CASE WHEN t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' THEN e.typname::text END, r.typmod,
       NOT r.required, (a.atthasdef AND a.attgenerated = '') OR r.filled, a.attidentity::text, a.attgenerated <> '',
       has_column_privilege($1, a.attnum, 'SELECT'), has_column_privilege($1, a.attnum, 'INSERT'),
       has_column_privilege($1, a.attnum, 'UPDATE'),
       ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l WHERE l.enumtypid IN (t.oid, e.oid) ORDER BY 1)
FROM resolved r JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = r.attnum
JOIN pg_catalog.pg_type t ON t.oid = r.typid AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
ORDER BY a.attnum"""

_UNIQUE = """
SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i,
       LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n), pg_catalog.pg_attribute a
WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND k.n <= i.indnkeyatts AND a.attrelid = $1 AND a.attnum = k.attnum
GROUP BY i.indexrelid"""

# A trigger before the row is made, or one of a part of the table, may give values that nobody else does.
_FILLS = """
SELECT c.relkind = 'p' OR EXISTS (SELECT FROM pg_catalog.pg_trigger
    WHERE tgrelid = c.oid AND tgtype & 7 = 7 AND NOT tgisinternal AND tgenabled <> 'D')
FROM pg_catalog.pg_class c WHERE c.oid = $1"""

_SHAPE = f"""
SELECT a.attrelid, a.attname::text, {_SHAPED} FROM pg_catalog.pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attname = ANY($2) AND NOT a.attisdropped"""

_CHARACTERS = ("varchar", "bpchar", "_varchar", "_bpchar")
_BITS = {"int2": 16, "int4": 32, "int8": 64}


class TableColumn(base.TableColumn, frozen=True, kw_only=True):
    """One column."""

    form: Form

    @property
    def takes_nul(self) -> bool:
        """Whether its values are no texts, or are kept as they were written."""
        return self.form.kind not in ("text", "list", "json") or self.type_name == "json"


class Table(base.Table, frozen=True, kw_only=True):
    """One table or view."""

    id: int
    schema: str
    name: str
    columns: dict[str, TableColumn]


async def table_of(connection: Connection, object: str) -> Table:
    """What the catalog says of a table or view now. Raises `NotFound`, `Unauthorised`."""
    parts = split(object)
    if parts is None:
        raise NotFound(f'{object!r} names no table; expected a name such as public.contacts or crm."My table"')
    found = await connection.fetchrow(_FIND, *parts)
    if found is None:
        known = [name for (name,) in await connection.fetch(_OTHERS, parts[0])]
        nearest = get_close_matches(parts[1], known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise NotFound(f"there is no table {object!r}{hint}")
    oid, schema, name, kind, role, may_use, may_insert, may_update, may_delete = found
    if not may_use:
        raise Unauthorised(
            f"the role {role} may not use the schema: GRANT USAGE ON SCHEMA {shown(schema)} TO {shown(role)};"
        )
    columns = [_column(*row) for row in await connection.fetch(_COLUMNS, oid)]
    unique = [frozenset(members) for (members,) in await connection.fetch(_UNIQUE, oid)]
    fills = await connection.fetchval(_FILLS, oid)
    return Table(
        id=oid, schema=schema, name=name, sql=".".join((quoted(schema), quoted(name))),
        shown=".".join((shown(schema), shown(name))), is_table=kind in ("r", "p"), who=f"the role {role}",
        grantee=shown(role), may_insert=may_insert, may_update=may_update, may_delete=may_delete, fills=fills,
        columns={column.name: column for column in columns}, unique=tuple(unique),
    )  # fmt: skip


def _column(
    name: str, shape: list[int], declared: str, with_length: str, type_schema: str, type_name: str, is_text: bool,
    element: str | None, typmod: int, nullable: bool, has_default: bool, identity: str, generated: bool,
    may_select: bool, may_insert: bool, may_update: bool, labels: list[str],
) -> TableColumn:  # fmt: skip
    plain = type_schema == "pg_catalog"
    # A cast to `bit` alone keeps the first one and no more.
    declared = "bit varying" if plain and type_name == "bit" else declared
    half = 1 << (_BITS[type_name] - 1) if plain and type_name in _BITS else 0
    return TableColumn(
        name=name, named=shown(name), shape=tuple(shape), declared=declared, shown=with_length, type_name=type_name,
        is_text=is_text and not (plain and type_name in CUT), form=form_of(type_schema, type_name, element),
        nullable=nullable,
        has_default=has_default or identity != "", is_generated=generated or identity == "a",
        max_length=typmod - 4 if plain and type_name in _CHARACTERS and typmod > 4 else None,
        bounds=(-half, half - 1) if half else None,
        digits=_digits(typmod) if plain and type_name == "numeric" else None, labels=tuple(labels),
        keeps=None if labels else keeps_of(type_schema, type_name, element, is_text, typmod),
        may_select=may_select, may_insert=may_insert, may_update=may_update,
    )  # fmt: skip


def _digits(typmod: int) -> tuple[int, int] | None:
    """Precision and scale of a numeric ("numeric.c", make_numeric_typmod); the scale has a sign in its 11 bits."""
    if typmod < 4:
        return None
    scale = (typmod - 4) & 0x7FF
    return (typmod - 4) >> 16 & 0xFFFF, (scale ^ 1024) - 1024


async def verify(connection: Connection, table: Table, names: Iterable[str]) -> None:
    """Raise `NotFound` if the columns are no longer what `table` says: the map has to be looked at anew."""
    names = list(names)
    found = {name: (oid, tuple(shape)) for oid, name, shape in await connection.fetch(_SHAPE, table.sql, names)}
    for name in names:
        if name not in found:
            raise NotFound(f"the table {table.shown} has no column {name!r} any more; run `datasyncd check`")
        oid, shape = found[name]
        if oid != table.id:
            raise NotFound(f"the table {table.shown} was replaced by another one; it is looked at anew")
        if shape != table.columns[name].shape:
            raise NotFound(f"the column {name!r} of {table.shown} changed its type; it is looked at anew")
