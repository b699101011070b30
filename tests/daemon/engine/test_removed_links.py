"""A link is taken out of the config: what it held waits for nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine

from .stores import Stores

FIELDS = ("email", "name", "city")


@pytest.fixture
async def stores(tmp_path: Path) -> Stores:
    """A CRM with twelve people, whom the shop has as well."""
    stores = Stores(tmp_path)
    for n in range(12):
        stores.add(stores.crm, email=f"{n}@example.com", name="Ann", city="Bern")
    stores.config(more='on_delete = "propagate"', fields=FIELDS)
    await stores.sync()
    return stores


async def held(stores: Stores) -> list[tuple[str, str]]:
    """Systems and classes of the guards that wait, as a start of the daemon leaves them."""
    async with Engine.open(load(stores.folder / "config.toml"), "sync") as engine:
        known = await engine.store.transact(lambda tx: tx.guards.all())
    return [(guard.system, guard.write_class.name) for guard in known]


async def test_the_guard_of_a_removed_link_is_over(stores: Stores) -> None:
    stores.crm.execute("DELETE FROM people")
    assert (await stores.sync()).held == 1
    assert await held(stores) == [("crm", "DELETE")]

    stores.config(more='on_delete = "propagate"', fields=FIELDS, links=("shop",))
    assert await held(stores) == []
    assert (await stores.sync()).held == 0
    assert len(stores.rows(stores.shop)) == 12, "and nothing was concluded from what it seemed to have lost"


async def test_the_guard_of_a_link_that_stays_is_held(stores: Stores) -> None:
    stores.crm.execute("DELETE FROM people")
    await stores.sync()
    stores.config(more='on_delete = "propagate"', fields=FIELDS[:2])
    assert await held(stores) == [("crm", "DELETE")]
