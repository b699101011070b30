"""A sync that reads one link alone: what it changes reaches the others, whatever happened there meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stores import Stores

pytestmark = pytest.mark.asyncio


async def in_step(folder: Path) -> Stores:
    stores = Stores(folder)
    stores.config()
    stores.add(stores.crm, email="ann@example.org", name="Ann", city="Rome", sms=1)
    done = await stores.sync()
    assert done.exit_code == 0
    return stores


async def test_an_edit_elsewhere_is_read_before_it_is_written_over(tmp_path: Path) -> None:
    """The write is refused, since the row is not what it was; then it is known why, and nothing is left to do."""
    stores = await in_step(tmp_path)
    stores.crm.execute("UPDATE people SET city = 'Pisa'")
    stores.shop.execute("UPDATE people SET name = 'Anna'")

    done = await stores.sync("shop.person")

    assert done.exit_code == 0
    assert stores.rows(stores.crm) == stores.rows(stores.shop) == [("ann@example.org", "Anna", "Pisa", 1)]


async def test_a_conflict_that_shows_so_is_told(tmp_path: Path) -> None:
    stores = await in_step(tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(
        config.read_text().replace('name = { type = "text" }', 'name = { type = "text", policy = "manual" }')
    )
    assert (await stores.sync()).exit_code == 0
    stores.crm.execute("UPDATE people SET name = 'Anne'")
    stores.shop.execute("UPDATE people SET name = 'Anna'")

    done = await stores.sync("shop.person")

    assert (done.exit_code, done.conflicts) == (1, 1)
    assert [row[1] for row in (*stores.rows(stores.crm), *stores.rows(stores.shop))] == ["Anne", "Anna"]


async def test_what_was_edited_elsewhere_and_is_not_concerned_is_not_read(tmp_path: Path) -> None:
    stores = await in_step(tmp_path)
    stores.add(stores.crm, email="ben@example.org", name="Ben", city="Rome", sms=0)
    stores.shop.execute("UPDATE people SET name = 'Anna'")

    done = await stores.sync("shop.person")

    assert done.read == {"shop": 1}
    assert [row[0] for row in stores.rows(stores.shop)] == ["ann@example.org"]
