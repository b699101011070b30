"""Which store a folder is in. The packages for those elsewhere come with the extras `sftp` and `s3`."""

from __future__ import annotations

from datasyncd.adapters.contract import Context

from .address import address_of
from .local import LocalStore
from .options import FolderOptions
from .store import Store


def store_of(context: Context, options: FolderOptions) -> Store:
    """The store that the options name. Does not touch it yet."""
    address = address_of(options.path)
    settle_s = None if options.settle_ms is None else options.settle_ms / 1000
    if address is None:
        folder = context.base / options.path
        return LocalStore(folder, lock=options.lock, settle_s=0.05 if settle_s is None else settle_s)
    if address.scheme == "s3":
        from .s3 import S3Store

        return S3Store(address, options, settle_s=0.05 if settle_s is None else settle_s)
    from .sftp import SftpStore

    return SftpStore(address, options, context.base, settle_s=1.1 if settle_s is None else settle_s)
