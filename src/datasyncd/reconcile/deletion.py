"""Deletion: what follows when a record is gone from its system, or lives on in another one there.

A delete counts like an edit: it reaches the other systems only if whoever deleted the record had seen
everything that the cluster holds. Otherwise somebody's edit would vanish unseen, and a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from .answer import end_binding
from .candidates import candidates_of
from .clocks import dominates
from .cluster import Binding, BindingState, Cluster, ClusterState
from .effects import Candidate, Effects, Entry, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .register import Hold, Reg, Sib
from .rules import EntityRule, OnDelete


def gone(
    cluster: Cluster,
    binding: Binding,
    entity: EntityRule,
    fp: Fingerprinter,
    effects: Effects,
    epoch: int,
    *,
    replaced: bool = False,
) -> None:
    """A record is proven to be gone: by a complete pull and a reading by key, or told and read. `replaced`: another one
    of the same person is there in the same system, so that nobody is gone."""
    ours = any(attempt.binding_id == binding.id and attempt.op == "delete" for attempt in cluster.attempts)
    seen_all, lost = covers_all(cluster, binding, entity), unseen(cluster, binding, entity)
    end_binding(cluster, binding, epoch, effects.at)
    effects.released.extend((binding.system, binding.object, binding.ext_id, n) for n in binding.body.blocked)
    effects.journal.append(Entry(cluster.id, "gone", binding.system, binding.id, effects.cause))
    if not ours and not replaced and cluster.state == ClusterState.LIVE:
        _follow(cluster, binding, entity, fp, effects, seen_all, lost)


def moved(cluster: Cluster, binding: Binding, survivor: str, fp: Fingerprinter, effects: Effects, epoch: int) -> None:
    """A record was merged into another one of its system. Nobody deleted the person: the other records stay, as
    duplicates of the survivor's, and none is made for them any more."""
    end_binding(cluster, binding, epoch, effects.at, BindingState.MOVED)
    effects.released.extend((binding.system, binding.object, binding.ext_id, n) for n in binding.body.blocked)
    effects.journal.append(Entry(cluster.id, "moved", binding.system, binding.id, effects.cause))
    others = ", ".join(sorted(other.system for other in cluster.live()))
    if others:
        _report(cluster, binding, fp, effects, ReportKind.POSSIBLE_DUPLICATE, ReportState.OPEN,
                f"merged into {survivor} in {binding.system}; the records in {others} stay, as duplicates of that "
                "one's: merge or delete them there, or take both for one with `datasyncd identity merge`")  # fmt: skip


def _follow(
    cluster: Cluster,
    binding: Binding,
    entity: EntityRule,
    fp: Fingerprinter,
    effects: Effects,
    seen_all: bool,
    lost: list[Candidate],
) -> None:
    link = entity.links[binding.system]
    others = list(cluster.live())
    # What a create of ours may still bring counts as a record: it must not bring the person back.
    coming = any(attempt.op == "create" for attempt in cluster.attempts)
    if not (others or coming) or entity.on_delete is OnDelete.IGNORE:
        return
    if entity.on_delete is OnDelete.UNLINK or not link.pulls:
        _report(cluster, binding, fp, effects, ReportKind.UNLINKED, ReportState.SETTLED,
                f"deleted in {binding.system}; the other records stay")  # fmt: skip
        return
    if not seen_all:
        cluster.state = ClusterState.HELD
        cluster.changed = True
        _report(cluster, binding, fp, effects, ReportKind.DELETE_VS_EDIT, ReportState.OPEN,
                f"deleted in {binding.system} by somebody who had not seen a later edit", lost)  # fmt: skip
        return
    if entity.on_delete is OnDelete.ARCHIVE and entity.archive is not None:
        number, value = entity.archive
        write(cluster, number, value, fp, effects)
        return
    cluster.state = ClusterState.DELETING
    cluster.changed = True
    effects.journal.append(Entry(cluster.id, "deleting", binding.system, binding.id, effects.cause))


def covers_all(cluster: Cluster, binding: Binding, entity: EntityRule) -> bool:
    """Whether whoever last held this record had seen every edit; fields never delivered to it left out."""
    return not cluster.ghosts(binding) and not unseen(cluster, binding, entity)


