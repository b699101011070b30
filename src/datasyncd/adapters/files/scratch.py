"""Scratch: a file for the conformance suite, and another program that rewrites it with Python's own means."""

from __future__ import annotations

import fcntl
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from datasyncd.adapters.contract import Context, Key, Moment, Native, ObjectSpec
from datasyncd.adapters.errors import Unreachable
from datasyncd.adapters.testing.scratch import Scratch, SecondConnection, Site
from datasyncd.adapters.testing.stage import COLUMNS

from .adapter import Form
from .address import address_of
from .patience import in_thread
from .store import Store
from .stores import store_of

Rows: TypeAlias = dict[Key, dict[str, Native]]


class FileScratch(Scratch):
    """A file of people. Where the option `lock` says that all writers take a lock, the other program does, too."""

    somebody = "another program, which rewrites the file"
    ending: str
    """Of the file's name."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._file: Path = site.base / site.options.path / f"{site.object}{self.ending}"
        self.made = f"the file {Path(site.options.path, self._file.name)}"

    @abstractmethod
    def load(self, file: Path) -> Rows:
        """All records of the file by their keys."""

    @abstractmethod
    def save(self, file: Path, rows: Rows) -> None:
        """Write a file with these records."""

    async def make(self) -> None:
        await self._changes(lambda rows: None, new=True)

    async def remove(self) -> None:
        for ending in (self.ending, ".lock", ".tmp"):
            self._file.with_suffix(ending).unlink(missing_ok=True)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        new = {key: dict.fromkeys(COLUMNS) | {"id": key, **fields} for key, fields in records.items()}
        await self._changes(lambda rows: rows.update(new))

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        await self._changes(lambda rows: rows[key].update(fields))

    async def delete(self, key: Key) -> None:
        await self._changes(lambda rows: rows.pop(key))

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        return await in_thread(self.load, self._file)

    async def _changes(self, change: Callable[[Rows], object], *, new: bool = False) -> None:
        """Rewrite the file. In a thread: whoever has the lock may need the event loop to let go of it."""

        def rewrite() -> None:
            with self._locked():
                rows = {} if new else self.load(self._file)
                change(rows)
                self.save(self._file.with_suffix(".tmp"), rows)
                os.replace(self._file.with_suffix(".tmp"), self._file)

        try:
            await in_thread(rewrite)
        except OSError as error:
            raise Unreachable(f"{self.site.system}: {self._file}: {error.strerror}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.options.lock:
            yield
            return
        with open(self._file.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class RemoteScratch(SecondConnection):
    """A file of people in a folder elsewhere."""

    ending: str
    """Of the file's name."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._store: Store = store_of(Context(site.system, site.base, lambda: Moment(0, 0), {}), self.options)
        self._file = f"{site.object}{self.ending}"
        self.made = f"the file {self._store.shown(self._file)}"

    @abstractmethod
    def form(self) -> Form:
        """How records stand in the file."""

    async def make(self) -> None:
        await self._store.create(self._file, self.form().blank(ObjectSpec(self.site.object, "id", COLUMNS[1:])))

    async def remove(self) -> None:
        await super().remove()
        try:
            await self._store.remove(self._file)
        finally:
            await self._store.aclose()


def stage_of(site: Site, here: type[FileScratch], elsewhere: type[RemoteScratch]) -> Scratch:
    """The stage for a folder of this machine, or elsewhere."""
    return here(site) if address_of(site.options.path) is None else elsewhere(site)
