"""DSN: the address of a database."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from datasyncd.adapters.sql import dsn as base

FORM = "mysql://USER:PASSWORD@HOST:PORT/DATABASE"

_SCHEMES = ("mysql://", "mariadb://")
_MODES = ("disabled", "required", "verify_ca", "verify_identity")
_OPTIONS = ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket")
_PORT = 3306


def fault(dsn: str) -> str:
    """What is wrong with an address as it stands; "": nothing that can be told without a server."""
    if wrong := base.fault(dsn, _SCHEMES, "ssl-mode", _MODES, ()):
        return wrong
    parts = urlsplit(dsn)
    if "," in parts.netloc:
        return "it has several hosts"
    unknown = [option for option in parse_qs(parts.query, keep_blank_values=True) if option not in _OPTIONS]
    return f"behind its ? may stand {', '.join(_OPTIONS)}" if unknown else ""


def address(dsn: str) -> str:
    """Host and database of an address, and nothing that is secret."""
    return base.address(dsn, "socket", "MariaDB or MySQL")


def arguments(dsn: str) -> dict[str, Any]:
    """What the driver is told. Raises `OSError` for a certificate that is not there."""
    parts = urlsplit(dsn)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    said: dict[str, Any] = {
        "user": unquote(parts.username or "") or None,
        # As bytes: the driver would send the characters of another alphabet in a code of its own.
        "password": unquote(parts.password or "").encode(),
        "database": unquote(parts.path.lstrip("/")) or None,
    }
    if "socket" in options:
        said["unix_socket"] = options["socket"]
    else:
        said |= {"host": parts.hostname or "localhost", "port": parts.port or _PORT}
    mode = options.get("ssl-mode", _MODES[0])
    if mode != "disabled":
        said["ssl"] = _context(mode, options)
    return said


def _context(mode: str, options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl-ca"))
    context.check_hostname = mode == "verify_identity"
    if mode == "required":
        context.verify_mode = ssl.CERT_NONE
    if "ssl-cert" in options:
        context.load_cert_chain(options["ssl-cert"], options.get("ssl-key"))
    return context
