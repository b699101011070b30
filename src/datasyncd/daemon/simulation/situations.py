"""Situations: what a run must have met to prove anything, and where in the real code each is seen.

The code that is tested knows nothing of being watched: while a run lasts, a few of its functions are replaced by ones
that count and then do the same. A new situation is one line here.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple

from datasyncd.adapters.memory.history import History as MemoryHistory
from datasyncd.daemon import intake
from datasyncd.daemon.composing import Composer
from datasyncd.daemon.intake import Intake
from datasyncd.daemon.pusher import Delivery
from datasyncd.reconcile import versions
from datasyncd.reconcile.cluster import ClusterState
from datasyncd.reconcile.identity import Verdict
from datasyncd.reconcile.observe import Observer


class Probe(NamedTuple):
    """Counts a situation whenever a function has been called and `happened` says so of its result and arguments."""

    situation: str
    owner: Any
    name: str
    happened: Callable[..., object] = lambda *_: True


PROBES = (
    Probe("ghost recognised", Observer, "_receipt"),
    Probe("first contact", Observer, "_contact"),
    Probe("overruled", Observer, "_overrule"),
    Probe("incarnation bump", Observer, "_bump"),
    Probe("virtual acknowledgement", Observer, "_acknowledge", lambda _, self, number, shadow: shadow.ctx is None),
    Probe("re-assertion", Observer, "_edit", lambda _, self, number, *edit: _is_said_again(self, number, *edit)),
    Probe("assumed opt-out", versions, "_assume_opt_out"),
    Probe("absent field", Observer, "absorb", lambda _, self: self.absent),
    Probe(
        "reading thrown away by epoch", Intake, "_sort", lambda _, self, record, head, *__: _is_overlapped(self, head)
    ),
    Probe(
        "reading thrown away by order", Intake, "_sort", lambda _, self, record, head, *__: _is_overtaken(self, head)
    ),
    Probe("reading thrown away by version", Intake, "_observe", lambda _, self, record, *__: _is_older(self, record)),
    Probe("recreate live", Intake, "_join", lambda _, self, cluster, reading, **__: _refills(self, cluster)),
    Probe("recreate dead", intake, "identify", lambda match, ext_id, keys, found, *__: _follows_a_dead(match, found)),
    Probe("recreate deferred", intake, "identify", lambda match, *_: _waits_for_a_delete(match)),
    Probe("create key replayed", Composer, "_repeat"),
    Probe("create parked", Delivery, "_wait_until", lambda _, self, planned, at: planned.op == "create"),
    Probe("stale read answered", MemoryHistory, "before", lambda state, self, at: state is not self.now),
    Probe("orphan", intake, "identify", lambda match, *_: match.verdict is Verdict.ORPHAN),
    Probe("duplicate", intake, "identify", lambda match, *_: match.verdict is Verdict.DUPLICATE),
    Probe("ambiguous", intake, "identify", lambda match, *_: match.verdict is Verdict.AMBIGUOUS),
)
SEEN_AT_REST = {
    "conflict": "report conflict",
    "create clashed": "report clash",
    "delete held": "report delete_vs_edit",
    "delete propagated": "journal deleting",
    "delete seen": "journal gone",
    "frozen": "report frozen",
    "moved": "journal moved",
    "opt-in held": "report opt_in_held",
    "possible overwrite": "report possible_overwrite",
    "schema drift": "report schema_drift",
    "undeclared form": "report undeclared_form",
}
"""Situations that the state tells of when all is quiet, by what it calls them."""
SITUATIONS = (
    *dict.fromkeys(probe.situation for probe in PROBES),
    *SEEN_AT_REST,
    "batch refused as a whole", "crash", "crash in a transaction", "echo", "fault-free seed", "hint", "late landing",
    "lost save in a window", "mass-delete guard", "merge", "outage", "precondition conflict", "robot edit",
    "state on disk", "unknown outcome", "unmerge", "update clash",
)  # fmt: skip
"""All that must come up. A run of `ENOUGH` histories in which one of them does not proves nothing, and fails."""
ENOUGH = 5_000
_seen: list[Counter[str]] = []
"""Where the run that is under way counts."""


def missing(seen: Counter[str], histories: int) -> list[str]:
    """Situations that should have come up and did not."""
    return [name for name in SITUATIONS if not seen[name]] if histories >= ENOUGH else []


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """While this lasts, histories count what they meet."""
    before = [(probe.owner, probe.name, getattr(probe.owner, probe.name)) for probe in PROBES]
    try:
        for probe in PROBES:
            setattr(probe.owner, probe.name, _counting(probe, getattr(probe.owner, probe.name)))
        yield
    finally:
        for owner, name, original in reversed(before):
            setattr(owner, name, original)


@contextlib.contextmanager
def counted_in(seen: Counter[str]) -> Iterator[None]:
    """What the next history meets is counted here."""
    _seen.append(seen)
    try:
        yield
    finally:
        _seen.pop()


def _counting(probe: Probe, original: Callable[..., Any]) -> Callable[..., Any]:
    situation, happened = probe.situation, probe.happened

    @wraps(original)
    def call(*args: Any, **named: Any) -> Any:
        result = original(*args, **named)
        if _seen and happened(result, *args, **named):
            _seen[-1][situation] += 1
        return result

    return call


def _is_overlapped(page: Intake, head: Any) -> bool:
    return head is not None and head.epoch > page.began.seq


def _is_overtaken(page: Intake, head: Any) -> bool:
    return head is not None and head.epoch <= page.began.seq and head.last_read_at > page.began.at


def _is_said_again(
    observer: Observer, number: int, rule: Any, value: Any, digest: bytes, shadow: Any, seen: Any
) -> bool:
    return number in observer.renewed and shadow is not None and shadow.fp == digest


def _is_older(page: Intake, record: Any) -> bool:
    head = page.taken.thrown
    return page.link.rule.version_order == "counter" and record.key in head


def _refills(page: Intake, cluster: Any) -> bool:
    return any(b.system == page.link.system and b.state != "live" for b in cluster.bindings)


def _follows_a_dead(match: Any, found: Any) -> bool:
    return match.verdict is Verdict.FOUND and any(cluster.state == ClusterState.DEAD for cluster in found)


def _waits_for_a_delete(match: Any) -> bool:
    return match.verdict is Verdict.WAIT and match.cluster.state == ClusterState.DELETING
