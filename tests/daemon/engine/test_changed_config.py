"""A config changes between two runs: what was known stays true, and nothing is taken for an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stores import Stores

ANN = {"email": "ann@example.com", "name": "Ann", "city": "Bern", "sms": 1}


@pytest.fixture
async def stores(tmp_path: Path) -> Stores:
    """A CRM with Ann, synchronised to an empty shop."""
    stores = Stores(tmp_path)
    stores.add(stores.crm, **ANN)
    stores.config()
    await stores.sync()
    assert stores.rows(stores.shop) == [("ann@example.com", "Ann", "Bern", 1)]
    return stores


async def test_a_field_that_is_taken_out_stays_as_it_is_everywhere(stores: Stores) -> None:
    stores.config(fields=("email", "name"))
    stores.crm.execute("UPDATE people SET name = 'Anna', city = 'Basel'")

    result = await stores.sync()

    assert stores.rows(stores.shop) == [("ann@example.com", "Anna", "Bern", 1)]
    assert result.exit_code == 0


async def test_a_field_that_comes_back_goes_on_where_it_was(stores: Stores) -> None:
    stores.config(fields=("email", "name"))
    await stores.sync()
    stores.crm.execute("UPDATE people SET city = 'Basel'")
    stores.config()

    result = await stores.sync()

    assert stores.rows(stores.shop) == [("ann@example.com", "Ann", "Basel", 1)]
    assert result.conflicts == 0


async def test_a_system_that_is_taken_out_is_left_alone(stores: Stores) -> None:
    stores.config(links=("crm",))
    stores.crm.execute("UPDATE people SET name = 'Anna'")

    await stores.sync()

    assert stores.rows(stores.shop) == [("ann@example.com", "Ann", "Bern", 1)]


async def test_a_system_that_is_linked_later_gets_what_was_known_before(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    stores.add(stores.crm, **ANN)
    stores.config(links=("crm",))
    await stores.sync()
    stores.config()

    await stores.sync()

    assert stores.rows(stores.shop) == [("ann@example.com", "Ann", "Bern", 1)]


async def test_a_record_deleted_after_its_field_was_taken_out_is_deleted_everywhere(stores: Stores) -> None:
    stores.add(stores.crm, email="bob@example.com", name="Bob", city="Biel", sms=0)
    more = 'on_delete = "propagate"'
    stores.config(more=more)
    await stores.sync()
    stores.config(fields=("email", "name"), more=more)
    stores.crm.execute("DELETE FROM people WHERE email = 'bob@example.com'")

    await stores.sync()

    assert stores.rows(stores.shop) == [("ann@example.com", "Ann", "Bern", 1)]


async def test_a_run_with_nothing_to_do_leaves_the_state_byte_for_byte(stores: Stores) -> None:
    await stores.sync()
    state = stores.folder / "var" / "state.db"
    before = state.read_bytes()

    result = await stores.sync()

    assert result.written == {
        "crm": {"create": 0, "update": 0, "delete": 0},
        "shop": {"create": 0, "update": 0, "delete": 0},
    }
    assert state.read_bytes()[100:] == before[100:]
