"""Options that every folder of files has."""

from __future__ import annotations

import msgspec


class FolderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One folder, one file an object."""

    path: str
    """The folder, relative to the config's folder."""
    lock: bool = False
    """Every program that writes these files takes an flock on `<object>.lock` beside them while it does."""
    settle_ms: int = 50
    """How long a file whose end looks half-written must stay the same before it is believed."""
    create: bool = False
    """A file that was never there is empty, and the first write makes it, with the mapped columns."""