def unseen(cluster: Cluster, binding: Binding, entity: EntityRule) -> list[Candidate]:
    """What would be lost with a delete: the values, by field, that whoever last held this record may not have seen."""
    link = entity.links[binding.system]
    under_way = {number for ghost in cluster.ghosts(binding) for number in ghost.body.fields}
    # One that was not read since it was told apart: what whoever deleted it had seen is not known.
    unread = not binding.body.shadow and not binding.body.shows
    out: list[Candidate] = []
    for number, reg in cluster.regs.items():
        told = number in link.fields and number in link.pushes and (unread or binding.body.knows(number))
        behind = told and not dominates(cluster.context_of(binding, number), reg.ctx)
        if reg.hold or behind or number in under_way:
            out += candidates_of(cluster, reg, number)
    return out


def close_if_empty(cluster: Cluster, entity: EntityRule, fp: Fingerprinter, effects: Effects) -> None:
    """A cluster without a live record is dead, and stays as a tombstone."""
    live = list(cluster.live())
    if cluster.state == ClusterState.DELETING and live:
        links = [entity.links.get(binding.system) for binding in live]
        if not any(link is not None and link.pushes for link in links):
            cluster.state = ClusterState.HELD
            cluster.changed = True
            _report(cluster, live[0], fp, effects, ReportKind.DELETE_VS_EDIT, ReportState.OPEN,
                    f"deleted elsewhere; the link to {live[0].system} only reads, so it stays there")  # fmt: skip
        return
    if cluster.state != ClusterState.DEAD and not live:
        if not cluster.bindings or any(attempt.op == "create" for attempt in cluster.attempts):
            return
        if cluster.state == ClusterState.HELD and not _was_seen_whole(cluster, entity):
            # What nobody who deleted a record of it had seen is lost with it: a person decides, as before.
            return
        cluster.state = ClusterState.DEAD
        cluster.changed = True
        cluster.rescan = True
        effects.closed.extend(cluster.reports)
        effects.journal.append(Entry(cluster.id, "dead", None, 0, effects.cause))


def _was_seen_whole(cluster: Cluster, entity: EntityRule) -> bool:
    """Whether somebody who deleted a record had seen every edit."""
    known = (binding for binding in cluster.bindings if binding.system in entity.links)
    return any(not unseen(cluster, binding, entity) for binding in known)


def write(
    cluster: Cluster, number: int, value: object, fp: Fingerprinter, effects: Effects, kind: str = "choice"
) -> None:
    """An edit by a person or a rule of ours, who has seen everything: the actor (0, id of the cluster). It ends a
    freeze."""
    reg = cluster.regs.get(number)
    if reg is None:
        reg = cluster.regs[number] = Reg([], {})
    cluster.settle_contexts(number, reg, fp)
    actor = cluster.actor(0, cluster.id)
    n = reg.ctx.get(actor, 0) + 1
    reg.sibs = [Sib(actor, n, value, effects.at)]
    reg.ctx = {**reg.ctx, actor: n}
    reg.hold = Hold.NONE
    reg.recent = []
    frozen = (ReportKind.FROZEN, number)
    effects.closed.extend(digest for digest, known in cluster.reports.items() if known[:2] == frozen)
    cluster.edited.add(number)
    cluster.touched.add(number)
    cluster.changed = True
    effects.journal.append(
        Entry(cluster.id, kind, None, 0, effects.cause, [(number, cluster.id, n, value, effects.at)])
    )


def _report(
    cluster: Cluster, binding: Binding, fp: Fingerprinter, effects: Effects, kind: ReportKind,
    state: ReportState, text: str, lost: Sequence[Candidate] = (),
) -> None:  # fmt: skip
    dots = [dot for reg in cluster.regs.values() for c in candidates_of(cluster, reg) if (dot := c.dot) is not None]
    dots.append((binding.id, binding.incarnation, 0))
    effects.reports.append(
        Report(
            fp.of_dots(kind, cluster.id, None, dots),
            kind,
            cluster.id,
            None,
            state,
            list(lost),
            None,
            False,
            binding.system,
            text,
        )
    )
