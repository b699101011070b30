"""Names: contacts, shop.contacts or shop.`my table`."""

from __future__ import annotations

from datasyncd.adapters.sql.names import Names

_NAMES = Names("`", r"[A-Za-z_][A-Za-z0-9_]*")

shown = _NAMES.shown
split = _NAMES.split
backquoted = _NAMES.quoted


def quoted(name: str) -> str:
    """An identifier as it stands in a statement that values are put into, where % begins the place of one."""
    return backquoted(name).replace("%", "%%")
