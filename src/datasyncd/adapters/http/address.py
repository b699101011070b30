"""Addresses of HTTP servers: what of one can be wrong as it stands."""

from __future__ import annotations

from datasyncd.adapters import address


def fault(url: str, unencrypted: bool) -> str:
    """What is wrong with an address as it stands, in words that quote nothing of it; "": nothing."""
    return address.fault(url, "http", "https", unencrypted=unencrypted, path="/PATH/")
