"""Health: what `status` says, judged by what was compared end to end and never by the process being up.

Pure: facts in, a verdict out. Each problem names itself, its link, its age and the next step.

    critical    people are getting wrong or old data now, or will without somebody acting
    warning     something waits for a person, is later than it should be, or failed and went well again
    unknown     too early to tell: no problem, and a link that never succeeded
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from .review.timestamp import span, timestamp_or_none

Health = Literal["ok", "warning", "critical", "unknown"]
Severity = Literal["critical", "warning"]
LinkState = Literal["live", "waiting", "running", "paused", "failing"]

SECOND = 1_000_000
LATE, VERY_LATE = 2.0, 5.0
"""How many times the expected interval without a success are late, and far too late."""
SLACK_S, LONG_SLACK_S = 30.0, 300.0
"""Granted beyond that: a short interval is not missed by a busy minute."""
LAG_S, LONG_LAG_S = 60.0, 900.0
"""Age of the oldest change that a system was not told of yet."""
WAIT_S = 60.0
"""What a system may ask us to wait before somebody should know."""
FAILING_S = 300.0
"""For how long a link may fail before what it does not bring counts as wrong elsewhere."""
LATELY_S = 3_600.0
"""Failures that are over are told of for so long."""
RATE = 0.1
"""Share of the runs within that time that may fail without a word."""
MANY_TRIES = 5
AHEAD_S = 300.0
"""Clocks of two machines differ a little; a last success later than this has another cause."""


class LinkFacts(msgspec.Struct, kw_only=True):
    """What the daemon knows of one link."""

    system: str
    entity: str
    state: LinkState
    last_success: int | None
    """Microseconds since 1970; None: never."""
    expected_every_s: float
    """The longest time between two runs that the config lets one expect."""
    watched_s: float
    """For how long the daemon has looked after it: since its start, or since its config was reloaded."""
    lag_s: float = 0.0
    """Age of the oldest change that is due there and was not accepted yet."""
    pending: int = 0
    """Outbox rows, those that a guard holds left out."""
    held: int = 0
    """Outbox rows that a guard holds."""
    quarantined: int = 0
    conflicts: int = 0
    """Open reports in which this system takes part, where that is counted."""
    failure_rate: float = 0.0
    """Of the latest runs, 0.0 to 1.0."""
    runs_lately: int = 0
    """Runs within LATELY_S, of those that are remembered."""
    failed_lately: int = 0
    """Of these, those that failed."""
    unread_s: float = 0.0
    """For how long its pull has failed; what changed there since is known nowhere else. 0.0: it does not fail."""
    unsent_s: float = 0.0
    """For how long its push has failed; 0.0: it does not."""
    last_error: str = ""
    next_run: int | None = None
    """Microseconds since 1970, where a run is planned."""
    tries: int = 0
    """The highest number of tries of an outbox row."""
    waits_s: float = 0.0
    """For how long its system asked to be left alone, from now on."""

    @property
    def name(self) -> str:
        return f"{self.system}.{self.entity}"


class Problem(msgspec.Struct, kw_only=True):
    """Something that somebody should know."""

    severity: Severity
    code: str
    link: str | None
    text: str
    fix: str


class Facts(msgspec.Struct, kw_only=True):
    """What the daemon knows of itself."""

    at: int
    """Microseconds since 1970: now."""
    version: str
    uptime_s: float
    links: list[LinkFacts]
    conflicts: int = 0
    """Open reports."""
    outbox: int = 0
    """All outbox rows."""
    guards: dict[str, int] = {}
    """Held sets by link."""
    crashes: dict[str, str] = {}
    """Tasks that crashed and were started again, and the kind of error."""
    others: list[Problem] = []
    """What others found: a config that was not taken, a credential that expires, a schema that drifts."""
    systems: dict[str, dict[str, int]] = {}
    """What systems measure of themselves, by names that end with a unit."""


class LinkStatus(msgspec.Struct, kw_only=True):
    system: str
    entity: str
    state: LinkState
    last_success: str | None
    lag_s: float
    pending: int
    held: int
    quarantined: int
    failure_rate: float
    last_error: str
    next_run: str | None
    waits_s: float


class Status(msgspec.Struct, kw_only=True):
    """What `status` says."""

    health: Health
    version: str
    uptime_s: float
    links: list[LinkStatus]
    conflicts: int
    outbox: int
    problems: list[Problem]
    systems: dict[str, dict[str, int]] = {}
    """By system: what it measures of itself, such as what a server keeps for us."""


def assess(facts: Facts) -> Status:
    """The verdict, the worst problems first."""
    problems = [problem for link in facts.links for problem in _of_link(link, facts)]
    problems += [*_of_people(facts), *_of_tasks(facts), *facts.others]
    problems.sort(key=lambda problem: (problem.severity != "critical", problem.link or ""))
    return Status(
        health=_health(facts, problems),
        version=facts.version,
        uptime_s=round(facts.uptime_s, 3),
        links=[_shown(link) for link in facts.links],
        conflicts=facts.conflicts,
        outbox=facts.outbox,
        problems=problems,
        systems=facts.systems,
    )


def _health(facts: Facts, problems: list[Problem]) -> Health:
    if problems:
        return "critical" if any(problem.severity == "critical" for problem in problems) else "warning"
    never = any(link.last_success is None and link.state != "paused" for link in facts.links)
    return "unknown" if never or not facts.links else "ok"


def _shown(link: LinkFacts) -> LinkStatus:
    return LinkStatus(
        system=link.system,
        entity=link.entity,
        state=link.state,
        last_success=timestamp_or_none(link.last_success),
        lag_s=round(link.lag_s, 3),
        pending=link.pending,
        held=link.held,
        quarantined=link.quarantined,
        failure_rate=link.failure_rate,
        last_error=link.last_error,
        next_run=timestamp_or_none(link.next_run),
        waits_s=round(link.waits_s, 3),
    )


def _of_link(link: LinkFacts, facts: Facts) -> Iterator[Problem]:
    if link.state == "paused":
        yield _problem("warning", "paused", link, "it is paused; changes wait", "let it go on")
    else:
        yield from _of_runs(link, facts)
    if link.waits_s > WAIT_S:
        text = f"the system asked to be left alone for {span(link.waits_s)} more; nothing is read or written there"
        yield _problem("warning", "throttled", link, text, "it goes on by itself; if that is often, pull it less often")
    if link.lag_s > LAG_S and link.state != "paused":
        severity: Severity = "critical" if link.lag_s > LONG_LAG_S else "warning"
        text = f"the oldest of {link.pending} changes waits for {span(link.lag_s)}"
        yield _problem(
            severity, "lag", link, text, "see its last error; `datasyncd explain` tells what a record waits for"
        )
    if link.tries >= MANY_TRIES:
        text = f"a write was tried {link.tries} times: {link.last_error or 'no answer that settles it'}"
        yield _problem("warning", "parked", link, text, "look at the system; then `datasyncd sync` tries at once")
    if link.quarantined:
        text = f"{_count(link.quarantined, 'record or field', 'records and fields')} could not be read or written"
        yield _problem("warning", "quarantine", link, text, "datasyncd quarantine")


def _of_runs(link: LinkFacts, facts: Facts) -> Iterator[Problem]:
    """Whether it runs as it should: at most one problem."""
    since = link.watched_s if link.last_success is None else (facts.at - link.last_success) / SECOND
    late = since > LATE * link.expected_every_s + SLACK_S
    very_late = since > VERY_LATE * link.expected_every_s + LONG_SLACK_S
    ever = "it never succeeded" if link.last_success is None else f"its last success was {span(since)} ago"
    if since < -AHEAD_S:
        text = f"its last success lies {span(-since)} in the future"
        yield _problem("critical", "clock", link, text, "set this machine's clock, then restart the service")
    elif link.state == "failing":
        misleads = link.unread_s > FAILING_S or (link.pending > 0 and link.unsent_s > FAILING_S)
        severity: Severity = "critical" if misleads or very_late or link.last_success is None else "warning"
        text = f"{link.last_error or 'it fails'}; it has failed for {span(max(link.unread_s, link.unsent_s))}; {ever}"
        yield _problem(severity, "failing", link, text, "datasyncd check")
    elif late:
        severity = "critical" if very_late else "warning"
        text = f"{ever}; expected every {span(link.expected_every_s)}"
        code = "never" if link.last_success is None else "overdue"
        yield _problem(severity, code, link, text, "datasyncd check, and the service's log")
    elif link.failed_lately > RATE * link.runs_lately:
        # It is over: nobody is shown anything old because of it.
        text = f"{link.failed_lately} of {link.runs_lately} runs within the last hour failed; the latest went well"
        yield _problem("warning", "failure_rate", link, text, "if that goes on: the service's log says why")


def _of_people(facts: Facts) -> Iterator[Problem]:
    """What waits for a person."""
    for link, count in sorted(facts.guards.items()):
        text = f"{_count(count, 'mass change is', 'mass changes are')} held"
        yield Problem(severity="warning", code="guard", link=link, text=text, fix="datasyncd guard")
    if facts.conflicts:
        text = f"{_count(facts.conflicts, 'report waits', 'reports wait')} for a person"
        yield Problem(severity="warning", code="conflicts", link=None, text=text, fix="datasyncd conflicts")


def _of_tasks(facts: Facts) -> Iterator[Problem]:
    for task, kind in sorted(facts.crashes.items()):
        text = f"the task {task} crashed ({kind}) and was started again"
        yield Problem(severity="warning", code="crashed", link=None, text=text, fix="see the service's log; report it")


def _problem(severity: Severity, code: str, link: LinkFacts, text: str, fix: str) -> Problem:
    return Problem(severity=severity, code=code, link=link.name, text=text, fix=fix)


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
