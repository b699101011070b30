"""Versions: what the counter of a record says about saves that nobody has seen.

A system that shows a counter and does not enforce it takes a write of ours on top of a save that came after our last
look. Each save counts one up, so that a gap tells of it afterwards: what was in between is gone, and is reported. Gaps
are judged by field, since a reading may leave fields out.

Versions that are only equal or not (`unique`) tell of saves, too, and not how many: after a write of ours whose answer
did not tell the version it made, the next one that is read is taken for ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from .candidates import candidates_of
from .cluster import Attempt, Binding, Cluster
from .effects import Act, Effects, Entry, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .policies import resolve
from .reading import Reading
from .register import Reg, Sib, put
from .rules import CONSENT_OUT, EntityRule, FieldNumber, LinkRule


def known(binding: Binding, number: FieldNumber) -> object:
    """The version in which a field of the record was last known."""
    return binding.body.versions.get(number, binding.version)


def newer(binding: Binding, link: LinkRule, reading: Reading, numbers: Iterable[FieldNumber]) -> frozenset[FieldNumber]:
    """Those of some fields that the reading shows in a version which nothing of ours explains."""
    version = reading.version
    if version is None or (version == binding.version and not binding.body.versions):
        return frozenset()
    return frozenset(
        number for number in numbers if number in reading.values and _is_newer(known(binding, number), version, link)
    )


def _is_newer(last: object, version: object, link: LinkRule) -> bool:
    if not link.counts_saves:
        return last is not None and version != last
    return isinstance(last, int) and isinstance(version, int) and version > last


def covered(binding: Binding, ghosts: Iterable[Attempt], reading: Reading) -> list[FieldNumber]:
    """Fields of which one of our writes may lie on a save that nobody saw, in order: one without an answer, or one
    whose answer told no version."""
    written = binding.body.written
    sent = {number for ghost in ghosts if ghost.op == "update" for number in ghost.body.numbers}
    out = []
    for number in sorted(sent.union(written)):
        if number in reading.values or number in reading.invalid:
            # A write that was answered is counted already.
            ours = 0 if number in written else 1
            if _gap(known(binding, number), reading.version, ours):
                out.append(number)
    return out


def read(binding: Binding, link: LinkRule, reading: Reading, absent: list[FieldNumber], takes: bool) -> None:
    """Before the binding takes over the version of a reading (`takes`), or does not: which fields it has shown."""
    body, version = binding.body, reading.version
    if not isinstance(version, int | bytes) or (not absent and not body.versions and not body.written):
        return
    versions = {number: last for number in absent if isinstance(last := known(binding, number), int | bytes)}
    if not takes:
        versions |= dict.fromkeys(link.fields.difference(absent), version)
    now = version if takes else binding.version
    versions = {number: last for number, last in sorted(versions.items()) if last != now}
    written = [number for number in body.written if number in absent]
    if versions != body.versions or written != body.written:
        body.versions, body.written = versions, written
        binding.changed = True


def answered(binding: Binding, attempt: Attempt, link: LinkRule, told: bool, version: object) -> list[FieldNumber]:
    """An update was answered, with the version that it made if it `told` one.

    Notes which fields are known in it. Returns the written fields whose write may lie on a save that nobody saw.
    """
    body, sent = binding.body, attempt.body.numbers
    enforced = link.condition == "enforced"
    if enforced and told and not body.versions:
        return []
    before = {number: last for number in sorted(link.fields) if isinstance(last := known(binding, number), int)}
    latest = max(before.values(), default=0)
    if not told:
        # Ours is the next save, or somebody was faster: the next reading tells.
        body.versions = {**{number: last + (last == latest) for number, last in before.items()}}
        if not enforced:
            body.written = sorted({*body.written, *sent})
        return []
    gaps = [] if enforced else [number for number in sent if _gap(before.get(number), version, 1, exact=True)]
    after: dict[FieldNumber, int | bytes] = {}
    for number, last in before.items():
        followed = last == attempt.base_version if enforced else not _gap(last, version, 1, exact=True)
        if number not in sent and not followed:
            after[number] = last
    body.versions = after
    body.written = [number for number in body.written if number not in sent]
    return gaps


def followed(binding: Binding, attempt: Attempt, told: bool) -> None:
    """An update was answered where versions are only equal or not, with the one that it made if it `told` one: what
    was known in the version that the write was based on is known in that one."""
    body = binding.body
    if told:
        body.versions = {number: last for number, last in body.versions.items() if not attempt.body.names(number)}
    else:
        body.versions, binding.version = {}, None


def _gap(last: object, version: object, ours: int, *, exact: bool = False) -> bool:
    """Whether others saved between two versions, of which `ours` saves were our own (`exact`: neither more nor less).

    Where a version is no number, nobody can tell.
    """
    if not isinstance(last, int) or not isinstance(version, int):
        return True
    return version - last != ours if exact else version - last > ours


def overwritten(
    cluster: Cluster,
    binding: Binding,
    number: FieldNumber,
    version: object,
    entity: EntityRule,
    fp: Fingerprinter,
    effects: Effects,
    *,
    lowers: bool = True,
) -> None:
    """Somebody saved between two versions, and a write of ours may have covered it: reported, whatever the values say.

    What was covered of a consent is taken for an opt-out (`lowers`), which nobody has seen, this record included.
    """
    reg, rule = cluster.regs.get(number), entity.fields.get(number)
    if reg is None or rule is None:
        return
    if lowers and rule.consent and number in entity.links[binding.system].pulls:
        _assume_opt_out(cluster, binding, number, reg, fp, effects)
    candidates = candidates_of(cluster, reg)
    dots = [candidate.dot for candidate in candidates if candidate.dot is not None]
    digest = fp.of_dots(f"{ReportKind.POSSIBLE_OVERWRITE}:{binding.system}:{version}", cluster.id, number, dots)
    choice = resolve(cluster, reg, rule, entity)
    text = f"{binding.system} was saved between our last look and our write, which may have covered an edit"
    effects.reports.append(
        Report(
            digest, ReportKind.POSSIBLE_OVERWRITE, cluster.id, number, ReportState.OPEN, candidates, choice.value,
            choice.decided, binding.system, text,
        )
    )  # fmt: skip


def _assume_opt_out(
    cluster: Cluster, binding: Binding, number: FieldNumber, reg: Reg, fp: Fingerprinter, effects: Effects
) -> None:
    """An opt-out that is concurrent to everything: nobody knows what its author had seen."""
    cluster.settle_contexts(number, reg, fp)
    actor = cluster.actor(binding.id, binding.incarnation)
    n = reg.ctx.get(actor, 0) + 1
    put(reg, {}, Sib(actor, n, CONSENT_OUT, effects.at))
    dot = (binding.id, binding.incarnation, n)
    effects.acts.append(Act(cluster.id, number, dot, CONSENT_OUT, binding.system, "assumed", None, effects.at))
    row = (number, binding.incarnation, n, CONSENT_OUT, effects.at)
    effects.journal.append(Entry(cluster.id, "edit", binding.system, binding.id, effects.cause, [row]))
    binding.incarnation += 1
    binding.changed = True
    cluster.changed = True
    cluster.edited.add(number)
    cluster.touched.add(number)
