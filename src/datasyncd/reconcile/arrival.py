"""Arrival: edits that a policy refuses as they come in: no dot, a report, and the record is written over."""

from __future__ import annotations

from .clocks import Ctx, covers
from .cluster import Cluster
from .register import Reg
from .rules import CONSENT_OUT, FieldRule, LinkRule, Policy, Value


def refusal(cluster: Cluster, link: LinkRule, rule: FieldRule, value: Value, reg: Reg | None, seen: Ctx) -> str | None:
    """Why an edit of this field in this system does not count, or None. `seen`: what its author had seen."""
    if rule.number not in link.pulls:
        return "this link only receives the field"
    if reg is None or not reg.sibs:
        return None
    if rule.consent:
        return _refusal_of_consent(link, rule, value, reg, seen)
    if value is None and rule.never_clear:
        return "the field is never cleared"
    if rule.policy is Policy.AUTHORITY and link.system not in rule.authority:
        if any(b.system in rule.authority for b in cluster.live()) and any(sib.val is not None for sib in reg.sibs):
            return "another system is the authority"
    return None


def _refusal_of_consent(link: LinkRule, rule: FieldRule, value: Value, reg: Reg, seen: Ctx) -> str | None:
    """One that its author had not seen is no matter here: whatever stands beside it, an opt-out wins. So it does not
    matter either which of the two is read first."""
    if value == CONSENT_OUT:
        return None
    if not any(sib.val == CONSENT_OUT and covers(seen, sib.actor, sib.n) for sib in reg.sibs):
        return None
    if value is None:
        return "a blank never replaces an opt-out"
    return None if link.system in rule.authorised else "this system may not collect an opt-in"
