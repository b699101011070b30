"""Needed: what a new record must be given, and what is said where nobody gives it.

Where neither the system nor the map makes the key of a new record, the daemon does: a text that fits few columns.
"""

from __future__ import annotations

from .contract import Column

OWN_KEY_LENGTH = 32
"""Characters of a key that the daemon makes: hexadecimal digits."""


def why(column: Column) -> str:
    """Why no record is made without a value of a required column, and what would change that."""
    reason = column.why_required or "it may not be NULL and has no default; give it one there, or map a field to it"
    return f"{column.name}: {reason}"


def nobody_gives(key: str, what: str) -> str:
    """Why no record is made whose key, or a part of it, nobody gives. `what`: what it is, such as "an integer"."""
    return f"the key of a new record is {what} that nobody gives; let the database make {key}, or map a field to it"
