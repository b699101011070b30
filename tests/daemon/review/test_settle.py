"""Settle: what a person decides reaches every system, ends the conflict for good, and never raises a consent."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.daemon.review.refusal import Misused
from datasyncd.reconcile.candidates import candidates_of
from datasyncd.reconcile.cluster import ClusterState
from datasyncd.reconcile.effects import Report, ReportKind, ReportState
from datasyncd.reconcile.register import Hold
from datasyncd.reconcile.rules import OptIn
from datasyncd.state.transaction import Tx

from .test_conflicts import differing
from .world import World, linked


def only(world: World, **arguments: Any) -> dict[str, Any]:
    [found] = world.asks("conflicts", **arguments)
    return dict(found)


def value(world: World, field: str) -> Any:
    explained = world.asks("explain", entity="contact", key="crm:17", field=field)
    return explained["fields"][field]["value"]


def test_a_choice_is_written_everywhere_and_ends_the_conflict() -> None:
    world, _id = differing()

    resolution = world.asks("resolve", ids=[only(world)["id"]], source="mail")
    sent = world.delivers("crm", "mail", "prefs")

    [resolved] = resolution["resolved"]
    assert (resolved["action"], resolved["chosen"]) == ("choose", "fr")
    # mail has the value, and has not seen that it was chosen.
    assert (resolved["writes"], resolved["have"]) == (["crm", "prefs"], ["mail"])
    assert (sent["crm"], sent["prefs"]) == ([{"language": "fr"}], [{"language": "fr"}])
    assert world.asks("conflicts") == []
    closed = only(world, every=True)
    assert (closed["state"], closed["chosen"], closed["decided_by"]) == ("resolved", "fr", "resolved by ann")


@pytest.mark.parametrize(
    ("way", "chosen"),
    [({"use": "it"}, "it"), ({"source": "crm"}, "de"), ({"newest": True}, "fr"), ({"use": ""}, None)],
)
def test_a_value_can_be_given_taken_from_a_system_or_be_the_newest(way: dict[str, Any], chosen: str | None) -> None:
    world, _id = differing()

    world.asks("resolve", ids=[only(world)["id"]], **way)

    assert value(world, "language") == chosen


def test_a_settled_conflict_can_be_chosen_again_after_all_have_acknowledged_it() -> None:
    world, _id = differing("first_name", crm="Anna", mail="Annie")
    world.delivers("crm", "prefs")
    assert value(world, "first_name") == "Annie"

    resolution = world.asks("resolve", ids=[only(world, every=True)["id"]], source="crm")

    assert resolution["refused"] == []
    assert world.delivers("mail")["mail"] == [{"first_name": "Anna"}]


def test_a_choice_over_newer_edits_is_refused_with_the_state_as_it_is() -> None:
    world, _id = differing()
    id = only(world)["id"]
    world.reads("crm", "17", language="nl")

    resolution = world.asks("resolve", ids=[id], source="crm")

    [refused] = resolution["refused"]
    assert "edited since" in refused["reason"]
    assert refused["now"]["id"] == id
    assert resolution["resolved"] == []
    assert value(world, "language") is None


def test_the_digest_that_was_seen_guards_a_choice() -> None:
    world, _id = differing()
    found = only(world)

    refused = world.asks("resolve", ids=[found["id"]], source="crm", digest="00" * 8)["refused"]
    resolved = world.asks("resolve", ids=[found["id"]], source="crm", digest=found["digest"])["resolved"]

    assert found["digest"] in refused[0]["reason"]
    assert len(resolved) == 1


def test_what_is_resolved_is_not_resolved_again() -> None:
    world, _id = differing()
    id = only(world)["id"]
    world.asks("resolve", ids=[id], use="it")

    [refused] = world.asks("resolve", ids=[id], use="nl")["refused"]

    assert "resolved already" in refused["reason"]
    assert value(world, "language") == "it"


def test_a_later_edit_after_a_resolution_makes_no_conflict_and_a_concurrent_one_a_new_one() -> None:
    world, id = differing()
    world.asks("resolve", ids=[only(world)["id"]], use="it")
    world.delivers("crm", "mail", "prefs")

    world.reads("crm", "17", language="nl")
    assert world.asks("conflicts") == []
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, language="es")

    assert {c["value"] for c in only(world)["candidates"]} == {"nl", "es"}


def test_a_preview_changes_nothing() -> None:
    world, id = differing()
    found, owed = only(world), world.owes(id)

    resolution = world.asks("resolve", ids=[found["id"]], use="it", preview=True)

    assert (resolution["preview"], resolution["resolved"][0]["chosen"]) == (True, "it")
    [would] = resolution["resolved"]
    assert (would["writes"], would["have"]) == (["crm", "mail", "prefs"], [])
    assert (only(world), world.owes(id)) == (found, owed)


def test_a_whole_class_is_resolved_by_an_expression() -> None:
    world = World()
    for n in range(3):
        world.reads("crm", f"c{n}", email=f"{n}@example.org", language="en")
        world.reads("mail", f"m{n}", email=f"{n}@example.org", language="fr" if n else "es")

    where = 'field == "language" and system == "mail" and value == "fr"'
    resolution = world.asks("resolve", where=where, source="crm")

    assert [resolved["key"] for resolved in resolution["resolved"]] == ["1@example.org", "2@example.org"]
    assert only(world)["key"] == "0@example.org"


@pytest.mark.parametrize(
    "arguments",
    [
        {"use": "it"},
        {"ids": ["abcd"], "where": "True", "use": "it"},
        {"where": "colour == 1", "use": "it"},
        {"where": "True"},
        {"where": "True", "use": "it", "newest": True},
        {"where": "True", "use": "it", "digest": "00"},
        {"where": "True", "use": "it", "surprise": 1},
    ],
)
def test_misuse_is_told_apart_from_a_refusal(arguments: dict[str, Any]) -> None:
    world, _id = differing()

    with pytest.raises(Misused):
        world.asks("resolve", **arguments)


def test_a_value_that_the_field_cannot_have_is_misuse() -> None:
    world = World()
    world.reads("crm", "17", email="ann@example.org", phone="+12015550123")
    world.reads("mail", "5", email="ann@example.org", phone="+12015550199")

    with pytest.raises(Misused, match="phone"):
        world.asks("resolve", ids=[only(world, every=True)["id"]], use="twelve")


# Consent


def opted(mail: str | None, crm: str | None) -> World:
    world = World()
    world.reads("crm", "17", email="ann@example.org", sms_opt_in=crm)
    world.reads("mail", "5", email="ann@example.org", sms_opt_in=mail)
    return world


@pytest.mark.parametrize("way", [{"use": "in"}, {"source": "mail"}, {"use": "unknown"}, {"newest": True}])
def test_a_choice_never_raises_a_consent(way: dict[str, Any]) -> None:
    world = opted(crm="out", mail="in")

    [refused] = world.asks("resolve", ids=[only(world, every=True)["id"]], **way)["refused"]

    assert "never raises a consent" in refused["reason"]
    assert "prefs" in refused["reason"]
    assert value(world, "sms_opt_in") == "out"


def test_a_choice_may_lower_a_consent() -> None:
    world = opted(crm="in", mail="out")

    world.asks("resolve", ids=[only(world, every=True)["id"]], use="out")

    assert value(world, "sms_opt_in") == "out"


def test_an_opt_in_that_is_held_can_only_be_dismissed() -> None:
    world = World(mail={"condition": "none", "opt_in": OptIn.BLANK})
    world.reads("crm", "17", email="ann@example.org", sms_opt_in="out")
    world.reads("mail", "5", email="ann@example.org", sms_opt_in="out")
    world.reads("prefs", "p", email="ann@example.org", sms_opt_in="out")
    world.delivers("crm", "prefs")
    for system, ext_id in (("crm", "17"), ("mail", "5"), ("prefs", "p")):
        world.reads(system, ext_id, sms_opt_in="out")
    world.reads("prefs", "p", sms_opt_in="in")
    held = next(found for found in world.asks("conflicts") if found["kind"] == "opt_in_held")

    [refused] = world.asks("resolve", ids=[held["id"]], use="in")["refused"]
    [resolved] = world.asks("resolve", ids=[held["id"]], dismiss=True)["resolved"]

    assert held["accepts"] == ["dismiss"]
    assert refused["reason"] == "opt_in_held accepts --dismiss"
    assert resolved["action"] == "dismiss"


# Deletes


def deleted_and_edited() -> tuple[World, int]:
    world, id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.loses("mail", mail)
    return world, id


def test_a_held_delete_is_carried_out_when_a_person_says_so() -> None:
    world, id = deleted_and_edited()
    found = only(world)

    [resolved] = world.asks("resolve", ids=[found["id"]], use="delete")["resolved"]

    assert (found["kind"], found["field"], found["accepts"]) == ("delete_vs_edit", None, ["delete", "keep"])
    assert (resolved["action"], resolved["writes"]) == ("delete", ["crm", "prefs"])
    assert world.cluster(id).state == ClusterState.DELETING


def test_a_held_delete_is_dropped_when_a_person_keeps_the_record() -> None:
    world, id = deleted_and_edited()

    world.asks("resolve", ids=[only(world)["id"]], use="keep")

    assert world.cluster(id).state == ClusterState.LIVE
    assert world.delivers("prefs")["prefs"] == [{"first_name": "Anna"}]
    assert world.asks("conflicts") == []


def test_one_decision_ends_all_reports_about_the_existence_of_a_record() -> None:
    world, id = deleted_and_edited()
    report(world, id, None, ReportKind.RENAME_OR_DELETE, "")
    assert len(world.asks("conflicts")) == 2

    world.asks("resolve", where='cause == "delete_vs_edit"', use="keep")

    assert world.asks("conflicts") == []


def test_a_held_delete_takes_no_value() -> None:
    world, _id = deleted_and_edited()

    [refused] = world.asks("resolve", ids=[only(world)["id"]], newest=True)["refused"]

    assert refused["reason"] == "delete_vs_edit accepts --use delete or --use keep"


# Refusals and freezes


def test_a_refused_field_is_released() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    world.refuses("mail", "first_name")
    assert world.delivers("mail")["mail"] == []
    found = only(world)

    [resolved] = world.asks("resolve", ids=[found["id"]], release=True)["resolved"]

    assert (found["kind"], found["accepts"], found["text"]) == ("refused", ["release", "dismiss"], "mail: too long")
    assert resolved["writes"] == ["mail"]
    assert world.asks("quarantine") == []
    assert world.delivers("mail")["mail"] == [{"first_name": "Anna"}]


def test_a_refused_field_that_became_unreadable_is_not_released() -> None:
    world, id = linked(first_name="Ann", phone="+12015550123")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("crm", "17", phone="+12015550199")
    world.refuses("mail", "phone")
    world.reads("mail", mail, phone="?")
    refused = next(found for found in world.asks("conflicts") if found["kind"] == "refused")

    resolution = world.asks("resolve", ids=[refused["id"]], release=True)

    assert "not refused in mail any more" in resolution["refused"][0]["reason"]
    assert world.delivers("mail")["mail"] == [], "a write would cover what is there"


def test_what_is_refused_again_after_a_release_is_reported_again() -> None:
    world, _id = linked(first_name="Ann")
    world.reads("crm", "17", first_name="Anna")
    world.refuses("mail", "first_name")
    id = only(world)["id"]
    world.asks("resolve", ids=[id], use="release")

    world.refuses("mail", "first_name")

    assert (only(world)["id"], only(world)["count"]) == (id, 2)


def test_a_frozen_field_is_released_and_its_conflict_is_the_policys_again() -> None:
    world, id = differing("first_name", crm="Anna", mail="Annie")
    freeze(world, id, "first_name")
    [frozen] = world.asks("conflicts")

    [resolved] = world.asks("resolve", ids=[frozen["id"]], release=True)["resolved"]

    assert (frozen["kind"], resolved["action"]) == ("frozen", "release")
    assert world.cluster(id).regs[world.numbers["first_name"]].recent == [], "what came before counts no more"
    assert world.asks("conflicts") == []
    assert world.delivers("crm")["crm"] == [{"first_name": "Annie"}]


def test_a_choice_thaws_a_frozen_field() -> None:
    world, id = differing("first_name", crm="Anna", mail="Annie")
    freeze(world, id, "first_name")

    world.asks("resolve", where='cause == "frozen"', use="Ann")

    assert world.cluster(id).regs[world.numbers["first_name"]].hold == Hold.NONE
    assert world.asks("conflicts") == []


def freeze(world: World, id: int, field: str) -> None:
    """As when systems rewrite each other's values."""

    def step(tx: Tx) -> None:
        cluster = tx.clusters.load([id])[id]
        cluster.regs[world.numbers[field]].hold = Hold.FROZEN
        cluster.regs[world.numbers[field]].recent = [world.fp("Anna"), world.fp("Annie")]
        cluster.changed = True
        tx.clusters.save([cluster], tx.stamp)

    world.does(step)
    report(world, id, field, ReportKind.FROZEN, "")


