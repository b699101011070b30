"""Guards: mass changes wait for a person.

A guard counts, per link and class of write, what is waiting and what was sent in the last hour, as a share
of the records that are bound there. Above the limit the class is held: its items stay in the outbox, and an
approval lets exactly those pass while their registers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .cluster import BindingId, BindingState, ClusterId
from .delivery import Plan
from .fingerprint import Fingerprinter
from .rules import CONSENT_OUT, FieldNumber, LinkRule, WriteClass


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One write that a guard holds: an approval names it exactly."""

    cluster_id: int
    write_class: WriteClass
    field: FieldNumber | None
    contexts: bytes
    """Digest of the register contexts that it was about."""


def exceeds(link: LinkRule, write_class: WriteClass, count: int, bound: int) -> bool:
    """Whether `count` writes of a class within the hour are too many for `bound` records."""
    share = link.guards.get(write_class)
    if share is None or count < link.at_least:
        return False
    return count > share * bound


def withhold(
    plan: Plan,
    held: frozenset[WriteClass],
    approved: Callable[[Item], bool],
    fp: Fingerprinter,
) -> list[Item]:
    """Take what is held and not approved out of a plan; returns what was taken out.

    Opt-outs pass all guards. A plan left without fields is not sent. Where a person approved what a source lost, the
    deletes of these records pass the limits of all systems: one approval lets one set go.
    """
    if not held:
        return []
    if plan.op == "delete":
        gone = [b for b in plan.cluster.bindings if b.state == BindingState.GONE]
        if any(approved(lost(binding.id, plan.cluster.id)) for binding in gone):
            return []
    if plan.op in ("create", "delete"):
        write_class = WriteClass.CREATE if plan.op == "create" else WriteClass.DELETE
        item = item_of(plan, write_class, None, fp)
        if write_class in held and not approved(item):
            plan.held = [(write_class, None)]
            return [item]
        return []
    taken = []
    for number, field in list(plan.fields.items()):
        if field.write_class in held and field.value != CONSENT_OUT:
            item = item_of(plan, field.write_class, number, fp)
            if not approved(item):
                del plan.fields[number]
                plan.held.append((field.write_class, number))
                taken.append(item)
    return taken


def lost(binding_id: BindingId, cluster_id: ClusterId) -> Item:
    """The item that stands for a record which its source seems to have lost."""
    return Item(cluster_id, WriteClass.DELETE, None, binding_id.to_bytes(8, "big"))


def item_of(plan: Plan, write_class: WriteClass, number: FieldNumber | None, fp: Fingerprinter) -> Item:
    """The item that stands for a write: the same while what it is about stays as it is.

    A whole record is named by its versions: its contexts forget the actors of records that go, such as those which
    the first of several systems has deleted, and an approval for the others must outlive that.
    """
    cluster = plan.cluster
    if number is not None:
        about = [[number, cluster.regs[number].ctx]]
    else:
        actors, regs = cluster.body.actors, cluster.regs
        known = [(name, sib) for name in sorted(plan.link.fields) if name in regs for sib in regs[name].sibs]
        about = [[name, *actors[sib.actor], sib.n] for name, sib in known]
    return Item(cluster.id, write_class, number, fp(about))
