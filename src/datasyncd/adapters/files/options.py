"""Options that every folder of files has, here or elsewhere."""

from __future__ import annotations

from typing import Annotated

import msgspec

from datasyncd.adapters.errors import OptionError

from .address import Address, address_of

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class FolderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One folder, one file an object."""

    path: Annotated[str, msgspec.Meta(min_length=1)]
    """The folder, relative to the config's folder; or `sftp://USER@HOST/FOLDER`, or `s3://BUCKET/PREFIX`."""
    lock: bool = False
    """Every program that writes these files takes an flock on `<object>.lock` beside them while it does."""
    settle_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] | None = None
    """How long a file whose end looks half-written must stay the same before it is believed: 50, over SFTP 1100."""
    create: bool = False
    """A file that was never there is empty, and the first write makes it, with the mapped columns."""
    timeout_s: Seconds = 30.0
    """Of a folder elsewhere: how long to wait for an answer."""
    password: str = ""
    """Of SFTP: the password of the user, as a credential."""
    private_key: str = ""
    """Of SFTP: the private key of the user in PEM or OpenSSH form, as a credential, or the file that it stands in."""
    passphrase: str = ""
    """Of SFTP: what the private key is encrypted with, as a credential."""
    known_hosts: str = ""
    """Of SFTP: the file with the keys by which the server is known; without it, `~/.ssh/known_hosts`."""
    access_key: str = ""
    """Of S3: the id of the access key, as a credential."""
    secret_key: str = ""
    """Of S3: the secret of the access key, as a credential."""
    session_token: str = ""
    """Of S3: the token that belongs to keys which are lent."""
    region: str = "us-east-1"
    """Of S3: where the bucket is."""
    endpoint: str = ""
    """Of S3: the address of another service than Amazon's, such as `https://s3.example.com`."""
    unencrypted: bool = False
    """Of S3: take `http://` for a service that is not this machine."""
    conditional: bool = True
    """Of S3: the service compares ETags when it is written to (`If-Match`); it is tried before the first write."""

    def __post_init__(self) -> None:
        try:
            address = address_of(self.path)
        except ValueError as error:
            raise OptionError("path", str(error)) from None
        if address is not None:
            self._check(address)

    def _check(self, address: Address) -> None:
        if self.lock:
            raise OptionError("lock", "nobody elsewhere takes a lock of this machine; leave it out")
        local = self.endpoint.startswith(("http://localhost:", "http://127.0.0.1:", "http://[::1]:"))
        if self.endpoint.startswith("http://") and not (local or self.unencrypted):
            raise OptionError(
                "endpoint", "what is sent over http:// can be read; use https://, or say `unencrypted = true`"
            )
        if self.endpoint and not self.endpoint.startswith(("https://", "http://")):
            raise OptionError("endpoint", "it does not begin with https://")
        if bool(self.access_key) != bool(self.secret_key):
            raise OptionError("access_key", "`access_key` and `secret_key` belong together")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
