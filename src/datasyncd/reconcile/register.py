"""Register: one field of one cluster, as all systems together have it.

It holds *siblings*: values that nobody who had seen them has overwritten, and a context: every edit ever
merged in. One sibling is the state at rest; several are concurrent, and the field's policy says which of
them all systems are shown.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from .clocks import Actor, Ctx, covers


class Hold(IntEnum):
    """Why nobody is written."""

    NONE = 0
    MANUAL = 1
    """Values differ and a person chooses."""
    FROZEN = 2
    """Systems rewrite each other's values, or there are too many siblings."""
    APART = 3
    """They differed at first contact and stay so until one side is edited (`fill_blanks`)."""


class Sib(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One value with its dot, its clamped time (microseconds) and how many of our own writes led to it."""

    actor: Actor
    n: int
    val: Any
    ts: int = 0
    depth: int = 0


class Reg(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One field of one cluster. For a set, each sibling holds the elements that its dot keeps alive."""

    sibs: list[Sib]
    ctx: Ctx
    hold: int = 0
    recent: list[bytes] = []
    """Fingerprints of the last winners, kept while the systems react to each other."""

    def differ(self) -> bool:
        """Whether siblings hold different values."""
        sibs = self.sibs
        return len(sibs) > 1 and any(sib.val != sibs[0].val for sib in sibs)


def put(reg: Reg, seen: Ctx, sib: Sib) -> None:
    """Merge an edit whose author had seen `seen`: what that covers goes, the edit comes."""
    reg.sibs = [old for old in reg.sibs if not covers(seen, old.actor, old.n)]
    reg.sibs.append(sib)
    reg.ctx = {**reg.ctx, sib.actor: sib.n}


def put_elements(reg: Reg, seen: Ctx, sib: Sib, removed: frozenset[str]) -> None:
    """Merge an edit of a set: `sib.val` came, `removed` went.

    A removal ends only the additions that its author had seen, so that an element added elsewhere at the
    same time stays (add wins).
    """
    kept: list[Sib] = []
    for old in reg.sibs:
        if removed and covers(seen, old.actor, old.n) and not removed.isdisjoint(old.val or ()):
            left = [element for element in old.val if element not in removed]
            if left:
                kept.append(Sib(old.actor, old.n, left, old.ts, old.depth))
        elif old.val:
            kept.append(old)
    if sib.val:
        kept.append(sib)
    reg.sibs = kept
    reg.ctx = {**reg.ctx, sib.actor: sib.n}


def elements(reg: Reg) -> list[str] | None:
    """The elements with a live dot, sorted; None when there are none."""
    if len(reg.sibs) == 1:
        only: list[str] | None = reg.sibs[0].val
        return only or None
    return sorted({element for sib in reg.sibs for element in sib.val or ()}) or None
