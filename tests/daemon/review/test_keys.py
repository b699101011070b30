"""Keys: a record is found by any identify value, by a system's own id, or by ours."""

from __future__ import annotations

import pytest

from datasyncd.daemon.review.refusal import Misused

from .world import World


def found(world: World, key: str) -> int:
    explained = world.asks("explain", entity="contact", key=key)
    return int(explained["id"])


@pytest.mark.parametrize(
    "key", ["ann@example.org", "ANN@Example.ORG", "(201) 555-0123", "+1 201 555 0123", "crm:17", "{id}", "#{id}"]
)
def test_a_record_is_found(key: str) -> None:
    world = World()
    id = world.reads("crm", "17", email="ann@example.org", phone="+12015550123")
    world.reads("crm", "18", email="bob@example.org")

    assert found(world, key.format(id=id)) == id


def test_a_record_id_may_hold_a_colon() -> None:
    world = World()
    id = world.reads("crm", "a:17", email="ann@example.org")

    assert found(world, "crm:a:17") == id


def test_several_records_with_one_value_are_named() -> None:
    world = World()
    first = world.reads("crm", "17", email="ann@example.org", phone="+12015550123")
    second = world.reads("crm", "18", email="bob@example.org", phone="+12015550123")

    with pytest.raises(Misused) as refused:
        found(world, "+12015550123")

    assert f"#{first} (crm:17)" in refused.value.text
    assert f"#{second} (crm:18)" in refused.value.text


def test_a_living_record_comes_before_a_dead_one() -> None:
    world = World()
    dead = world.reads("crm", "17", email="ann@example.org")
    world.loses("crm", "17")
    assert found(world, "ann@example.org") == dead

    living = world.reads("crm", "18", email="ann@example.org")

    assert living != dead
    assert found(world, "ann@example.org") == living
