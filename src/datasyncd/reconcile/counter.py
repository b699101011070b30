"""Counter: a number that every system may add to, such as points or visits.

Each edit counts by its difference to what its author's record held, so that steps made in several systems at the same
time add up. The first record gives the base; a blank counts as 0.
"""

from __future__ import annotations

from decimal import Context, Decimal

from .register import Reg, Sib
from .rules import Value

LARGEST = 2**63 - 1
"""A whole number goes no further, up or down: it is the largest that every store can hold."""
_EXACT = Context(prec=500)


def step(before: Value, now: Value) -> Value:
    """By how much a counter moved between two values: whole numbers, or texts of decimals."""
    return _value(_EXACT.subtract(_number(now), _number(before)), before, now)


def total(reg: Reg) -> Value:
    """The sum of all steps; None before there is one."""
    sibs = reg.sibs
    if len(sibs) < 2:
        return sibs[0].val if sibs else None
    number = Decimal(0)
    for sib in sibs:
        number = _EXACT.add(number, _number(sib.val))
    return _value(number, *(sib.val for sib in sibs))


def put_step(reg: Reg, sib: Sib) -> None:
    """Merge a step: it overwrites nothing. Steps of one actor are one sibling."""
    others = [old for old in reg.sibs if old.actor != sib.actor]
    for old in reg.sibs:
        if old.actor == sib.actor:
            both = _value(_EXACT.add(_number(old.val), _number(sib.val)), old.val, sib.val)
            sib = Sib(sib.actor, sib.n, both, sib.ts, sib.depth)
    reg.sibs = [*others, sib]
    reg.ctx = {**reg.ctx, sib.actor: sib.n}


def _number(value: Value) -> Decimal:
    return Decimal(0) if value is None else Decimal(value)


def _value(number: Decimal, *like: Value) -> Value:
    """A number in the normal form of its field: decimals are texts without exponent and needless zeros."""
    if not any(isinstance(value, str) for value in like):
        return max(-LARGEST, min(LARGEST, int(number)))
    if not number:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
