"""Papers: the files that a connector is given, in a folder that only we can read and that is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec


class Papers:
    """One such folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: Any) -> str:
        """A JSON file of this name; its path."""
        path = self.folder / name
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(opened, "wb") as file:
            file.write(msgspec.json.encode(content))
        return str(path)


@contextmanager
def papers() -> Iterator[Papers]:
    """A folder of mode 0700, removed with all that is in it."""
    with tempfile.TemporaryDirectory(prefix="datasyncd-", ignore_cleanup_errors=True) as folder:
        yield Papers(Path(folder))
