"""Constraints: the columns that a rule of a table is about. SQLite says no more of it than its name, or its text."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from datasyncd.adapters.contract import Native

from .selection import column
from .table import Table, quoted

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\s+|'(?:[^']|'')*'
    |"(?P<quoted>(?:[^"]|"")*)"|\[(?P<bracketed>[^\]]*)\]|`(?P<ticked>(?:[^`]|``)*)`
    |(?P<word>[^\W\d][\w$]*)|(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
"""Comments, blanks and texts have no name ("SQL As Understood By SQLite": the tokens of SQL)."""

_PARENTS = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq'
_PRIMARY = "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk"


def checked(connection: sqlite3.Connection, table: Table, failed: str) -> frozenset[str]:
    """Columns that a CHECK is about; `failed`: its name, or its text where it has none."""
    found = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table.name,)
    ).fetchone()
    tokens = list(_tokens(found[0] if found is not None else ""))
    for place in range(len(tokens) - 3):
        word, name, check = (text.upper() for text, _ in tokens[place : place + 3])
        if (word, name, check) == ("CONSTRAINT", failed.upper(), "CHECK"):
            return _named(_inside(tokens[place + 3 :]), table)
    return _named(_tokens(failed), table)


def orphaned(connection: sqlite3.Connection, table: Table, fields: Mapping[str, Native]) -> tuple[str, ...]:
    """Fields that refer to rows which are not there."""
    keys: dict[int, tuple[str, list[str], list[str | None]]] = {}
    for number, parent, own, its in connection.execute(_PARENTS, (table.name,)):
        _, mine, others = keys.setdefault(number, (parent, [], []))
        mine.append(own)
        others.append(its)
    out: set[str] = set()
    for parent, mine, others in keys.values():
        if not all(fields.get(name) is not None for name in mine):
            continue
        referred = [name for name in others if name is not None]
        referred = referred or [name for (name,) in connection.execute(_PRIMARY, (parent,))]
        same = " AND ".join(column(name) + " = ?" for name in referred)
        sql = " ".join(("SELECT 1 FROM", quoted(parent), "AS t WHERE", same, "LIMIT 1"))
        if connection.execute(sql, [fields[name] for name in mine]).fetchone() is None:
            out.update(mine)
    return tuple(name for name in fields if name in out)


def _tokens(sql: str) -> Iterator[tuple[str, bool]]:
    """Each token, and whether it can be a name."""
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup
        if kind is not None:
            text = match[kind]
            if kind in ("quoted", "ticked"):
                text = text.replace('""', '"') if kind == "quoted" else text.replace("``", "`")
            yield text, kind != "other"


def _inside(tokens: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """The tokens within the first parentheses."""
    depth = 0
    for text, is_name in tokens:
        depth += {"(": 1, ")": -1}.get(text, 0) if not is_name else 0
        if depth <= 0:
            return
        yield text, is_name


def _named(tokens: Iterable[tuple[str, bool]], table: Table) -> frozenset[str]:
    """Columns among these tokens; a word before a parenthesis is a function."""
    columns = {name.lower(): name for name in table.columns}
    out = set[str]()
    before = ""
    for text, is_name in (*tokens, ("", False)):
        if text != "(" and before in columns:
            out.add(columns[before])
        before = text.lower() if is_name else ""
    return frozenset(out)
