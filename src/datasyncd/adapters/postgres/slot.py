"""Slots: what the catalog says of the replication slot and the publication by which changes are told.

What is missing is named with the statement that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datasyncd.adapters.sql.table import Connection

from .names import shown
from .pgoutput import Lsn
from .table import Table

_MEGABYTE = 1_000_000

_STANDING = """
SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8, current_setting('wal_level'),
       current_setting('max_slot_wal_keep_size'), current_database()::text,
       s.slot_name IS NOT NULL, s.plugin::text, s.database::text, s.active_pid, s.wal_status::text,
       (s.confirmed_flush_lsn - '0/0'::pg_lsn)::int8, (s.restart_lsn - '0/0'::pg_lsn)::int8
FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = $1"""

_PUBLISHED = """
SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate, p.pubviaroot, t.tablename IS NOT NULL, {}
FROM pg_catalog.pg_publication p LEFT JOIN pg_catalog.pg_publication_tables t
  ON t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3
WHERE p.pubname = $1"""
_PARTS_OF_ROWS = "t.attnames::text[], t.rowfilter"
_WHOLE_ROWS = "NULL::text[], NULL::text"
"""Servers before 15 publish whole tables alone."""

# Whatever is done to what is published of a table leaves another number here.
_TERMS = """
SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8, pg_current_snapshot()::text, (
    SELECT concat_ws('.', p.oid, p.xmin, r.oid, r.xmin, {})
    FROM pg_catalog.pg_publication p LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = $2
    WHERE p.pubname = $1)"""
_OF_SCHEMAS = """(
    SELECT string_agg(concat_ws('.', s.oid, s.xmin), '.' ORDER BY s.oid)
    FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid)"""

# Of a partitioned table the identities are those of its parts.
_IDENTITIES = """
WITH part AS (
    SELECT c.oid, c.relreplident FROM pg_catalog.pg_class c WHERE c.oid = $1 AND c.relkind <> 'p'
    UNION SELECT c.oid, c.relreplident FROM pg_partition_tree($1::oid::regclass) t
    JOIN pg_catalog.pg_class c ON c.oid = t.relid WHERE t.isleaf)
SELECT p.oid <> $1, p.oid::regclass::text, p.relreplident = 'f', ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = p.oid AND CASE p.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END),
  (SELECT quote_ident(x.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
   WHERE i.indrelid = p.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
     AND $2::text[] <@ ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = p.oid AND a.attnum = ANY (i.indkey::int2[]))
     AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) AS k (n)
                     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum = k.n
                     WHERE a.attnotnull IS NOT TRUE)
   ORDER BY x.relname LIMIT 1)
