"""DSN: the address of a database, and what is wrong with one, in words that quote nothing of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

_SCHEMES = ("postgresql://", "postgres://")
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ENCODED = "a sign of a name or password that has a meaning there is written with %, such as %2F for / and %40 for @"
_WITH_AT = ("user=", "password=", "options=")
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL).fullmatch
_LARGEST_PORT = 65_535


def fault(dsn: str) -> str:
    """What is wrong with an address as it stands; "": nothing that can be told without a server."""
    if not dsn:
        return "it is empty"
    if not dsn.startswith(_SCHEMES):
        return "it does not begin with postgresql://"
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "there are square brackets in it that enclose no address"
    auth, _, hosts = parts.netloc.rpartition("@")
    options = [option for option in parts.query.split("&") if not option.startswith(_WITH_AT)]
    if "#" in dsn or any("@" in part for part in (auth, parts.path, *options)):
        return f"a part of it ends too early, at a sign that belongs to a name or password; {_ENCODED}"
    if any(map(str.isspace, hosts + parts.path)):
        return "there is a blank in its host or database"
    for host in hosts.split(","):
        found = _HOST(host)
        if found is None:
            return f"its host cannot be told from its port; {_ENCODED}"
        port = found["port"]
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT):
            return f"its port is no number from 1 to {_LARGEST_PORT}; {_ENCODED}"
    mode = parse_qs(parts.query).get("sslmode", ["prefer"])[-1]
    return "" if mode in _MODES else f"its `sslmode` is none of {', '.join(_MODES)}"


def address(dsn: str) -> str:
    """Hosts and database of an address, and nothing that is secret."""
    try:
        parts = urlsplit(dsn)
        hosts = parse_qs(parts.query).get("host", [])
    except ValueError:
        return "PostgreSQL"
    host = parts.netloc.rpartition("@")[2] or ", ".join(hosts) or "localhost"
    return host + parts.path
