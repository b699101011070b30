"""Observe: what one reading of one record says.

Every mapped field of the reading is compared with the binding's shadow. What differs, and is not our own
write coming back, is somebody's edit and gets a new dot whose context is what the record was known to
hold: that, and no clock, says what its author had seen.

Implements section "Observe" of the design: first sight, nothing happened, receipt of a ghost, edit, in
this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from . import versions
from .arrival import refusal
from .candidates import candidates_of
from .clocks import Ctx, dominates, minimum
from .cluster import PLAIN, UNREADABLE, Attempt, Binding, Cluster, ClusterState, Shadow
from .counter import put_step, step
from .effects import Act, Altered, Candidate, Effects, Entry, Quarantined, Report, ReportKind, ReportState
from .fingerprint import Fingerprinter
from .freeze import DEEPEST, fights, remember
from .policies import resolve
from .reading import Reading
from .register import Hold, Reg, Sib, put, put_elements
from .rules import CONSENT_IN, CONSENT_OUT, EntityRule, FieldNumber, FieldRule, LinkRule, Policy, Value

MAX_SIBLINGS = 16
"""Concurrent values of one field; more freeze it."""
_OWN_FIRST_CONTACT = frozenset(
    {Policy.AUTHORITY, Policy.MOST_RESTRICTIVE, Policy.MOST_PERMISSIVE, Policy.UNION, Policy.COUNTER}
)


class Observer:
    """One record's observation: the cluster, the binding, the rules and the effects that all steps need."""

    __slots__ = (
        "binding",
        "cluster",
        "contact",
        "effects",
        "entity",
        "entry",
        "fp",
        "ghosts",
        "late",
        "link",
        "reading",
        "renewed",
    )

    def __init__(
        self,
        cluster: Cluster,
        binding: Binding,
        reading: Reading,
        entity: EntityRule,
        fp: Fingerprinter,
        effects: Effects,
        contact: bool = False,
    ) -> None:
        self.contact = contact
        """The record joins a cluster that other records made."""
        self.cluster = cluster
        self.binding = binding
        self.reading = reading
        self.entity = entity
        self.link: LinkRule = entity.links[binding.system]
        self.fp = fp
        self.effects = effects
        self.ghosts = cluster.ghosts(binding)
        for ghost in self.ghosts:
            cluster.spell_out(ghost, fp)
        self.entry: Entry | None = None
        self.renewed: frozenset[FieldNumber] = frozenset()
        """Consents that the reading shows in a newer version: an opt-out among them counts anew."""
        self.late: list[Candidate] | None = [] if cluster.state == ClusterState.DELETING else None
        """While a delete is carried out: edits that it does not know of."""

    def run(self) -> None:
        """Observe all fields, then take over what the reading proves about the record."""
        binding, reading, fp = self.binding, self.reading, self.fp
        body = binding.body
        quiet = not self.ghosts and not body.blocked
        if self.ghosts and self.link.condition == "none":
            self._unknown_opt_ins()
        if self.link.tells_saves and self.late is None:
            # Between two readings somebody may have opted in, and out again.
            newer = versions.newer(binding, self.link, reading, self.entity.consents & self.link.pulls)
            self.renewed = frozenset(number for number in newer if not self._is_one_save_of_another_field(number))
        covered = versions.covered(binding, self.ghosts, reading) if self.link.condition == "visible" else ()
        rebase = bool(binding.mapping) and binding.mapping != self.link.mapping_digest
        if rebase and binding.digest == reading.digest:
            self._rebase()
        else:
            founded, shows = self.cluster.body.founded, frozenset(body.shows)
            for number, value in reading.values.items():
                quiet_here = quiet and number not in self.renewed
                if quiet_here and number in shows and number in founded and type(value) in PLAIN:
                    known = founded[number]
                    if value == known and type(value) is type(known):
                        continue
                shadow = self.cluster.shadow(self.binding, number, fp)
                if shadow is not None and quiet_here and fp(value) == shadow.fp:
                    if shadow.ctx is not None:
                        self._acknowledge(number, shadow)
                    continue
                self._field(number, value, shadow)
        for number, (digest, reason, raw) in reading.invalid.items():
            self.invalid(number, digest, reason, raw)
        for number in covered:
            lowers = reading.values.get(number) != CONSENT_OUT  # which has counted anew by itself
            versions.overwritten(
                self.cluster, binding, number, reading.version, self.entity, fp, self.effects, lowers=lowers
            )
        if self.late:
            self._hold_delete(self.late)
        self.absorb()
        if self.ghosts:
            self._end_ghosts()

    # One field

    def _field(self, number: FieldNumber, value: Value, shadow: Shadow | None) -> None:
        rule = self.entity.fields[number]
        digest = self.fp(value)
        hits = [ghost for ghost in self.ghosts if number in ghost.body.fields]
        matching = [ghost for ghost in hits if ghost.body.fields[number][0] == digest]
        self._heal(number)
        if shadow is None and not matching:
            self._first_sight(number, rule, value, digest)
        elif shadow is not None and digest == shadow.fp and not (number in self.renewed and value == CONSENT_OUT):
            if shadow.ctx is not None:
                self._acknowledge(number, shadow)
        elif matching and (shadow is None or digest != shadow.fp):
            self._receipt(number, rule, value, digest, shadow, matching)
        else:
            assert shadow is not None
            seen = self.cluster.context_of(self.binding, number)
            if hits:
                seen = minimum([seen, *(ghost.body.fields[number][1] for ghost in hits)])
            elif self._is_first_look(number, shadow):
                self._note_form(number, rule, value, shadow.fp, shadow.val)
            self._edit(number, rule, value, digest, shadow, seen)

    def _first_sight(self, number: FieldNumber, rule: FieldRule, value: Value, digest: bytes) -> None:
        """Nothing was known of this field here. A blank does not compete; anything else is concurrent to all, but for
        what stands where a new record's value was refused.

        In a record that one of our creates made, what differs from what was sent is an edit. If an answer
        proved the record ours, its author saw what one of the creates sent.
        """
        creates = [g for g in self.ghosts if g.op == "create" and number in g.body.fields]
        sent = self.binding.body.sent
        if creates and sent is not None:
            if number in sent and len(creates) == 1:
                expected, _ctx, kept, _depth = creates[0].body.fields[number]
                self._note_form(number, rule, value, expected, kept)
            seen = minimum([g.body.fields[number][1] for g in creates]) if number in sent else {}
            self._edit(number, rule, value, digest, None, seen)
        elif value is None or (number in self.binding.body.blocked and not rule.consent):
            # What the system put in the place of a value that it would not take is nobody's edit.
            self._shade(number, digest, {}, value if rule.merged else None)
        elif rule.policy is Policy.COUNTER and (reg := self.cluster.regs.get(number)) is not None and reg.sibs:
            if sent is not None and Decimal(step(None, value)):
                # Somebody may have counted in a record of ours before it was first read.
                self._report(ReportKind.UNCERTAIN, number, ReportState.SETTLED, "the record was new")
            self._overrule(number, rule, value, digest, "the first record gave what is counted from", 0)
        elif self.contact:
            self._contact(number, rule, value, digest)
        else:
            self._edit(number, rule, value, digest, None, {})

    def _contact(self, number: FieldNumber, rule: FieldRule, value: Value, digest: bytes) -> None:
        """First contact: two records that existed before may differ, and no history says who is right."""
        cluster, mode = self.cluster, self.entity.first_contact
        reg = cluster.regs.get(number)
        known = [] if reg is None else [sib for sib in reg.sibs if sib.val is not None]
        if (
            reg is None
            or not known
            or all(sib.val == value for sib in known)
            or rule.policy in _OWN_FIRST_CONTACT
            or number not in self.link.pulls
        ):
            self._edit(number, rule, value, digest, None, {})
        elif mode == self.link.system:
            lost = candidates_of(cluster, reg)
            self._edit(number, rule, value, digest, None, reg.ctx)
            why = f"first contact: {mode} counts"
            self._report(ReportKind.OVERRULED, number, ReportState.SETTLED, why, lost)
        elif cluster.binding_in(mode) is not None:
            self._overrule(number, rule, value, digest, f"first contact: {mode} counts", 0)
        elif mode == "newest" and self._dated(known):
            self._edit(number, rule, value, digest, None, {})
        elif all(self._agree(number, rule, sib.val, value) for sib in known):
            # It holds the same in a form of its own, as after a write that it stored so.
            self._shade(number, digest, None)
        else:
            self._edit(number, rule, value, digest, None, {})
            reg.hold = reg.hold or (Hold.APART if mode == "fill_blanks" else Hold.MANUAL)

    def _agree(self, number: FieldNumber, rule: FieldRule, one: Value, other: Value) -> bool:
        """Whether two values are one key in two spellings: nobody has to choose between them, and none is better."""
        if other is None or not any(number in numbers for numbers in self.entity.identify):
            return False
        return self.entity.match_text(rule.type, one) == self.entity.match_text(rule.type, other)

    def _dated(self, known: list[Sib]) -> bool:
        """Whether all sides say when they were edited."""
        if self.reading.edited_at is None:
            return False
        links = self.entity.links
        origins = [self.cluster.origin(sib.actor) for sib in known]
        return all(system is None or (system in links and links[system].has_edited_at) for system in origins)

    def _receipt(
        self,
        number: FieldNumber,
        rule: FieldRule,
        value: Value,
        digest: bytes,
        shadow: Shadow | None,
        matching: list[Attempt],
    ) -> None:
        """The value is one that we tried to write: it was applied, and is nobody's edit."""
        seen = minimum([ghost.body.fields[number][1] for ghost in matching])
        before = self.cluster.context_of(self.binding, number)
        depth = max(ghost.body.fields[number][3] for ghost in matching)
        if rule.consent and value == CONSENT_OUT and shadow is not None:
            # An opt-out that equals a ghost's may still be the person's own: it counts as one.
            self._edit(number, rule, value, digest, shadow, before)
            return
        back = not dominates(seen, before)
        if back:
            self._bump()
        if shadow is not None and (rule.policy is Policy.COUNTER or (rule.policy is Policy.UNION and back)):
            # A person's own step or removal may have led to the same value.
            self._report(ReportKind.UNCERTAIN, number, ReportState.SETTLED, "a write was under way")
        kept = value if rule.merged else None
        self._shade(number, digest, seen, kept, wrote_at=self.effects.at, depth=depth)
        self.binding.digest = b""

    def _edit(
        self,
        number: FieldNumber,
        rule: FieldRule,
        value: Value,
        digest: bytes,
        shadow: Shadow | None,
        seen: Ctx,
    ) -> None:
        """Somebody changed it here, having seen `seen`: a new dot, unless the policy refuses it on arrival."""
        cluster, binding = self.cluster, self.binding
        reg = cluster.regs.get(number)
        reaction = 0
        if shadow is not None and shadow.depth >= 0:
            if self.effects.at - shadow.wrote_at < self.entity.reaction_us:
                reaction = shadow.depth + 1
        why = refusal(cluster, self.link, rule, value, reg, seen)
        if why is not None:
            self._overrule(number, rule, value, digest, why, reaction)
            return
        if reg is None:
            reg = cluster.regs[number] = Reg([], {})
        narrower = shadow is not None and not dominates(seen, cluster.context_of(binding, number))
        actor = cluster.actor(binding.id, binding.incarnation)
        if narrower or seen.get(actor, 0) < reg.ctx.get(actor, 0):
            # The next dot of the same actor would claim, by its number, dots that its author never saw.
            self._bump()
            actor = cluster.actor(binding.id, binding.incarnation)
        cluster.settle_contexts(number, reg, self.fp)
        before = self._winner(number, reg) if reaction else b""
        n = reg.ctx.get(actor, 0) + 1
        ts = self._time()
        if rule.policy is Policy.UNION:
            added, removed = self._difference(number, value, shadow)
            put_elements(reg, seen, Sib(actor, n, sorted(added), ts, reaction), removed)
        elif rule.policy is Policy.COUNTER:
            put_step(reg, Sib(actor, n, self._step(number, value, shadow), ts, reaction))
        else:
            if reg.hold == Hold.APART:
                reg.hold = Hold.NONE
            put(reg, seen, Sib(actor, n, value, ts, reaction))
        context = {**seen, actor: n}
        kept = value if rule.merged else None
        if shadow is not None and value is None:
            self.effects.blanked.add((cluster.id, number))
        elif shadow is not None and shadow.fp == self.fp.blank:
            self.effects.refilled.add((cluster.id, number))
        self._shade(number, digest, None if context == reg.ctx else context, kept)
        cluster.edited.add(number)
        cluster.changed = True
        self._freeze(number, rule, reg, value, digest, reaction, before)
        self._journal(number, n, value, ts)
        if rule.consent:
            self._evidence(number, n, value)
        if self.late is not None:
            self.late += candidates_of(cluster, reg, number)

    def _freeze(
        self, number: FieldNumber, rule: FieldRule, reg: Reg, value: Value, digest: bytes, reaction: int, before: bytes
    ) -> None:
        """After an edit: stop what systems do to each other, and what has too many versions to be kept in mind."""
        if reaction:
            remember(reg, reaction, [before])
        fight = fights(reg, rule, value, digest, reaction)
        remember(reg, reaction, [self._winner(number, reg)] if reaction else [])
        if reg.hold == Hold.FROZEN:
            frozen = (ReportKind.FROZEN, number)
            known = next((digest for digest, known in self.cluster.reports.items() if known[:2] == frozen), None)
            if known is not None:
                # It is the same fight: counted, and later over by itself.
                report = Report(known, ReportKind.FROZEN, self.cluster.id, number, ReportState.OPEN)
                self.effects.reports.append(report)
        elif fight:
            reg.hold = Hold.FROZEN
            self._report(ReportKind.FROZEN, number, ReportState.OPEN, "systems rewrite each other's values")
        elif len(reg.sibs) > MAX_SIBLINGS and not rule.merged and reg.differ():
            reg.hold = Hold.FROZEN
            self._report(ReportKind.FROZEN, number, ReportState.OPEN, "more than 16 concurrent values")

    def _winner(self, number: FieldNumber, reg: Reg) -> bytes:
        return self.fp(resolve(self.cluster, reg, self.entity.fields[number], self.entity).value)

    def _is_one_save_of_another_field(self, number: FieldNumber) -> bool:
        """Whether the record was saved just once since a consent was last known, and that was about something else:
        nobody can have opted in and out again in one save."""
        binding, reading, entity = self.binding, self.reading, self.entity
        last, version = versions.known(binding, number), reading.version
        if not self.link.counts_saves or not isinstance(last, int) or version != last + 1:
            return False
        return any(
            other not in entity.consents
            and versions.known(binding, other) == last
            and self.cluster.shows(binding, other, value, self.fp) is False
            for other, value in reading.values.items()
        )

    def _is_first_look(self, number: FieldNumber, shadow: Shadow) -> bool:
        """Whether a write of ours is what happened last, no answer or reading showed what became of it, and as far as
        versions tell nobody saved since."""
        binding = self.binding
        if self.link.returns_image or binding.digest or shadow.depth < 0 or shadow.ctx == {}:
            return False
        if binding.last_read_at > shadow.wrote_at:
            return False
        return not self.link.counts_saves or versions.known(binding, number) == self.reading.version

    def _note_form(self, number: FieldNumber, rule: FieldRule, value: Value, expected: bytes, kept: Value) -> None:
        """A value came back in another form than it was sent: an edit like any other, and perhaps what the system does
        to all that it is sent."""
        reg = self.cluster.regs.get(number)
        if reg is None:
            return
        back = Candidate(value, self.binding.id, self.binding.system, None, self._time(), self.effects.at)
        for known in candidates_of(self.cluster, reg):
            sent = kept if rule.merged else known.value
            stored = sent if rule.merged or self.link.stored is None else self.link.stored(number, sent)
            if self.fp(stored) == expected:
                known.value = sent
                altered = Altered(self.cluster.id, self.binding.system, number, known, back)
                self.effects.altered.append(altered)
                return

    def _difference(
        self, number: FieldNumber, value: Value, shadow: Shadow | None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Elements that came and went. What a write of unknown outcome explains is nobody's edit."""
        before = frozenset(shadow.val or ()) if shadow is not None else self._created_with(number)
        now = frozenset(value or ())
        added, removed = now - before, before - now
        for ghost in self.ghosts:
            if number in ghost.body.fields:
                sent = frozenset(ghost.body.fields[number][2] or ())
                added, removed = added - sent, removed & sent
                self._report(ReportKind.UNCERTAIN, number, ReportState.SETTLED, "a write was under way")
        return added, removed

    def _step(self, number: FieldNumber, value: Value, shadow: Shadow | None) -> Value:
        """By how much a counter moved. While a write of ours may or may not have landed, the smaller step is taken."""
        ghosts = [ghost.body.fields[number][2] for ghost in self.ghosts if number in ghost.body.fields]
        if ghosts:
            self._report(ReportKind.UNCERTAIN, number, ReportState.SETTLED, "a write was under way")
        bases = [shadow.val, *ghosts] if shadow is not None else ghosts or [None]
        return min((step(base, value) for base in bases), key=lambda by: (abs(Decimal(by)), Decimal(by)))

    def _created_with(self, number: FieldNumber) -> frozenset[str]:
        """Elements that a record began with, where an answer proved that one of our creates made it."""
        if number not in (self.binding.body.sent or ()):
            return frozenset()
        sent = [ghost.body.fields[number][2] or () for ghost in self.ghosts if number in ghost.body.fields]
        return frozenset.intersection(*map(frozenset, sent)) if sent else frozenset()

    # Arrival rules

    def _overrule(
        self, number: FieldNumber, rule: FieldRule, value: Value, digest: bytes, why: str, reaction: int
    ) -> None:
        kept = value if rule.merged else None
        reg = self.cluster.regs.get(number)
        self._shade(number, digest, {}, kept, self.effects.at, reaction)
        shadow = self.binding.body.shadow[number]
        if reg is not None and self._shows_winner(number, reg, digest):
            if shadow.ctx is not None:
                self._acknowledge(number, shadow)
            return
        binding = self.binding
        if reg is not None and reaction > DEEPEST and reg.hold != Hold.FROZEN and not rule.consent:
            reg.hold = Hold.FROZEN
            self.cluster.edited.add(number)
            self.cluster.changed = True
            self._report(ReportKind.FROZEN, number, ReportState.OPEN, f"{binding.system} rewrites what it is sent")
        lost = Candidate(value, binding.id, binding.system, None, self._time(), self.effects.at)
        self._report(ReportKind.OVERRULED, number, ReportState.SETTLED, why, [lost])
        self._note("overruled", (number, self.binding.incarnation, 0, value, self._time()))
        if self.late is not None:
            self.late.append(msgspec.structs.replace(lost, field=number))

    def _hold_delete(self, lost: list[Candidate]) -> None:
        self.cluster.state = ClusterState.HELD
        self.cluster.changed = True
        self._report(
            ReportKind.DELETE_VS_EDIT,
            None,
            ReportState.OPEN,
            f"edited in {self.binding.system} after it was deleted elsewhere",
            lost,
        )

    # Shadows, incarnations, acknowledgement

    def _shade(
        self,
        number: FieldNumber,
        digest: bytes,
        ctx: Ctx | None,
        val: Value = None,
        wrote_at: int = 0,
        depth: int = -1,
    ) -> None:
        if ctx is not None:
            reg = self.cluster.regs.get(number)
            if dominates(ctx, reg.ctx if reg is not None else {}):
                ctx = None
        body = self.binding.body
        if number in body.shows:
            body.shows = [other for other in body.shows if other != number]
        body.shadow[number] = Shadow(digest, ctx, val, wrote_at, depth)
        self.binding.changed = True
        self.cluster.touched.add(number)

    def _bump(self) -> None:
        self.binding.incarnation += 1
        self.binding.changed = True

    def _acknowledge(self, number: FieldNumber, shadow: Shadow) -> None:
        """The record still shows what it did. If that is the winner, no write is needed.

        Only a reading that began after the winner was committed proves it.
        """
        cluster = self.cluster
        reg = cluster.regs.get(number)
        if reg is None or shadow.ctx is None or dominates(shadow.ctx, reg.ctx):
            return
        reading = self.reading
        if cluster.revision > reading.seq or reading.stale or number not in self.link.pushes:
            return
        if self._shows_winner(number, reg, shadow.fp):
            shadow.ctx = None
            self.binding.changed = True
            cluster.touched.add(number)

    def _shows_winner(self, number: FieldNumber, reg: Reg, digest: bytes) -> bool:
        choice = resolve(self.cluster, reg, self.entity.fields[number], self.entity)
        if not choice.decided:
            return False
        stored = self.link.stored
        return self.fp(choice.value if stored is None else stored(number, choice.value)) == digest

    # Invalid values, mapping changes

    def invalid(self, number: FieldNumber, digest: bytes, reason: str, raw: str) -> None:
        """Present and untranslatable: known to be there, no edit, nothing written until the raw value changes."""
        binding = self.binding
        shadow = binding.body.shadow.get(number)
        if shadow is not None and shadow.fp == digest and number in binding.body.blocked:
            return
        context = self.cluster.context_of(binding, number)
        self._shade(number, digest, context, shadow.val if shadow is not None else None)
        binding.body.blocked = {**binding.body.blocked, number: dict(UNREADABLE)}
        self.effects.quarantined.append(
            Quarantined(
                binding.system,
                binding.object,
                binding.ext_id,
                number,
                "invalid",
                reason,
                raw,
                [],
                self.cluster.id,
            )
        )

    def _heal(self, number: FieldNumber) -> None:
        """A field that could not be read can be read again."""
        blocked = self.binding.body.blocked
        if blocked.get(number) == UNREADABLE:
            self.binding.body.blocked = {key: ctx for key, ctx in blocked.items() if key != number}
            self.binding.changed = True
            self.effects.released.append((self.binding.system, self.binding.object, self.binding.ext_id, number))

    def _rebase(self) -> None:
        """The row is as it was and our reading of it changed: the shadows follow, and nobody edited anything."""
        for number, value in self.reading.values.items():
            shadow = self.cluster.shadow(self.binding, number, self.fp)
            digest = self.fp(value)
            if shadow is None:
                self._field(number, value, None)
            elif shadow.fp != digest:
                self._heal(number)
                kept = value if number in self.entity.merged else None
                self._shade(number, digest, self.cluster.context_of(self.binding, number), kept)

    def absorb(self) -> None:
        """What the reading proves about the whole record: it is there, in this version, as of its begin."""
        binding, reading = self.binding, self.reading
        if binding.suspect_since:
            binding.suspect_since = 0
            binding.suspected = True
            self.cluster.rescan = True
        absent = self.absent
        takes = not absent or absent == binding.body.absent
        if self.link.tells_saves:
            versions.read(binding, self.link, reading, absent, takes)
        if takes:
            if binding.digest != reading.digest or binding.version != reading.version:
                self.cluster.rescan = self.cluster.rescan or bool(absent)
                binding.digest, binding.version = reading.digest, reading.version
                binding.changed = True
        elif binding.digest:
            # A field that nobody looked at must not be vouched for by the next write's precondition.
            binding.digest = b""
            binding.changed = True
        if binding.body.absent != absent:
            binding.body.absent = absent
            binding.changed = True
            self.cluster.rescan = True
        if binding.mapping != self.link.mapping_digest:
            binding.mapping = self.link.mapping_digest
            binding.changed = True
        if binding.changed:
            binding.last_read_at = max(binding.last_read_at, reading.began_at)

    def _unknown_opt_ins(self) -> None:
        """An opt-in whose outcome nobody knows may have covered an opt-out that nobody will ever see."""
        given = self.fp(CONSENT_IN)
        reported = {field for kind, field, _ in self.cluster.reports.values() if kind == ReportKind.POSSIBLE_OVERWRITE}
        sent = {number for ghost in self.ghosts for number, field in ghost.body.fields.items() if field[0] == given}
        for number in sorted((sent & self.entity.consents) - reported):
            text = f"{self.link.system} did not answer to an opt-in; it may have covered an opt-out"
            self._report(ReportKind.POSSIBLE_OVERWRITE, number, ReportState.OPEN, text)

    def _end_ghosts(self) -> None:
        """A reading that began when none of our writes can land any more says how they all ended."""
        reading, link = self.reading, self.link
        if not (reading.by_id or link.pull_is_reading) or reading.stale:
            return
        absent = self.absent
        for ghost in self.ghosts:
            newer = (
                link.condition == "enforced"
                and link.version_order == "counter"
                and isinstance(reading.version, int)
                and isinstance(ghost.base_version, int)
                and reading.version > ghost.base_version
            )
            late = reading.began_at > ghost.gave_up_at + link.late_us
            # Until a reading shows all that was sent, nobody knows whether it landed, whatever can land no more.
            if (newer or late) and ghost.body.fields.keys().isdisjoint(absent):
                self._doubt(ghost)
                self.cluster.end(ghost)
                self.cluster.rescan = True

    def _doubt(self, ghost: Attempt) -> None:
        """A set or a counter that is as it was before a write: it never landed, or somebody took it back since."""
        now, base = self.reading.version, ghost.base_version
        if isinstance(now, int) and isinstance(base, int):
            saved_since = now > base + 1  # by the write, and by somebody else
        else:
            saved_since = now != base or self.link.version_order == "digest"
        for number in sorted(self.entity.merged & ghost.body.fields.keys()) if saved_since else ():
            shadow = self.cluster.shadow(self.binding, number, self.fp)
            sent, context, _kept, _depth = ghost.body.fields[number]
            if shadow is None or shadow.fp == sent or number in self.cluster.edited:
                continue
            # What was read of it since then is told already.
            untouched = dominates(context, self.cluster.context_of(self.binding, number))
            if untouched and shadow.fp == self.fp(self.reading.values.get(number)):
                self._report(ReportKind.UNCERTAIN, number, ReportState.SETTLED, "a write was under way")

    @property
    def absent(self) -> list[FieldNumber]:
        """Mapped fields that the reading does not mention, in order."""
        reading, fields = self.reading, self.link.fields
        if len(reading.values) + len(reading.invalid) >= len(fields):
            return []
        return sorted(f for f in fields if f not in reading.values and f not in reading.invalid)

    # What is remembered

    def _time(self) -> int:
        """When the edit was made, as far as it can be known: within the two readings that enclose it."""
        reading = self.reading
        if reading.edited_at is None:
            return reading.began_at
        since = self.binding.last_read_at
        if since:
            since = max(since, reading.listed_at)
        return max(since, min(reading.edited_at, reading.arrived_at))

    def _note(self, kind: str, row: tuple[object, ...]) -> None:
        binding = self.binding
        if self.entry is None or self.entry.kind != kind:
            self.entry = Entry(self.cluster.id, kind, binding.system, binding.id, self.effects.cause)
            self.effects.journal.append(self.entry)
        self.entry.fields.append(row)

    def _journal(self, number: FieldNumber, n: int, value: Value, ts: int) -> None:
        self._note("edit", (number, self.binding.incarnation, n, value, ts))

    def _evidence(self, number: FieldNumber, n: int, value: Value) -> None:
        binding = self.binding
        dot = (binding.id, binding.incarnation, n)
        self.effects.acts.append(Act(self.cluster.id, number, dot, value, binding.system, "record", None, self._time()))

    def _name(self, value: Value) -> int:
        return int.from_bytes(self.fp(value)[:4], "big")

    def _report(
        self,
        kind: ReportKind,
        number: FieldNumber | None,
        state: ReportState,
        text: str,
        lost: Sequence[Candidate] = (),
    ) -> None:
        """`lost`: values beside the siblings; one that never became a dot is named by its value."""
        cluster, binding = self.cluster, self.binding
        reg = cluster.regs.get(number) if number is not None else None
        candidates = [*(candidates_of(cluster, reg) if reg is not None else []), *lost]
        dots = [
            candidate.dot or (candidate.binding, binding.incarnation, -self._name(candidate.value))
            for candidate in candidates
        ]
        digest = self.fp.of_dots(kind, cluster.id, number, dots)
        chosen = None
        if reg is not None and number is not None:
            chosen = resolve(cluster, reg, self.entity.fields[number], self.entity).value
        self.effects.reports.append(
            Report(
                digest, kind, cluster.id, number, state, candidates, chosen,
                state == ReportState.SETTLED, binding.system, text,
            )
        )  # fmt: skip
