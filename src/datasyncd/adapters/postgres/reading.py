"""Readings: rows by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasyncd.adapters.contract import Key, Malformed, Record
from datasyncd.adapters.sql import reading
from datasyncd.adapters.sql.keys import Parts
from datasyncd.adapters.sql.table import Connection

from .selection import Selection
from .trouble import is_refusal


async def by_key(
    connection: Connection, selection: Selection, sql: str, keys: Sequence[Parts]
) -> Mapping[Key, Record | Malformed]:
    """What there is for each key, by a statement of the selection that takes the texts of keys."""
    return reading.by_key(selection, await _by_key(connection, selection, sql, keys) if keys else [])


async def _by_key(connection: Connection, selection: Selection, sql: str, keys: Sequence[Parts]) -> list[Any]:
    """Rows; keys that the server takes for none of its types are looked for among ever fewer others."""
    lists = [list(part) for part in zip(*keys, strict=True)]
    if selection.keys_are_told:
        return list(await connection.fetch(sql, *lists))
    inside = connection.is_in_transaction()
    if inside:
        await connection.execute("SAVEPOINT keys")
    try:
        rows = list(await connection.fetch(sql, *lists))
    except Exception as error:
        if not is_refusal(error):
            raise
        if inside:
            await connection.execute("ROLLBACK TO keys; RELEASE keys")
    else:
        if inside:
            await connection.execute("RELEASE keys")
        return rows
    if len(keys) == 1:
        return []
    middle = len(keys) // 2
    rows = await _by_key(connection, selection, sql, keys[:middle])
    return rows + await _by_key(connection, selection, sql, keys[middle:])
