"""A DuckDB file, and another process that works in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasyncd.adapters.duckdb.another import Another


class Database:
    """A database file, and somebody else who works in it."""

    def __init__(self, path: Path, another: Another) -> None:
        self.path = path
        self.another = another
        self.ask = another.ask

    async def run(self, *statements: str) -> None:
        """Execute statements, each by itself."""
        self.ask("run", *((sql, None) for sql in statements))

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.ask("run", (sql, list(values)))
        return found

    def dsn(self) -> str:
        """The path, for tests that all databases share."""
        return str(self.path)


@contextmanager
def database(path: Path) -> Iterator[Database]:
    """A new database file."""
    another = Another(str(path))
    try:
        another.ask("run")
        yield Database(path, another)
    finally:
        another.close()
