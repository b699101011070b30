"""Policies: which of the concurrent values all systems are shown.

A pure view over the siblings of a register: nothing is removed here, and equal values are no conflict. Ties
go to the later clamped time, then to the system named first in the config, then to the higher dot, so that
every order of arrival gives one winner.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from .cluster import Cluster
from .counter import total
from .laws import Winner, lawful
from .register import Hold, Reg, Sib, elements
from .rules import CONSENT_IN, CONSENT_OUT, EntityRule, FieldRule, Policy, Value


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The view of one register."""

    value: Value
    sib: Sib | None
    """The winning sibling; None for a set (its value is made of all), or where nobody wins."""
    decided: bool = True
    """False: siblings differ and a person chooses; `value` is then meaningless."""


_UNION, _COUNTER = Policy.UNION, Policy.COUNTER
_EMPTY = Choice(None, None)
_UNDECIDED = Choice(None, None, decided=False)


def resolve(cluster: Cluster, reg: Reg | None, rule: FieldRule, entity: EntityRule) -> Choice:
    """The value that every system is owed."""
    if reg is None or not reg.sibs:
        return _EMPTY
    policy = rule.policy
    if policy is _UNION:
        return Choice(elements(reg), None)
    if policy is _COUNTER:
        return Choice(total(reg), None)
    sibs = reg.sibs
    if len(sibs) == 1:
        return Choice(sibs[0].val, sibs[0])
    if not reg.differ():
        best = max(sibs, key=lambda sib: (sib.ts, sib.actor, sib.n))
        return Choice(best.val, best)
    if reg.hold in (Hold.MANUAL, Hold.APART) or rule.policy is Policy.MANUAL:
        return _UNDECIDED
    winner = _WINNERS[rule.policy](cluster, sibs, rule, entity)
    return Choice(winner.val, winner)


def values_of(cluster: Cluster, entity: EntityRule) -> tuple[dict[str, Value], set[str]]:
    """The value of each field by its name, members of groups too; and the names of those that nobody has decided."""
    values: dict[str, Value] = {}
    undecided: set[str] = set()
    founded, regs = cluster.body.founded, cluster.regs
    for number, rule in entity.fields.items():
        if number in founded:
            value = founded[number]
        else:
            choice = resolve(cluster, regs.get(number), rule, entity)
            value = choice.value if choice.decided else None
            if not choice.decided:
                undecided.update(rule.members or (rule.name,))
        if rule.members:
            values.update(dict.fromkeys(rule.members) if value is None else value)
        else:
            values[rule.name] = value
    return values, undecided


def _latest(cluster: Cluster, sibs: list[Sib], _rule: FieldRule, entity: EntityRule) -> Sib:
    def order(sib: Sib) -> tuple[Any, ...]:
        system = cluster.origin(sib.actor)
        link = entity.links.get(system) if system is not None else None
        rank = -link.rank if link is not None else 1 if system is None else -1_000_000
        return (sib.ts, rank, *cluster.body.actors[sib.actor], sib.n)

    return max(sibs, key=order)


def _authority(cluster: Cluster, sibs: list[Sib], rule: FieldRule, entity: EntityRule) -> Sib:
    for system in rule.authority:
        own = [sib for sib in sibs if cluster.origin(sib.actor) == system]
        if own:
            return _latest(cluster, own, rule, entity)
    return _latest(cluster, sibs, rule, entity)


def _preferring(consent: str, boolean: bool) -> Winner:
    """The value that restricts, or permits, most; a blank only where there is nothing else."""

    def choose(cluster: Cluster, sibs: list[Sib], rule: FieldRule, entity: EntityRule) -> Sib:
        wanted = consent if rule.consent else boolean
        first = [sib for sib in sibs if sib.val == wanted]
        known = [sib for sib in sibs if sib.val is not None]
        return _latest(cluster, first or known or sibs, rule, entity)

    return choose


def _extreme(pick: Callable[..., Any]) -> Winner:
    def choose(cluster: Cluster, sibs: list[Sib], rule: FieldRule, entity: EntityRule) -> Sib:
        known = [sib for sib in sibs if sib.val is not None]
        if not known:
            return _latest(cluster, sibs, rule, entity)
        top = pick(_measure(rule.type, sib.val) for sib in known)
        return _latest(cluster, [s for s in known if _measure(rule.type, s.val) == top], rule, entity)

    return choose


def _measure(kind: str, value: Value) -> Any:
    """A value as something that can be compared: decimals by number, all else as it is."""
    return Decimal(value) if kind == "decimal" else value


_WINNERS: dict[Policy, Winner] = {
    policy: lawful(policy, winner)
    for policy, winner in {
        Policy.LATEST: _latest,
        Policy.AUTHORITY: _authority,
        Policy.MOST_RESTRICTIVE: _preferring(CONSENT_OUT, False),
        Policy.MOST_PERMISSIVE: _preferring(CONSENT_IN, True),
        Policy.MAX: _extreme(max),
        Policy.MIN: _extreme(min),
    }.items()
}
"""One that does not keep the laws cannot be loaded."""
