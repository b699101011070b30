"""Candidates: the siblings of a register as a report shows them."""

from __future__ import annotations

from .cluster import Cluster
from .effects import Candidate
from .register import Reg
from .rules import FieldNumber


def candidates_of(cluster: Cluster, reg: Reg, field: FieldNumber | None = None) -> list[Candidate]:
    """The siblings of a register as a report shows them; `field` where the report is about the whole record."""
    out = []
    for sib in reg.sibs:
        binding_id, incarnation = cluster.body.actors[sib.actor]
        dot = (binding_id, incarnation, sib.n)
        out.append(Candidate(sib.val, binding_id, cluster.origin(sib.actor), dot, sib.ts, 0, field))
    return out
