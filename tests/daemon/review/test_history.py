"""History: what happened to a record, in order, and what it was at any moment."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.daemon.review.refusal import Misused
from datasyncd.reconcile.rules import Policy

from .world import World, linked


def history(world: World, key: str = "crm:17") -> dict[str, Any]:
    return dict(world.asks("history", entity="contact", key=key))


def past(world: World, time: str, key: str = "crm:17") -> dict[str, Any]:
    return dict(world.asks("history", entity="contact", key=key, as_of=time))


def values(past: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record as it was that were not blank."""
    fields = {name: field["value"] if field["decided"] else "(undecided)" for name, field in past["fields"].items()}
    return {name: value for name, value in fields.items() if value not in (None, "unknown")}


def moments(world: World) -> list[str]:
    """When something happened, oldest first."""
    return [change["at"] for change in history(world)["changes"]]


def test_changes_come_oldest_first_with_what_was_before() -> None:
    world, id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    world.delivers("mail", "prefs")

    told = history(world, "ann@example.org")

    assert (told["entity"], told["id"], told["key"], told["state"]) == ("contact", id, "ann@example.org", "live")
    assert [(c["kind"], c["system"]) for c in told["changes"]] == [
        ("edit", "crm"), ("create", "mail"), ("create", "prefs"),
        ("edit", "crm"), ("write", "mail"), ("write", "prefs"),
    ]  # fmt: skip
    [edited] = told["changes"][3]["fields"]
    assert (edited["field"], edited["was"], edited["value"], edited["now"]) == ("first_name", "Ann", "Anna", "Anna")
    assert edited["dot"].endswith(":2")
    [written] = told["changes"][4]["fields"]
    assert (written["field"], written["value"], written["now"], written["dot"]) == ("first_name", "Anna", "Anna", None)


def test_an_edit_that_makes_a_conflict_names_it_and_what_counts_then() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("mail", record(world, "mail"), first_name="Annie")
    world.reads("crm", "17", first_name="Anna")

    edited = history(world)["changes"][-1]["fields"][0]

    [report] = world.asks("conflicts", every=True)
    assert (edited["report"], edited["was"], edited["value"]) == (report["id"], "Annie", "Anna")
    assert edited["now"] == report["chosen"] == "Anna"


def test_an_edit_that_was_overruled_changes_nothing() -> None:
    world, _id = linked(status="active")
    world.reads("mail", record(world, "mail"), status="cancelled")

    change = history(world)["changes"][-1]

    [edited] = change["fields"]
    assert (change["kind"], edited["value"], edited["now"], edited["dot"]) == ("overruled", "cancelled", "active", None)


def test_a_record_is_shown_as_it_was_at_any_moment() -> None:
    world, _id = linked(first_name="Ann", tags=["a"])
    world.reads("crm", "17", first_name="Anna", tags=["a", "b"])
    world.reads("crm", "17", first_name=None)
    created, *_others, named, cleared = moments(world)

    assert values(past(world, created)) == {"email": "ann@example.org", "first_name": "Ann", "tags": ["a"]}
    assert values(past(world, named)) == {"email": "ann@example.org", "first_name": "Anna", "tags": ["a", "b"]}
    assert values(past(world, cleared)) == {"email": "ann@example.org", "tags": ["a", "b"]}
    assert past(world, named)["fields"]["first_name"]["origin"] == "crm"


def test_what_waited_for_a_person_was_undecided_until_the_choice() -> None:
    world, _id = linked(language="en")
    world.reads("crm", "17", language="de")
    world.reads("mail", record(world, "mail"), language="fr")
    waiting = moments(world)[-1]
    [report] = world.asks("conflicts")
    world.asks("resolve", ids=[report["id"]], use="fr")
    chosen = moments(world)[-1]

    assert values(past(world, waiting))["language"] == "(undecided)"
    assert values(past(world, chosen))["language"] == "fr"
    assert past(world, chosen)["fields"]["language"]["origin"] == "person"


def test_a_settled_conflict_that_was_chosen_anew_was_what_the_policy_said() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("mail", record(world, "mail"), first_name="Annie")
    world.reads("crm", "17", first_name="Anna")
    settled = moments(world)[-1]
    [report] = world.asks("conflicts", every=True)
    world.asks("resolve", ids=[report["id"]], use="Annie")

    assert values(past(world, settled))["first_name"] == "Anna"
    assert values(past(world, moments(world)[-1]))["first_name"] == "Annie"


def test_a_write_whose_value_cannot_be_told_any_more_names_the_version_that_was_sent() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("mail", record(world, "mail"), first_name="Annie")
    world.reads("crm", "17", first_name="Anna")
    sent = history(world)["changes"][-1]["fields"][0]["dot"]
    world.delivers("prefs")
    written = history(world)["changes"][-1]["fields"][0]
    assert (written["value"], written["dot"]) == ("Anna", None)

    [report] = world.asks("conflicts", every=True)
    world.asks("resolve", ids=[report["id"]], use="Annie")
    world.takes("first_name", Policy.MANUAL)

    [written] = [c["fields"][0] for c in history(world)["changes"] if (c["kind"], c["system"]) == ("write", "prefs")]
    assert (written["value"], written["now"], written["decided"], written["dot"]) == (None, None, False, sent)


def test_before_it_was_known_a_record_was_nothing() -> None:
    world, _id = linked(first_name="Ann")

    before = past(world, "2020-01-01")

    assert (before["state"], before["records"], before["fields"]) == (None, {}, {})


def test_records_come_and_go() -> None:
    world, _id = linked(first_name="Ann")
    mail, whole = record(world, "mail"), moments(world)[-1]
    world.loses("crm", "17")

    assert set(past(world, whole)["records"]) == {"crm", "mail", "prefs"}
    assert past(world, whole)["state"] == "live"
    later = past(world, moments(world)[-1], f"mail:{mail}")
    assert set(later["records"]) == {"mail", "prefs"}
    assert later["state"] == "deleting"


def test_a_field_that_nobody_ever_filled_was_exactly_nothing() -> None:
    world, _id = linked(first_name="Ann")

    assert past(world, moments(world)[-1])["fields"]["phone"] == {
        "value": None, "decided": True, "origin": None, "edited_at": None, "seen_at": None, "exact": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
        ("2026-01-31 18:00", "2026-01-31T18:00:00.000000Z"),
        ("2026-01-31T18:00:00.25+02:00", "2026-01-31T16:00:00.250000Z"),
    ],
)
def test_a_time_without_a_zone_is_utc(text: str, same: str) -> None:
    world, _id = linked(first_name="Ann")

    assert past(world, text)["as_of"] == same


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "now"])
def test_what_is_no_time_is_misuse(text: str) -> None:
    world, _id = linked(first_name="Ann")

    with pytest.raises(Misused, match="expected"):
        past(world, text)


def record(world: World, system: str) -> str:
    return str(history(world)["records"][system])
