"""DSN: the address of a database, and what is wrong with one, in words that quote nothing of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

_ENCODED = "a sign of a name or password that has a meaning there is written with %, such as %2F for / and %40 for @"
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL).fullmatch
_LARGEST_PORT = 65_535


def fault(dsn: str, schemes: Sequence[str], mode: str, modes: Sequence[str], with_at: tuple[str, ...]) -> str:
    """What is wrong with an address as it stands; "": nothing that can be told without a server.

    `mode`: the option that says how a connection is encrypted, `modes` what it can say; `with_at`: beginnings of
    options that may have an @ in them.
    """
    if not dsn:
        return "it is empty"
    if not dsn.startswith(tuple(schemes)):
        return f"it does not begin with {schemes[0]}"
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "there are square brackets in it that enclose no address"
    auth, _, hosts = parts.netloc.rpartition("@")
    options = [option for option in parts.query.split("&") if not option.startswith(with_at)]
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
    said = parse_qs(parts.query).get(mode, [modes[0]])[-1]
    return "" if said in modes else f"its `{mode}` is none of {', '.join(modes)}"


def address(dsn: str, option: str, otherwise: str) -> str:
    """Hosts and database of an address, and nothing that is secret.

    `option`: where a socket can be named; `otherwise`: what is said of an address that cannot be read.
    """
    try:
        parts = urlsplit(dsn)
        hosts = parse_qs(parts.query).get(option, [])
    except ValueError:
        return otherwise
    host = parts.netloc.rpartition("@")[2] or ", ".join(hosts) or "localhost"
    return host + parts.path
