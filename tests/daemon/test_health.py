"""Health: each problem names itself, and the worst one is the verdict."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.daemon.health import Facts, LinkFacts, Problem, assess
from datasyncd.daemon.review.timestamp import span

NOW = 1_767_225_600_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND


def facts(*links: LinkFacts, **known: Any) -> Facts:
    return Facts(**{"at": NOW, "version": "1", "uptime_s": 3600.0, "links": list(links or (link(),)), **known})


def link(**known: Any) -> LinkFacts:
    return LinkFacts(
        **{
            "system": "crm",
            "entity": "contact",
            "state": "waiting",
            "last_success": NOW - 10 * SECOND,
            "expected_every_s": 60.0,
            "watched_s": 3600.0,
            **known,
        }
    )


def verdict(given: Facts) -> tuple[str, list[tuple[str, str]]]:
    status = assess(given)
    return status.health, [(problem.severity, problem.code) for problem in status.problems]


def test_a_link_that_ran_in_time_is_well() -> None:
    assert verdict(facts()) == ("ok", [])


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"last_success": NOW - 4 * MINUTE}, ("warning", "overdue")),
        ({"last_success": NOW - 60 * MINUTE}, ("critical", "overdue")),
        ({"last_success": None}, ("critical", "never")),
        ({"last_success": NOW + 10 * MINUTE}, ("critical", "clock")),
        ({"state": "failing", "last_error": "no route"}, ("warning", "failing")),
        ({"state": "failing", "last_success": NOW - 60 * MINUTE}, ("critical", "failing")),
        ({"state": "failing", "last_success": None}, ("critical", "failing")),
        ({"state": "paused", "last_success": None}, ("warning", "paused")),
        ({"state": "failing", "unread_s": 400.0}, ("critical", "failing")),
        ({"state": "failing", "unsent_s": 400.0, "pending": 2}, ("critical", "failing")),
        ({"state": "failing", "unsent_s": 400.0}, ("warning", "failing")),
        ({"state": "failing", "unread_s": 200.0, "unsent_s": 200.0, "pending": 2}, ("warning", "failing")),
        ({"runs_lately": 10, "failed_lately": 2, "failure_rate": 0.2}, ("warning", "failure_rate")),
        ({"runs_lately": 3, "failed_lately": 2, "failure_rate": 0.9}, ("warning", "failure_rate")),
        ({"lag_s": 120.0, "pending": 3}, ("warning", "lag")),
        ({"lag_s": 3600.0, "pending": 3}, ("critical", "lag")),
        ({"tries": 9}, ("warning", "parked")),
        ({"quarantined": 1}, ("warning", "quarantine")),
    ],
)
def test_one_thing_wrong_with_a_link_is_one_problem(known: dict[str, Any], expected: tuple[str, str]) -> None:
    """F91."""
    assert verdict(facts(link(**known))) == (expected[0], [expected])


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"conflicts": 2}, "conflicts"),
        ({"guards": {"crm.contact": 1}}, "guard"),
        ({"crashes": {"pull crm.contact": "ValueError"}}, "crashed"),
    ],
)
def test_what_waits_for_a_person_is_a_warning(known: dict[str, Any], code: str) -> None:
    """F10."""
    assert verdict(facts(**known)) == ("warning", [("warning", code)])


def test_a_daemon_that_has_just_started_is_not_judged_yet() -> None:
    assert verdict(facts(link(last_success=None, watched_s=5.0), uptime_s=5.0)) == ("unknown", [])
    assert verdict(Facts(at=NOW, version="1", uptime_s=1.0, links=[])) == ("unknown", [])


def test_a_link_whose_config_was_just_reloaded_is_not_judged_by_how_long_the_process_is_up() -> None:
    assert verdict(facts(link(last_success=None, watched_s=5.0), uptime_s=864_000.0)) == ("unknown", [])


def test_a_long_interval_is_not_overdue_over_night() -> None:
    nightly = link(expected_every_s=86_400.0, last_success=NOW - 20 * 60 * MINUTE)

    assert verdict(facts(nightly))[0] == "ok"


def test_failures_of_long_ago_are_no_matter_any_more() -> None:
    assert verdict(facts(link(failure_rate=0.9, runs_lately=0, failed_lately=0))) == ("ok", [])
    assert verdict(facts(link(failure_rate=0.9, runs_lately=20, failed_lately=1))) == ("ok", [])


def test_failures_that_are_over_are_told_with_how_often_it_failed() -> None:
    [problem] = assess(facts(link(runs_lately=3, failed_lately=2, failure_rate=0.67))).problems

    assert problem.text == "2 of 3 runs within the last hour failed; the latest went well"


def test_the_worst_comes_first_and_decides() -> None:
    other = Problem(severity="critical", code="credential", link="mail.contact", text="expired", fix="renew it")

    status = assess(facts(link(quarantined=3), conflicts=1, others=[other]))

    assert status.health == "critical"
    assert [problem.code for problem in status.problems] == ["credential", "conflicts", "quarantine"]


def test_the_keys_are_those_that_scripts_rely_on() -> None:
    status = msgspec.to_builtins(assess(facts(link(quarantined=2, pending=4), conflicts=1, outbox=4)))

    assert set(status) == {"health", "version", "uptime_s", "links", "conflicts", "outbox", "problems", "systems"}
    assert status["links"][0] | {"system": "crm", "pending": 4, "quarantined": 2} == status["links"][0]
    assert {"entity", "state", "last_success", "lag_s", "failure_rate"} <= set(status["links"][0])
    assert status["links"][0]["last_success"] == "2025-12-31T23:59:50.000000Z"
    assert set(status["problems"][0]) == {"severity", "code", "link", "text", "fix"}


@given(
    st.builds(
        link,
        last_success=st.none() | st.integers(0, 2 * NOW),
        state=st.sampled_from(["live", "waiting", "running", "paused", "failing"]),
        expected_every_s=st.floats(0, 1e9),
        lag_s=st.floats(0, 1e9),
        failure_rate=st.floats(0, 1),
        quarantined=st.integers(0, 3),
    )
)
def test_every_problem_says_what_and_what_to_do(given: LinkFacts) -> None:
    status = assess(facts(given))

    assert (status.health in ("warning", "critical")) == bool(status.problems)
    assert all(problem.text and problem.fix and problem.code for problem in status.problems)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (45, "45s"), (720, "12min"), (12_000, "3h 20min"), (187_200, "2d 4h")]
)
def test_a_span_is_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text
