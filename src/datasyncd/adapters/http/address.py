"""Addresses of servers: what of one can be wrong as it stands."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def fault(url: str, unencrypted: bool) -> str:
    """What is wrong with an address as it stands, in words that quote nothing of it; "": nothing."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it cannot be read; expected https://HOST/PATH/"
    if parts.scheme not in ("https", "http") or not host:
        return "expected https://HOST/PATH/"
    if "@" in parts.netloc:
        return "the user and the password have options of their own: `user` and `password`"
    if parts.query or parts.fragment:
        return "there is a ? or # in it, where a folder is expected"
    if parts.scheme == "http" and not unencrypted and not _is_this_machine(host):
        return "the password would be sent unencrypted; expected https://, or `unencrypted = true`"
    return ""


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
