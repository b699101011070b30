"""Conflicts: what is listed, how it is shown, and how it is grouped."""

from __future__ import annotations

import re

import pytest

from datasyncd.daemon.review.refusal import Misused, OutOfDate

from .world import World, linked


def differing(field: str = "language", mail: str = "fr", crm: str = "de") -> tuple[World, int]:
    """A contact that crm and mail edited without seeing each other."""
    world, id = linked(**{field: "en"})
    world.reads("crm", "17", **{field: crm})
    ext_id = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", ext_id, **{field: mail})
    return world, id


def test_an_open_conflict_shows_both_values_with_their_systems_times_and_versions() -> None:
    world, id = differing()

    [found] = world.asks("conflicts")

    assert (found["kind"], found["entity"], found["key"], found["field"]) == (
        "conflict", "contact", "ann@example.org", "language",
    )  # fmt: skip
    assert (found["policy"], found["state"], found["chosen"]) == ("manual", "open", None)
    assert [(c["system"], c["value"]) for c in found["candidates"]] == [("crm", "de"), ("mail", "fr")]
    stamp = re.compile(r"2026-01-01T00:00:\d\d\.\d{6}Z")
    assert stamp.fullmatch(found["since"])
    for candidate in found["candidates"]:
        assert stamp.fullmatch(candidate["seen_at"])
        assert stamp.fullmatch(candidate["edited_at"])
        assert re.fullmatch(r"\d+\.\d+:\d+", candidate["dot"])
    assert found["cluster"] == id
    assert found["accepts"] == ["VALUE"]


def test_a_settled_conflict_is_listed_only_with_all() -> None:
    world, _id = differing("first_name", crm="Anna", mail="Annie")

    assert world.asks("conflicts") == []
    [found] = world.asks("conflicts", every=True)
    assert (found["state"], found["chosen"]) == ("settled", "Annie")


def test_a_conflict_that_a_later_edit_ended_says_so_and_has_no_choice() -> None:
    world, id = differing()
    world.reads("mail", _ext_id(world, id, "mail"), language="de")

    [ended] = world.asks("conflicts", every=True)

    assert (ended["state"], ended["chosen"], ended["decided"]) == ("settled", None, False)
    assert ended["decided_by"] == "ended by a later edit"


def test_a_held_delete_lists_by_field_what_its_author_had_not_seen() -> None:
    world, id = linked(first_name="Ann", sms_opt_in="in")
    world.reads("mail", _ext_id(world, id, "mail"), first_name="Anna", sms_opt_in="out")
    world.loses("crm", "17")

    [found] = world.asks("conflicts")

    assert (found["kind"], found["field"]) == ("delete_vs_edit", None)
    values = [(c["field"], c["system"], c["value"]) for c in found["candidates"]]
    assert sorted(values) == [("first_name", "mail", "Anna"), ("sms_opt_in", "mail", "out")]
    assert all(c["edited_at"] and c["seen_at"] for c in found["candidates"])


def test_a_held_delete_is_found_by_the_fields_that_it_would_take_along() -> None:
    world, id = linked(first_name="Ann")
    world.reads("mail", _ext_id(world, id, "mail"), first_name="Anna")
    world.loses("crm", "17")

    kept = world.asks("resolve", where='field == "first_name" and value == "Anna"', use="keep")

    assert [row["action"] for row in kept["resolved"]] == ["keep"]


def _ext_id(world: World, id: int, system: str) -> str:
    return next(b.ext_id for b in world.cluster(id).bindings if b.system == system)


def test_the_blank_of_a_consent_is_unknown() -> None:
    world = World()
    world.reads("crm", "17", email="ann@example.org", sms_opt_in="out")
    world.reads("mail", "5", email="ann@example.org", sms_opt_in="in")

    [found] = world.asks("conflicts", every=True)

    assert found["chosen"] == "out"
    assert {c["value"] for c in found["candidates"]} == {"in", "out"}


def test_causes_are_counted_and_keep_their_ids() -> None:
    world = World()
    for n in range(3):
        world.reads("crm", f"c{n}", email=f"{n}@example.org", language="en")
        world.reads("mail", f"m{n}", email=f"{n}@example.org", language="fr")

    [cause] = world.asks("conflicts", group=True)

    assert (cause["kind"], cause["field"], cause["systems"], cause["count"]) == (
        "conflict", "language", ["crm", "mail"], 3,
    )  # fmt: skip
    assert cause["ids"] == [found["id"] for found in world.asks("conflicts")]


def test_a_prefix_of_an_id_names_a_report() -> None:
    world, _id = differing()
    [found] = world.asks("conflicts")

    assert world.asks("conflicts.show", id=found["id"][:6]) == found


@pytest.mark.parametrize("id", ["ffffffffffff", "zz", "", "12"])
def test_what_is_no_id_is_refused_as_misuse(id: str) -> None:
    world, _id = differing()

    with pytest.raises(Misused):
        world.asks("conflicts.show", id=id)


def test_the_list_knows_records_by_another_system_when_they_have_no_key() -> None:
    world = World()
    world.reads("crm", "17", first_name="Ann")

    [explained] = [world.asks("explain", entity="contact", key="crm:17")]

    assert explained["key"] == "crm:17"


def test_a_long_list_comes_in_pages() -> None:
    world = World()
    for n in range(5):
        world.reads("crm", f"c{n}", email=f"{n}@example.org", language="en")
        world.reads("mail", f"m{n}", email=f"{n}@example.org", language="fr")
    whole = world.asks("conflicts")

    first = world.asks("conflicts", limit=2)
    rest = world.asks("conflicts", after=first[-1]["id"], limit=10)

    assert first + rest == whole
    with pytest.raises(OutOfDate):
        world.asks("conflicts", after="00" * 8)


def test_what_is_refused_again_in_another_form_is_one_open_report() -> None:
    world = World()
    id = world.reads("crm", "17", email="ann@example.org", first_name="Ann")
    world.refuses("mail", create=True)
    [first] = world.asks("conflicts")

    world.reads("crm", "17", first_name="Anna")
    world.refuses("mail", create=True)

    [found] = world.asks("conflicts")
    assert (found["kind"], found["field"], found["id"] != first["id"]) == ("refused", None, True)
    assert world.delivers("mail")["mail"] == [], "it waits until something changes"
    assert world.cluster(id).binding_in("mail") is None
