"""Clocks: version vectors, what somebody has seen of one field.

A *dot* `(actor, n)` names one edit: the `n`-th one of this field first seen at `actor`. A *context* is a
version vector: for each actor the highest `n` that its holder has seen, which covers all lower ones too.
Actors are small numbers, local to one cluster.

Contexts are plain dicts without zero entries, because millions of them are made; these functions never
change their arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Actor: TypeAlias = int
Ctx: TypeAlias = dict[Actor, int]


def covers(ctx: Ctx, actor: Actor, n: int) -> bool:
    """Whether the holder of `ctx` has seen this dot."""
    return ctx.get(actor, 0) >= n


def dominates(a: Ctx, b: Ctx) -> bool:
    """Whether `a` has seen everything that `b` has."""
    if a == b:
        return True
    for actor, n in b.items():  # noqa: SIM110 - asked several times a record, and a generator takes twice as long
        if a.get(actor, 0) < n:
            return False
    return True


def join(a: Ctx, b: Ctx) -> Ctx:
    """The least context that has seen what either has."""
    out = dict(a)
    for actor, n in b.items():
        if out.get(actor, 0) < n:
            out[actor] = n
    return out


def minimum(contexts: Iterable[Ctx]) -> Ctx:
    """The greatest context that has seen no more than each of them: what is certain when one of them holds."""
    each = iter(contexts)
    out = dict(next(each))
    for ctx in each:
        out = {actor: low for actor, n in out.items() if (low := min(n, ctx.get(actor, 0)))}
    return out