def report(world: World, id: int, field: str | None, kind: ReportKind, text: str) -> None:
    """An open report about a field, or about the record."""

    def step(tx: Tx) -> None:
        effects, number = tx.effects("pull"), world.numbers[field] if field is not None else None
        cluster = tx.clusters.load([id]).get(id)
        reg = cluster.regs[number] if cluster is not None and number is not None else None
        candidates = candidates_of(cluster, reg) if cluster is not None and reg is not None else []
        effects.reports.append(
            Report(b"12345678", kind, id, number, ReportState.OPEN, candidates, None, False, "crm", text)
        )
        tx.records.write(effects, tx.run)

    world.does(step)


# What the system gave too little evidence of


def test_an_overruled_value_can_be_chosen_all_the_same() -> None:
    world, id = linked(status="active")
    mail = next(b.ext_id for b in world.cluster(id).bindings if b.system == "mail")
    world.reads("mail", mail, status="lead")
    found = only(world, every=True)

    world.asks("resolve", ids=[found["id"]], source="mail")

    assert (found["kind"], found["state"], found["chosen"]) == ("overruled", "settled", "active")
    assert world.delivers("crm")["crm"] == [{"status": "lead"}]


@pytest.mark.parametrize("kind", [ReportKind.POSSIBLE_OVERWRITE, ReportKind.UNCERTAIN])
@pytest.mark.parametrize("way", [{"use": "Annie"}, {"dismiss": True}])
def test_what_is_undecidable_says_why_and_takes_a_value_or_is_dismissed(kind: ReportKind, way: dict[str, Any]) -> None:
    world, id = linked(first_name="Ann")
    report(world, id, "first_name", kind, "mail went from version 4 to 6")
    found = only(world)

    [resolved] = world.asks("resolve", ids=[found["id"]], **way)["resolved"]

    assert found["undecidable"].startswith("undecidable: ")
    assert "version 4 to 6" in found["undecidable"]
    assert resolved["writes"] == (["crm", "mail", "prefs"] if "use" in way else [])
    assert value(world, "first_name") == ("Annie" if "use" in way else "Ann")
    assert world.asks("conflicts") == []


def test_a_report_of_no_record_can_only_be_dismissed() -> None:
    world, _id = linked(first_name="Ann")
    report(world, 0, "first_name", ReportKind.UNCERTAIN, "")
    found = only(world)

    assert found["key"] is None
    assert world.asks("resolve", ids=[found["id"]], use="x")["resolved"] == []
    assert len(world.asks("resolve", ids=[found["id"]], dismiss=True)["resolved"]) == 1
