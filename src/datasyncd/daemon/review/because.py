"""Because: one sentence that says which rule chose a value, from where, and what lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.policies import Choice
from datasyncd.reconcile.register import Hold, Reg
from datasyncd.reconcile.rules import FieldRule, Policy, Value

from .terms import shown

NAMED = 3
"""Most versions of one fate that the sentence names; the latest."""


class Told(Protocol):
    """A version as the sentence needs it."""

    @property
    def origin(self) -> str: ...
    @property
    def value(self) -> Value: ...
    @property
    def edited_at(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def cause(self) -> str | None: ...


def because(
    cluster: Cluster, reg: Reg | None, rule: FieldRule, choice: Choice, versions: Sequence[Told], added: Sequence[str]
) -> str:
    """The sentence. It holds values. `added`: of a set, the systems in which its elements were added."""
    if reg is None or not reg.sibs:
        return "; ".join(["no system has a value", *_fate("overruled", versions)])
    if rule.derive:
        return "; ".join([f"computed: {rule.derive}", *_fate("overruled", versions)])
    parts = [*_hold(reg)]
    if not choice.decided:
        parts.append(_undecided(cluster, reg, rule))
    elif rule.merged:
        if rule.policy is Policy.COUNTER:
            parts.append("counter: the sum of what was added and taken in each system")
            return "; ".join(parts)
        origins = f", from {_and(added)}" if added else ""
        parts.append(f"union: each element that somebody added and nobody removed since{origins}")
    else:
        parts.append(_chosen(rule, versions))
    for status in ("concurrent", "lost", "overruled"):
        if choice.decided or status == "overruled":
            parts.extend(_fate(status, versions))
    return "; ".join(parts)


def _hold(reg: Reg) -> list[str]:
    if reg.hold == Hold.FROZEN:
        return ["frozen, since systems rewrite each other's values: nothing but an opt-out is written until a person"
                " releases it"]  # fmt: skip
    return []


def _undecided(cluster: Cluster, reg: Reg, rule: FieldRule) -> str:
    says = [f"{cluster.origin(sib.actor) or 'a person'} says {_quoted(shown(rule, sib.val))}" for sib in reg.sibs]
    if reg.hold == Hold.APART:
        return f"they differed at first contact, and stay so until one side is edited: {_and(says)}"
    why = "the policy is manual" if rule.policy is Policy.MANUAL else "they differed at first contact"
    return f"a person chooses, since {why}: {_and(says)}"


def _chosen(rule: FieldRule, versions: Sequence[Told]) -> str:
    current = next((version for version in versions if version.status == "current"), None)
    origin = current.origin if current is not None else "person"
    when = f" at {current.edited_at}" if current is not None and current.edited_at else ""
    if origin == "person":
        cause = f" ({current.cause})" if current is not None and current.cause else ""
        return f"chosen here{when}{cause}, over all that was known then"
    competed = any(version.status in ("concurrent", "lost") for version in versions)
    if not competed:
        return f"edited in {origin}{when} by somebody who had seen what was known there; nothing competes with it"
    return f"{rule.policy.value}: {_rule(rule, origin)}; edited in {origin}{when}"


def _rule(rule: FieldRule, origin: str) -> str:
    match rule.policy:
        case Policy.LATEST:
            return "of edits that had not seen each other the latest counts"
        case Policy.AUTHORITY:
            if origin in rule.authority:
                return f"{origin} is the authority"
            return f"{_and(list(rule.authority))} said nothing, so the latest counts"
        case Policy.MOST_RESTRICTIVE:
            return "an opt-out wins over all that had not seen it"
        case Policy.MOST_PERMISSIVE:
            return "an opt-in wins over all that had not seen it"
        case Policy.MAX | Policy.MIN:
            which = "largest" if rule.policy is Policy.MAX else "smallest"
            return f"of values that had not seen each other the {which} counts"
    return "they agree"


def _fate(status: str, versions: Sequence[Told]) -> list[str]:
    """What became of the versions of a status."""
    found = [version for version in versions if version.status == status]
    if not found:
        return []
    word = {"concurrent": "lost, and kept until all have seen the choice", "lost": "lost", "overruled": "overruled"}
    named = [
        f"{version.origin}'s {_quoted(version.value)}" + (f" ({version.edited_at})" if version.edited_at else "")
        for version in found[-NAMED:]
    ]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"{word[status]}: {', '.join(named)}{more}"]


def _quoted(value: Value) -> str:
    if value is None:
        return "blank"
    if isinstance(value, list):
        return "[" + ", ".join(str(element) for element in value) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_quoted(part)}" for name, part in value.items())
    return f'"{value}"'


def _and(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" and {words[-1]}"
