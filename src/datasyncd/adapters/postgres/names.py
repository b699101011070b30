"""Names: identifiers as they stand in SQL, and objects as a config names them."""

from __future__ import annotations

import re

_PARTS = re.compile(r'(?:(?P<schema>"(?:[^"]|"")+"|[^".]+)\.)?(?P<name>"(?:[^"]|"")+"|[^".]+)').fullmatch
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*").fullmatch


def quoted(name: str) -> str:
    """An identifier, always quoted."""
    return "".join(('"', name.replace('"', '""'), '"'))


def shown(name: str) -> str:
    """An identifier for people: quoted where SQL would take it for another one."""
    return name if _PLAIN(name) else quoted(name)


def split(object: str) -> tuple[str | None, str] | None:
    """Schema, if it is said, and name of an object such as public.contacts or crm."Contacts"; None: it is no name.

    Unlike in SQL, capital letters need no quotes: a config names things as they are.
    """
    found = _PARTS(object)
    if found is None:
        return None
    schema, name = found["schema"], found["name"]
    return (None if schema is None else _bare(schema)), _bare(name)


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
