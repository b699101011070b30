"""Addresses of servers: what is wrong with one as it stands, in words that quote nothing of it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host leaves this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fault(url: str, plain: str, encrypted: str, *, unencrypted: bool, path: str = "") -> str:
    """What is wrong with the address of a server; "": nothing that can be told without it.

    `plain`, `encrypted`: the schemes that it may have; `unencrypted`: the first of them is taken for a server that is
    not this machine, too; `path`: what may stand behind its host.
    """
    form = f"expected {encrypted}://HOST" + (path or ":PORT")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"it cannot be read; {form}"
    if parts.scheme not in (plain, encrypted) or not host:
        return form
    if "@" in parts.netloc:
        return "the user and the password have options of their own: `user` and `password`"
    if parts.query or parts.fragment:
        return f"there is a ? or # in it; {form}"
    if not path and parts.path not in ("", "/"):
        return f"there is something behind the host; {form}"
    if parts.scheme == plain and not unencrypted and not is_this_machine(host):
        return f"the password would be sent unencrypted; expected {encrypted}://, or `unencrypted = true`"
    return ""
