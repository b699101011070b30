"""Scratch: what tables for the conformance suite have in common, and another session that works in them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from datasyncd.adapters.contract import Key, Native, ObjectSpec
from datasyncd.adapters.errors import Unauthorised
from datasyncd.adapters.testing.scratch import Scratch, Site
from datasyncd.adapters.testing.stage import COLUMNS, PEOPLE

VERSION = "version"
"""The column that counts changes, where the system is configured to have one."""


class Closing(Protocol):
    """What has to be closed at the end."""

    async def aclose(self) -> None: ...


class TableScratch(Scratch):
    """A table of people.

    It has what the options of the system name for its tables: a column that counts changes, triggers that note them.
    """

    somebody = "another session of the same user"
    _sessions: Closing

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.table = site.object
        self.made = f"the table {site.object}"
        self.spec = ObjectSpec(site.object, PEOPLE.key, PEOPLE.fields)

    @abstractmethod
    async def create(self) -> None:
        """Make the table, and what counts and notes its changes."""

    async def grant(self) -> str:
        """What gives the right to `create`: the statement, where there is one."""
        return "the user needs the right to do so"

    @abstractmethod
    async def drop(self) -> None:
        """Remove all that was made, as far as it was."""

    @abstractmethod
    async def fetch(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """What a statement shows; {} in it stands for a value."""

    @abstractmethod
    async def each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement for each row; {} in it stands for a value."""

    async def make(self) -> None:
        try:
            await self.create()
        except Unauthorised as error:
            raise Unauthorised(f"{error}; to make a table there for a moment: {await self.grant()}") from None

    async def remove(self) -> None:
        try:
            await self.drop()
        finally:
            await self._sessions.aclose()

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        rows = [(key, *(fields.get(name) for name in COLUMNS[1:])) for key, fields in records.items()]
        places = ", ".join(["{}"] * len(COLUMNS))
        await self.each(f"INSERT INTO {self.table} ({', '.join(COLUMNS)}) VALUES ({places})", rows)

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        changed = ", ".join(f"{name} = {{}}" for name in fields)
        await self.each(f"UPDATE {self.table} SET {changed} WHERE id = {{}}", [(*fields.values(), key)])

    async def delete(self, key: Key) -> None:
        await self.each(f"DELETE FROM {self.table} WHERE id = {{}}", [(key,)])

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        rows = await self.fetch(f"SELECT {', '.join(COLUMNS)} FROM {self.table} ORDER BY id")
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}
