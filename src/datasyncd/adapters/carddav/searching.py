"""Searching: which values a server can be asked for, and which cards have them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from datasyncd.adapters.contract import Native

from .names import PARTS, name_of

_BARRED = frozenset('\\,;\n\r"')
"""Signs that servers compare in one form or another."""
_REWRITTEN = frozenset({"BDAY", "ANNIVERSARY", "DEATHDATE", "REV", "TEL"})
"""Properties that we may read in another form than they are written in."""


def askable(field: str, texts: Sequence[str]) -> bool:
    """Whether every card with one of these values is among those of which the server says that they contain it."""
    name = name_of(field)
    if name is None or name.lines.property in _REWRITTEN or name.lines.property in PARTS or name.is_list:
        return False
    return all(text.isprintable() and text.isascii() and text.strip() and _BARRED.isdisjoint(text) for text in texts)


def comparable(value: str) -> str:
    """Addresses are compared without case."""
    return value.casefold() if "@" in value else value


def matches(value: Native, wanted: Set[str]) -> bool:
    """Whether a field has one of these values."""
    return isinstance(value, str) and comparable(value) in wanted
