"""Names: contacts, crm.contacts or crm."my table"."""

from __future__ import annotations

from datasyncd.adapters.sql.names import Names

_NAMES = Names('"', r"[a-z_][a-z0-9_]*")

quoted = _NAMES.quoted
shown = _NAMES.shown
split = _NAMES.split
