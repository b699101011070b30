"""DSN: the address of a database."""

from __future__ import annotations

from datasyncd.adapters.sql import dsn as base

FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

_SCHEMES = ("postgresql://", "postgres://")
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_WITH_AT = ("user=", "password=", "options=")


def fault(dsn: str) -> str:
    """What is wrong with an address as it stands; "": nothing that can be told without a server."""
    return base.fault(dsn, _SCHEMES, "sslmode", _MODES, _WITH_AT)


def address(dsn: str) -> str:
    """Hosts and database of an address, and nothing that is secret."""
    return base.address(dsn, "host", "PostgreSQL")
