"""Server: where the address books of one user are, and the client that asks there."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from yarl import URL

from datasyncd.adapters.http.client import Client, basic


class Login(Protocol):
    """The options of a system, as far as they are about the server."""

    @property
    def url(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def ca(self) -> str | None: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def connect_s(self) -> float: ...


def folder_of(options: Login) -> URL:
    """The folder of the address books, with a slash at its end."""
    return URL(options.url if options.url.endswith("/") else f"{options.url}/", encoded=True)


def client_of(system: str, base: Path, options: Login) -> Client:
    """A client for the server. `base`: the folder that `ca` is relative to."""
    return Client(
        f"{system}: {folder_of(options).host}",
        basic(options.user, options.password),
        None if options.ca is None else base / options.ca,
        connect_s=options.connect_s,
        timeout_s=options.timeout_s,
    )
