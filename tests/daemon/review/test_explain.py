"""Explain: why a field has its value, and who has been told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from datasyncd.daemon.review.refusal import Misused
from datasyncd.reconcile.rules import WriteClass

from .test_conflicts import differing
from .world import World, linked


def field(world: World, name: str, key: str = "crm:17") -> dict[str, Any]:
    return dict(world.asks("explain", entity="contact", key=key, field=name)["fields"][name])


def test_an_explanation_names_the_records_and_every_field() -> None:
    world, id = linked(first_name="Ann", tags=["a", "b"])

    explained = world.asks("explain", entity="contact", key="ann@example.org")

    assert (explained["entity"], explained["id"], explained["state"]) == ("contact", id, "live")
    assert explained["records"]["crm"] == "17"
    assert set(explained["records"]) == {"crm", "mail", "prefs"}
    assert {name: each["value"] for name, each in explained["fields"].items()} == {
        "email": "ann@example.org",
        "phone": None,
        "first_name": "Ann",
        "status": None,
        "sms_opt_in": "unknown",
        "tags": ["a", "b"],
        "language": None,
    }


def test_a_version_says_where_it_was_made_and_when_it_was_seen() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")

    told = field(world, "first_name")

    replaced, current = told["versions"]
    assert (replaced["value"], replaced["status"]) == ("Ann", "replaced")
    assert (current["value"], current["origin"], current["status"]) == ("Anna", "crm", "current")
    assert re.fullmatch(r"\d+\.0:2", current["dot"])
    assert current["seen_at"].startswith("2026-01-01T")
    actor, n = current["dot"].split(":")
    assert told["context"] == {actor: int(n)}
    assert "edited in crm" in told["because"]


def test_systems_are_queued_until_they_acknowledge() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")

    assert field(world, "first_name")["held_by"] == {"crm": "acknowledged", "mail": "queued", "prefs": "queued"}
    world.delivers("mail")
    told = field(world, "first_name")
    assert told["held_by"] == {"crm": "acknowledged", "mail": "acknowledged", "prefs": "queued"}
    assert "mail" in told["sent"]


def test_what_lost_is_named_with_the_rule_that_chose() -> None:
    world, id = differing("first_name", crm="Anna", mail="Annie")

    told = field(world, "first_name")
    assert told["value"] == "Annie"
    assert told["because"].startswith("latest: ")
    assert 'lost, and kept until all have seen the choice: crm\'s "Anna"' in told["because"]

    world.delivers("crm", "prefs")
    world.reads("mail", next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail"), first_name="Annie")
    told = field(world, "first_name")
    assert [v["status"] for v in told["versions"]] == ["replaced", "lost", "current"]
    assert 'lost: crm\'s "Anna"' in told["because"]


def test_a_field_that_waits_for_a_person_has_no_value_and_holds_back_writes() -> None:
    world, _id = differing()

    told = field(world, "language")

    assert (told["value"], told["decided"]) == (None, False)
    assert told["because"] == 'a person chooses, since the policy is manual: crm says "de" and mail says "fr"'
    assert told["held_by"]["prefs"] == "held"
    assert "a person chooses" in told["notes"]["prefs"]


def test_a_choice_is_told_as_one() -> None:
    world, _id = differing()
    world.asks("resolve", ids=[world.asks("conflicts")[0]["id"]], use="it")

    told = field(world, "language")

    assert told["because"].startswith("chosen here at ")
    assert "(resolve by ann)" in told["because"]
    assert told["versions"][-1]["origin"] == "person"


def test_an_overruled_edit_is_among_the_versions() -> None:
    world, id = linked(status="active")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, status="lead")

    told = field(world, "status")

    assert (told["value"], told["versions"][-1]["status"], told["versions"][-1]["dot"]) == ("active", "overruled", None)
    assert 'overruled: mail\'s "lead"' in told["because"]
    assert told["held_by"]["mail"] == "queued"


def test_a_refusal_is_told_with_its_reason() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    world.refuses("mail", "first_name")

    told = field(world, "first_name")

    assert (told["held_by"]["mail"], told["notes"]["mail"]) == ("rejected", "mail: too long")


def test_a_guard_an_unreadable_value_a_filter_and_a_deleted_record_are_told() -> None:
    world, id = linked(first_name="Ann", phone="+12015550123")
    records = {b.system: b.ext_id for b in world.cluster(id).bindings}
    world.reads("prefs", records["prefs"], phone="?")
    assert field(world, "phone")["held_by"]["prefs"] == "unreadable"

    world.reads("crm", "17", first_name="Anna")
    world.guards("mail", WriteClass.UPDATE)
    assert field(world, "first_name")["held_by"]["mail"] == "held"

    world.link("prefs", where=lambda values: False)
    assert field(world, "first_name")["held_by"]["prefs"] == "excluded"


def test_a_record_that_is_not_made_yet_is_queued_and_one_that_is_gone_is_gone() -> None:
    world = World()
    id = world.reads("crm", "17", email="ann@example.org", first_name="Ann")
    assert field(world, "first_name")["held_by"] == {"crm": "acknowledged", "mail": "queued", "prefs": "queued"}

    world.refuses("mail", create=True)
    assert field(world, "first_name")["held_by"]["mail"] == "rejected"

    world.delivers("prefs")
    prefs = next(b.ext_id for b in world.cluster(id).bindings if b.system == "prefs")
    world.loses("prefs", prefs)
    assert field(world, "first_name")["held_by"]["prefs"] == "gone"


def test_a_set_is_explained_as_one_value_of_many_versions() -> None:
    world, id = linked(tags=["a"])
    world.reads("crm", "17", tags=["a", "b"])
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, tags=["a", "c"])

    told = field(world, "tags")

    assert told["value"] == ["a", "b", "c"]
    assert told["because"].startswith("union: ")
    assert told["because"].endswith(", from crm and mail")


def test_a_set_is_from_the_systems_in_which_its_elements_were_added() -> None:
    """Also when all records have it, and only the last version is kept as one."""
    world, id = linked(tags=["a"])
    mail, prefs = (next(b.ext_id for b in world.cluster(id).bindings if b.system == s) for s in ("mail", "prefs"))
    world.reads("mail", mail, tags=["a", "b"])
    world.delivers("crm", "mail", "prefs")
    world.reads("prefs", prefs, tags=["a", "b", "c"])
    world.delivers("crm", "mail", "prefs")
    assert field(world, "tags")["because"].endswith(", from crm, mail and prefs")

    world.reads("mail", mail, tags=["a", "c"])
    world.delivers("crm", "mail", "prefs")

    assert field(world, "tags")["value"] == ["a", "c"]
    assert field(world, "tags")["because"].endswith(", from crm and prefs")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"entity": "contct", "key": "1"}, 'no entity "contct"; did you mean "contact"?'),
        ({"entity": "contact", "key": "nobody@example.org"}, 'no contact "nobody@example.org"'),
        ({"entity": "contact", "key": "crm:17", "field": "fone"}, 'no field of contact "fone"'),
    ],
)
def test_what_does_not_exist_is_misuse_with_the_nearest_name(arguments: dict[str, str], text: str) -> None:
    world, _id = linked(first_name="Ann")

    with pytest.raises(Misused) as refused:
        world.asks("explain", **arguments)

    assert text in refused.value.text
