"""Freeze: systems that rewrite each other's values are stopped.

An edit that follows our own write of the record at once is taken for a reaction to it, one step deeper than the value
that was written. A reaction that brings back a value which stood not long ago is a fight that nobody wins: the field
of that cluster is frozen. Readings go on, nothing is written, and a person decides, or a day without an edit.
"""

from __future__ import annotations

from .cluster import Cluster
from .effects import Effects, Entry, ReportKind
from .register import Hold, Reg, Sib
from .rules import CONSENT_OUT, FieldNumber, FieldRule, Value

REACTIONS = 3
"""Steps that may bring back an earlier value: a system that stores another form than it was sent takes one."""
DEEPEST = 20
"""Steps after which it is a fight, whatever the values are."""
REMEMBERED = 8
"""Winners that are known again."""


def fights(reg: Reg, rule: FieldRule, value: Value, digest: bytes, depth: int) -> bool:
    """Whether an edit of this depth shows that systems rewrite each other. An opt-out never does.

    That an earlier value comes back says nothing of a field that has two, nor of a set or counter, to which people add
    what others took away.
    """
    if rule.consent and value == CONSENT_OUT:
        return False
    often = rule.consent or rule.type == "boolean" or rule.merged
    return depth > DEEPEST or (depth > REACTIONS and not often and digest in reg.recent)


def remember(reg: Reg, depth: int, winners: list[bytes]) -> None:
    """Keep the winners before and after a reaction; what a person does ends the row."""
    if not depth:
        reg.recent = []
        return
    for digest in winners:
        if reg.recent[-1:] != [digest]:
            reg.recent = [*reg.recent, digest][-REMEMBERED:]


def thaw(cluster: Cluster, number: FieldNumber, effects: Effects) -> bool:
    """End a freeze: edits count from here on as if nobody had reacted. False: the field is not frozen."""
    reg = cluster.regs.get(number)
    if reg is None or reg.hold != Hold.FROZEN:
        return False
    reg.hold = Hold.NONE
    reg.recent = []
    reg.sibs = [Sib(sib.actor, sib.n, sib.val, sib.ts) for sib in reg.sibs]
    for binding in cluster.bindings:
        shadow = binding.body.shadow.get(number)
        if shadow is not None and shadow.depth > 0:
            shadow.depth = 0
            binding.changed = True
    cluster.edited.add(number)
    cluster.touched.add(number)
    cluster.changed = True
    # Its conflict waited because of the freeze: it is reported anew, as the policy now has it.
    cluster.reports = {
        digest: known for digest, known in cluster.reports.items() if known[:2] != (ReportKind.CONFLICT, number)
    }
    effects.journal.append(Entry(cluster.id, "thawed", None, 0, effects.cause, [(number,)]))
    return True