FROM part p"""


class Standing(msgspec.Struct, frozen=True):
    """What the server says of a slot."""

    why_not: str
    """Why nothing can be read from it, with the statement that would change that; "": it can."""
    is_possible: bool
    """Whether this server could have such a slot."""
    warning: str
    """What somebody should know although it works; "": nothing."""
    figures: dict[str, int] = {}
    """How many bytes of the log are kept for it, and how many of those were not acknowledged."""


async def standing(connection: Connection, slot: str, bound: int) -> Standing:
    """How it stands with a slot. `bound`: bytes of the log that it may keep before somebody should know."""
    row = await connection.fetchrow(_STANDING, slot)
    flushed, level, limit, database, is_there, plugin, its_database, pid, status, confirmed, restart = row
    why_not = warning = ""
    figures: dict[str, int] = {}
    if level != "logical":
        why_not = (
            f"the server's `wal_level` is {level}, with which no change is told: "
            "ALTER SYSTEM SET wal_level = 'logical'; and restart the server"
        )
    elif not is_there:
        why_not = f"there is no replication slot {slot!r}: {_made(slot)}"
    elif plugin != "pgoutput" or its_database != database:
        whose = "a physical one" if plugin is None else f"of {plugin} in the database {shown(its_database)}"
        why_not = f"the replication slot {slot!r} is {whose}; expected one of pgoutput in {shown(database)}"
    elif status == "lost" or confirmed is None or restart is None:
        why_not = (
            f"the replication slot {slot!r} has lost what it was to keep (`max_slot_wal_keep_size` is {limit}): "
            f"{made_anew(slot)}"
        )
    else:
        figures = {"slot_kept_bytes": flushed - restart, "slot_unread_bytes": flushed - confirmed}
        warning = _kept(slot, figures, bound, status, pid)
    return Standing(why_not, level == "logical", warning, figures)


def made_anew(slot: str) -> str:
    """The statements that put a new slot in the place of one that is of no use any more."""
    return f"SELECT pg_drop_replication_slot('{slot}'); {_made(slot)}"


def _made(slot: str) -> str:
    return f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput');"


def _kept(slot: str, figures: dict[str, int], bound: int, status: str, pid: int | None) -> str:
    """What a slot that works keeps too much of."""
    kept, behind = figures["slot_kept_bytes"], figures["slot_unread_bytes"]
    if kept <= bound and status != "unreserved":
        return ""
    reader = "nobody reads it now" if pid is None else f"the process {pid} of the server reads it"
    last = "; the server removes the oldest of it with its next checkpoint" if status == "unreserved" else ""
    return (
        f"the replication slot {slot!r} keeps {_size(kept)} of the server's log, of which {_size(behind)} are not "
        f"read yet ({reader}){last}"
    )


def _size(bytes: int) -> str:
    return f"{bytes / _MEGABYTE:,.0f} MB"


class Terms(msgspec.Struct, frozen=True):
    """What the server says before the stream is asked how far it is."""

    flushed: Lsn
    """The end of the log, as far as it is safe on disk."""
    snapshot: str
    """Which transactions are over."""
    terms: str
    """On what terms the changes of a table are told: other ones than before mean that some may not have been told in
    between; "": none are."""


async def terms(connection: Connection, publication: str, table: int) -> Terms:
    """What holds now for a table."""
    of_schemas = _OF_SCHEMAS if connection.get_server_version() >= (15, 0) else "NULL"
    flushed, snapshot, found = await connection.fetchrow(_TERMS.format(of_schemas), publication, table)
    return Terms(flushed, snapshot, found or "")


async def no_limit(connection: Connection, slot: str) -> str:
    """Whether a daemon that stands still lets the disk of the server run full; "": it cannot."""
    if await connection.fetchval("SELECT current_setting('max_slot_wal_keep_size')") != "-1":
        return ""
    return (
        f"while nobody reads the replication slot {slot!r}, the server keeps its log without an end; set a limit: "
        "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();"
    )


async def unpublished(connection: Connection, name: str, table: Table, keys: Sequence[str]) -> str:
    """What keeps a publication from telling all changes of a table, with the statement that would; "": nothing."""
    parts = _PARTS_OF_ROWS if connection.get_server_version() >= (15, 0) else _WHOLE_ROWS
    row = await connection.fetchrow(_PUBLISHED.format(parts), name, table.schema, table.name)
    its = shown(name)
    identities = await connection.fetch(_IDENTITIES, table.id, list(keys))
    is_parted = not identities or any(is_part for is_part, *_ in identities)
    if row is None:
        root = " WITH (publish_via_partition_root = true)" if is_parted else ""
        return f"there is no publication {its}: CREATE PUBLICATION {its} FOR TABLE {table.shown}{root};"
    all_events, via_root, has_it, columns, only = row
    if not all_events:
        return (
            f"the publication {its} does not tell everything: ALTER PUBLICATION {its} "
            "SET (publish = 'insert, update, delete, truncate');"
        )
    if not has_it:
        add = f"ALTER PUBLICATION {its} ADD TABLE {table.shown};"
        if is_parted and not via_root:
            add += f" ALTER PUBLICATION {its} SET (publish_via_partition_root = true);"
        return f"the publication {its} does not tell of {table.shown}: {add}"
    if only is not None or (columns is not None and not set(keys) <= set(columns)):
        what = "leaves rows out" if only is not None else f"leaves {', '.join(keys)} out"
        return (
            f"the publication {its} {what} of {table.shown}: ALTER PUBLICATION {its} DROP TABLE {table.shown}; "
            f"ALTER PUBLICATION {its} ADD TABLE {table.shown};"
        )
    for _, part, is_full, identity, index in identities:
        if not is_full and not set(keys) <= set(identity):
            how = "FULL" if index is None else f"USING INDEX {index}"
            return f"deletions in {part} are told without {', '.join(keys)}: ALTER TABLE {part} REPLICA IDENTITY {how};"
    return ""
