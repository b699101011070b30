"""Addresses of folders elsewhere, and what may be shown of them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True):
    """A folder elsewhere."""

    scheme: Literal["sftp", "s3"]
    host: str
    """Or the bucket."""
    port: int | None
    user: str
    password: str
    folder: str
    """Of SFTP from the root, unless it begins with ~; of S3 the prefix, without slashes around it."""

    @property
    def shown(self) -> str:
        """For people: without the password."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{self.host}{port}/{self.folder.removeprefix('/')}".rstrip("/")


def address_of(path: str) -> Address | None:
    """The address that a path is; None: it is a folder of this machine.

    Raises `ValueError` for one that is none, with a text that quotes nothing of it.
    """
    scheme, found, _ = path.partition("://")
    if not found:
        return None
    if scheme not in ("sftp", "s3"):
        raise ValueError("it is neither a folder, nor begins with sftp:// or s3://")
    try:
        parts = urlsplit(path)
        port = parts.port
    except ValueError:
        raise ValueError("its port is no number, or there are brackets in it that enclose no address") from None
    if not parts.hostname:
        raise ValueError(f"it names no {'host' if scheme == 'sftp' else 'bucket'} behind {scheme}://")
    if parts.query or parts.fragment:
        raise ValueError("a ? or # in it is written %3F or %23")
    folder = unquote(parts.path)
    if scheme == "s3":
        if parts.username or parts.password or port:
            raise ValueError("keys stand in `access_key` and `secret_key`, and a service in `endpoint`")
        return Address("s3", parts.netloc, None, "", "", folder.strip("/"))
    if folder.startswith("/~"):
        folder = folder.removeprefix("/~").removeprefix("/") or "."
    return Address(
        "sftp", parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""), folder or "."
    )
