"""Answer: what the outcome of a sent write proves about the record.

Only two things become a shadow: the record as the system says it is stored, or the declared stored form of
what it says it accepted; each with the context of the attempt, never with the register's context of now.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import msgspec

from . import versions
from .clocks import Ctx, dominates
from .cluster import Attempt, AttemptStatus, Binding, BindingBody, BindingState, Cluster, Shadow
from .effects import Effects, Entry, Quarantined, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .rules import EntityRule, FieldNumber, LinkRule, Value


class Image(msgspec.Struct, gc=False):
    """The record as the system says it is stored."""

    values: dict[FieldNumber, Value]
    """Canonical values; a field that was sent and came back as it was sent is left out."""
    digest: bytes
    version: object
    alone: bool = False
    """What was not sent is as it was at the version that the write named, and is left out."""


def accepted(
    cluster: Cluster,
    attempt: Attempt,
    ext_id: str,
    image: Image | None,
    link: LinkRule,
    entity: EntityRule,
    fp: Fingerprinter,
    effects: Effects,
    epoch: int,
    left_out: Mapping[FieldNumber, str] = {},
) -> Binding | None:
    """A write was applied. Returns the binding; None for a delete. `left_out`: fields that the system would not take
    of a new record, and why."""
    binding = _binding(cluster, attempt)
    if attempt.op == "delete":
        assert binding is not None
        cluster.end(attempt)
        end_binding(cluster, binding, epoch, effects.at)
        effects.journal.append(Entry(cluster.id, "delete", link.system, binding.id, effects.cause))
        return None
    if binding is None:
        binding = _created(cluster, attempt, ext_id, link)
        for number, reason in sorted(left_out.items()):
            block(cluster, binding, frozenset({number}), reason, ReportKind.REFUSED, link, fp, effects)
        if image is None or not link.creates_are_receipts:
            _adopt_later(cluster, attempt, binding, entity, effects, epoch)
            return binding
    binding.ext_id = ext_id
    binding.epoch = epoch
    binding.changed = True
    if _as_founded(cluster, attempt, binding, image):
        binding.body.shows = attempt.body.founded
        binding.body.wrote_at = effects.at
    else:
        cluster.spell_out(attempt, fp)
    body, regs = binding.body, cluster.regs
    for number, (expected, ctx, val, depth) in attempt.body.fields.items():
        digest = expected
        if image is not None and number in image.values:
            value = image.values[number]
            digest = fp(value)
            if number in entity.merged:
                val = value
        reg = regs.get(number)
        at_rest = reg is not None and (ctx is reg.ctx or dominates(ctx, reg.ctx))
        body.shadow[number] = Shadow(digest, None if at_rest else ctx, val, effects.at, depth)
        if not (binding.new and at_rest):
            cluster.touched.add(number)
    sent = attempt.body.owed
    if body.blocked:
        for number in body.blocked.keys() & set(sent):
            effects.released.append((link.system, link.object, binding.ext_id, number))
        body.blocked = {n: ctx for n, ctx in body.blocked.items() if n not in sent}
    gaps: list[FieldNumber] = []
    if link.counts_saves and attempt.op == "update":
        version = image.version if image is not None else None
        gaps = versions.answered(binding, attempt, link, image is not None, version)
    elif link.tells_saves and attempt.op == "update":
        versions.followed(binding, attempt, image is not None)
    _take_image(cluster, binding, attempt, image, link, entity, fp)
    for number in gaps:
        # What else was saved there is not known before the record is read.
        binding.digest = b""
        versions.overwritten(cluster, binding, number, binding.version, entity, fp, effects)
    cluster.end(attempt)
    cluster.rescan = True
    close_refusals(cluster, sent, attempt.op == "create", link, effects)
    effects.journal.append(
        Entry(
            cluster.id, "create" if attempt.op == "create" else "write", link.system, binding.id, effects.cause,
            _sent(cluster, attempt, sent, entity),
        )
    )  # fmt: skip
    return binding


def _as_founded(cluster: Cluster, attempt: Attempt, binding: Binding, image: Image | None) -> bool:
    """Whether a new record holds, field by field, what was founded and sent, and that still stands."""
    founded = attempt.body.founded
    if not founded or not binding.new or image is None or not cluster.body.founded.keys() >= set(founded):
        return False
    return image.values.keys().isdisjoint(founded)


def _created(cluster: Cluster, attempt: Attempt, ext_id: str, link: LinkRule) -> Binding:
    binding = Binding(
        attempt.id, cluster.id, link.system, link.object, ext_id, BindingBody({}),
        mapping=link.mapping_digest, new=True,
    )  # fmt: skip
    cluster.bindings = [*cluster.bindings, binding]
    return binding


def _adopt_later(
    cluster: Cluster, attempt: Attempt, binding: Binding, entity: EntityRule, effects: Effects, epoch: int
) -> None:
    """A create that answered without a trustworthy image binds the record; a reading by key then adopts it,
    with the create as a ghost, because the answer may describe an earlier attempt."""
    binding.epoch = epoch
    binding.changed = True
    creates = [a for a in cluster.attempts if a.op == "create" and a.system == attempt.system]
    named = set(attempt.body.numbers)
    for create in creates:
        named &= set(create.body.numbers)
        create.binding_id = binding.id
        create.status = AttemptStatus.UNKNOWN
        create.gave_up_at = create.gave_up_at or effects.at
    cluster.marked = [*cluster.marked, *(create.id for create in creates)]
    binding.body.sent = sorted(named)
    cluster.rescan = True
    effects.journal.append(
        Entry(
            cluster.id,
            "create",
            attempt.system,
            binding.id,
            effects.cause,
            _sent(cluster, attempt, attempt.body.numbers, entity),
        )
    )


def _sent(
    cluster: Cluster, attempt: Attempt, numbers: Iterable[FieldNumber], entity: EntityRule
) -> list[tuple[Any, ...]]:
    """Fields of a write for the journal: each with the edits that the write knew of, where its register has moved on
    since the write was noted, and with its value, where that is made of many edits."""
    regs, fields = cluster.regs, attempt.body.fields
    out: list[tuple[Any, ...]] = []
    for number in numbers:
        # What is sent as it was founded is written out before its register moves.
        _fp, ctx, value, _depth = fields.get(number) or (b"", None, None, 0)
        reg = regs.get(number) if ctx is not None else None
        overtaken = ctx is not None and reg is not None and ctx is not reg.ctx and not dominates(ctx, reg.ctx)
        known = cluster.dots(ctx) if ctx is not None and overtaken else None
        if number in entity.merged and number in fields:
            out.append((number, known, value))
        else:
            out.append((number,) if known is None else (number, known))
    return out


def _take_image(
    cluster: Cluster,
    binding: Binding,
    attempt: Attempt,
    image: Image | None,
    link: LinkRule,
    entity: EntityRule,
    fp: Fingerprinter,
) -> None:
    """What an image says of the fields that were not written: the digest is kept only if it is nothing new."""
    if image is None:
        binding.digest = b""
        return
    binding.version = image.version
    if image.alone:
        # A row that was to be read again still is.
        binding.digest = image.digest if binding.digest else b""
        return
    binding.digest = image.digest
    for number in link.fields.difference(attempt.body.fields, attempt.body.founded):
        if number not in image.values:
            binding.digest = b""
        elif number in binding.body.blocked and attempt.op == "create" and not entity.fields[number].consent:
            # What the system put in the place of a value that it would not take is nobody's edit.
            value = image.values[number]
            kept = value if number in entity.merged else None
            binding.body.shadow[number] = Shadow(fp(value), {}, kept)
            cluster.touched.add(number)
        elif (same := cluster.shows(binding, number, image.values[number], fp)) is not None:
            if not same:
                binding.digest = b""
        elif image.values[number] is None and attempt.op == "create":
            if number in cluster.regs:
                binding.body.shadow[number] = Shadow(fp.blank, {})
                cluster.touched.add(number)
            else:
                binding.body.shows = [*binding.body.shows, number]
        else:
            binding.digest = b""


_REFUSALS = frozenset({ReportKind.REFUSED, ReportKind.CLASH})
"""The last one says why a field or a record is not written."""
_OVER_WHEN_WRITTEN = _REFUSALS | {ReportKind.OPT_IN_HELD, ReportKind.POSSIBLE_DUPLICATE}


def close_refusals(
    cluster: Cluster, numbers: Container[FieldNumber], record: bool, link: LinkRule, effects: Effects
) -> None:
    """What was refused before and is written now is no longer a matter for a person; `record`: nor that it could
    not be made."""
    if record and link.system in cluster.body.stopped:
        cluster.body.stopped = {s: at for s, at in cluster.body.stopped.items() if s != link.system}
        cluster.changed = True
    for digest, (kind, field, system) in cluster.reports.items():
        if system == link.system and kind in _OVER_WHEN_WRITTEN:
            if field in numbers or (field is None and record):
                effects.closed.append(digest)


def end_binding(
    cluster: Cluster, binding: Binding, epoch: int, at: int, state: BindingState = BindingState.GONE
) -> None:
    """The record is gone, or lives on in another one: its slot stays used, and its writes of unknown outcome end. `at`:
    since when that is known, in microseconds."""
    binding.state = state
    binding.epoch = epoch
    binding.last_read_at = max(binding.last_read_at, at)
    binding.changed = True
    if binding.suspect_since:
        binding.suspect_since = 0
        binding.suspected = True
    for attempt in list(cluster.attempts):
        if attempt.binding_id == binding.id:
            cluster.end(attempt)
    cluster.touched.update(binding.body.shadow, binding.body.shows)
    cluster.rescan = True


def not_applied(cluster: Cluster, attempt: Attempt, epoch: int) -> None:
    """A definite answer that nothing was changed (stale, missing, throttled before any effect)."""
    binding = _binding(cluster, attempt)
    if binding is not None:
        binding.epoch = epoch
        binding.changed = True
    cluster.end(attempt)
    cluster.rescan = True


def unknown(cluster: Cluster, attempt: Attempt, at: int, epoch: int) -> None:
    """Nobody knows: the attempt becomes a ghost."""
    binding = _binding(cluster, attempt)
    if binding is not None:
        binding.epoch = epoch
        binding.changed = True
    attempt.status = AttemptStatus.UNKNOWN
    attempt.gave_up_at = at
    cluster.marked = [*cluster.marked, attempt.id]
    cluster.rescan = True


def refused(
    cluster: Cluster,
    attempt: Attempt,
    numbers: frozenset[FieldNumber],
    reason: str,
    kind: ReportKind,
    link: LinkRule,
    fp: Fingerprinter,
    effects: Effects,
    epoch: int,
) -> None:
    """A definite refusal: these fields (none: all that were sent) wait until their registers have moved on from it."""
    cluster.spell_out(attempt, fp)
    binding, fields, owed = _binding(cluster, attempt), attempt.body.fields, frozenset(attempt.body.owed)
    not_applied(cluster, attempt, epoch)
    sent = {number: fields[number][1] for number in owed}
    block(cluster, binding, numbers & owed or owed, reason, kind, link, fp, effects, sent)


def block(
    cluster: Cluster,
    binding: Binding | None,
    numbers: frozenset[FieldNumber],
    reason: str,
    kind: ReportKind,
    link: LinkRule,
    fp: Fingerprinter,
    effects: Effects,
    sent: Mapping[FieldNumber, Ctx] = {},
) -> None:
    """Keep fields, or a create, from being sent again while the registers stay as they are, or as they were `sent`."""
    if binding is None:
        stopped = fp({number: sent.get(number, ctx) for number, ctx in cluster.contexts(link.pushes).items()})
        cluster.body.stopped = {**cluster.body.stopped, link.system: stopped}
        cluster.changed = True
    else:
        at = {number: sent.get(number, cluster.regs[number].ctx) for number in numbers if number in cluster.regs}
        binding.body.blocked = {**binding.body.blocked, **at}
        binding.changed = True
        for number in sorted(at):
            effects.quarantined.append(
                Quarantined(link.system, link.object, binding.ext_id, number, "refused", reason, None, [], cluster.id)
            )
    cluster.rescan = True
    for field in sorted(numbers) if binding is not None else [None]:
        concerned = link.pushes if field is None else (field,)
        dots = [dot for ctx in cluster.contexts(concerned).values() for dot in cluster.dots(ctx)]
        digest = fp.of_dots(f"{kind}:{link.system}", cluster.id, field, dots)
        for known, about in cluster.reports.items():
            if known != digest and about[0] in _REFUSALS and about[1:] == (field, link.system):
                effects.closed.append(known)
        effects.reports.append(
            Report(digest, kind, cluster.id, field, ReportState.OPEN, [], None, False, link.system, reason)
        )
    effects.journal.append(
        Entry(
            cluster.id, "refused", link.system, binding.id if binding else 0, effects.cause,
            [(number,) for number in sorted(numbers)],
        )
    )  # fmt: skip


def _binding(cluster: Cluster, attempt: Attempt) -> Binding | None:
    for binding in cluster.bindings:
        if binding.id == attempt.binding_id:
            return binding
    return None
