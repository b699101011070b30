"""A real server, and a front of it for what it never does by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.front import Front, fronting
from tests.servers.radicale import Book


@pytest.fixture
async def front(book: Book) -> AsyncIterator[Front]:
    async with fronting(f"http://127.0.0.1:{book.server.port}", book.server.path) as front:
        yield front
