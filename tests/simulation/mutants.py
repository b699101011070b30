"""Mutants: one rule of the design taken out of the real code each; something must notice.

Random histories run until a property breaks. Where they rarely reach a rule, a directed test of the core does it. The
code that is tested knows nothing of this: functions are replaced while a mutant lives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec

from datasyncd.adapters.contract import Gone, Moved
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.daemon import intake, puller
from datasyncd.daemon.intake import Intake
from datasyncd.daemon.link import Link
from datasyncd.daemon.pusher import Delivery
from datasyncd.daemon.simulation import history
from datasyncd.reconcile import answer, arrival, deletion, delivery, finish, membership, observe, policies, versions
from datasyncd.reconcile.cluster import Cluster, Shadow
from datasyncd.reconcile.identity import Match, Verdict
from datasyncd.reconcile.observe import Observer
from datasyncd.reconcile.register import Reg, Sib, put
from datasyncd.reconcile.rules import FieldRule, LinkRule, Policy
from datasyncd.state import clusters
from datasyncd.state.readings import Readings
from datasyncd.state.records import Records
from datasyncd.state.store import Journaled
from tests.reconcile import (
    test_consent,
    test_cursor,
    test_decision_table,
    test_existence,
    test_guards,
    test_membership,
    test_stale_reads,
    test_unknown_outcomes,
    test_values,
)

Replace = Callable[[Any, str, Any], None]
"""Replaces an attribute of a class or module until the mutant is dead."""


class Mutant(NamedTuple):
    """A rule, and the code without it."""

    number: int
    rule: str
    property: str
    """Which property is to notice; others may do so first."""
    without: Callable[[Replace], None]
    directed: tuple[Callable[[], object], ...] = ()
    """Tests of which one must fail; none: histories are run until one breaks."""


MUTANTS: list[Mutant] = []


def mutant(number: int, property: str, rule: str, *directed: Callable[[], object]) -> Callable[..., Any]:
    def note(without: Callable[[Replace], None]) -> Callable[[Replace], None]:
        MUTANTS.append(Mutant(number, rule, property, without, directed))
        return without

    return note


@contextlib.contextmanager
def living(mutant: Mutant) -> Iterator[None]:
    """The code without the rule."""
    before: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, new: Any) -> None:
        before.append((owner, name, vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)))
        setattr(owner, name, new)

    try:
        mutant.without(replace)
        yield
    finally:
        for owner, name, original in reversed(before):
            setattr(owner, name, original)


@mutant(1, "P7", "a receipt is recorded: an own write is no edit")
def receipt_not_recorded(replace: Replace) -> None:
    original = answer.accepted

    def accepted(cluster: Any, attempt: Any, *rest: Any) -> Any:
        known = {b.id: dict(b.body.shadow) for b in cluster.bindings}
        binding = original(cluster, attempt, *rest)
        if binding is not None and binding.id in known and attempt.op == "update":
            binding.body.shadow = known[binding.id]
            binding.digest = b""
        return binding

    replace(answer, "accepted", accepted)


@mutant(2, "P2", "a dot takes the shadow's context, not the register's")
def dot_takes_the_registers_context(replace: Replace) -> None:
    original = Observer._edit

    def edit(self: Any, number: int, rule: Any, value: Any, digest: bytes, shadow: Any, seen: Any) -> None:
        reg = self.cluster.regs.get(number)
        original(self, number, rule, value, digest, shadow, seen if reg is None else dict(reg.ctx))

    replace(Observer, "_edit", edit)


@mutant(3, "P3", "a reading that overlaps a write is thrown away")
def overlapping_reading_used(replace: Replace) -> None:
    original = Intake._sort

    def sort(self: Any, record: Any, head: Any, *rest: Any) -> None:
        original(self, record, head if head is None else msgspec.structs.replace(head, epoch=0), *rest)

    def observed(self: Any, record: Any, head: Any, digest: bytes) -> None:
        cluster = self.clusters[head.cluster_id]
        binding = next(b for b in cluster.bindings if b.id == head.id)
        self._run(cluster, binding, self._reading(record, digest))

    replace(Intake, "_sort", sort)
    replace(Intake, "_observe", observed)


@mutant(4, "P2", "a write is conditional on the version that was observed")
def fresh_version_fetched(replace: Replace) -> None:
    original = Delivery._send

    async def send(self: Any, sends: Any, *rest: Any) -> Any:
        keys = [sending.write.key for sending in sends if sending.write.key is not None]
        fresh = {record.key: record for record in await self.link.adapter.read(self.link.object, keys)} if keys else {}
        for sending in sends:
            if hasattr(record := fresh.get(sending.write.key), "version"):
                sending.write.version = record.version  # type: ignore[union-attr]
        return await original(self, sends, *rest)

    replace(Delivery, "_send", send)


@mutant(5, "P2", "a pre-flight where stale writes are not refused")
def no_pre_flight(replace: Replace) -> None:
    original: Any = delivery._plan_update

    def plan(cluster: Any, entity: Any, link: LinkRule, binding: Any, fp: Any, fresh: bool) -> Any:
        return original(cluster, entity, link, binding, fp, fresh or not link.whole_record)

    replace(delivery, "_plan_update", plan)


@mutant(6, "P7", "the outbox is durable")
def outbox_in_memory(replace: Replace) -> None:
    original: Any = vars(history)["recover"]

    def recover(tx: Any) -> Any:
        tx._db.execute("DELETE FROM outbox")
        return original(tx)

    replace(history, "recover", recover)


@mutant(
    7, "P1", "a pull looks back by the lag of searches",
    test_decision_table.test_a_change_that_is_indexed_after_a_later_one_was_shown_is_not_passed_over,
)  # fmt: skip
def cursor_without_overlap(replace: Replace) -> None:
    original = MemoryAdapter.pull

    def pull(self: Any, object: str, since: str | None) -> Any:
        overlap = round(self.capabilities(object).search_lag_s * 1e6)
        return original(self, object, since if since is None else str(int(since) + overlap))

    replace(MemoryAdapter, "pull", pull)


@mutant(
    8, "P1", "the cursor moves with the last of what it stands for",
    lambda: test_cursor.test_a_pull_that_dies_anywhere_is_taken_up_where_nothing_is_missed(True),
    lambda: test_cursor.test_a_pull_that_dies_anywhere_is_taken_up_where_nothing_is_missed(False),
)  # fmt: skip
def cursor_before_its_hints(replace: Replace) -> None:
    original: Any = vars(puller)["_take"]

    def take(tx: Any, link: Link, fp: Any, page: Any, *given: Any, **named: Any) -> Any:
        if page.cursor is not None:
            tx.readings.move(link.system, link.object, page.cursor, 0, 0)
            tx._db.execute("COMMIT")
            tx._db.execute("BEGIN")
        return original(tx, link, fp, page, *given, **named)

    replace(puller, "_take", take)


@mutant(9, "P13", "a cluster and what is owed for it are committed together")
def outbox_in_the_next_transaction(replace: Replace) -> None:
    late: list[tuple[str, tuple[Any, ...]]] = []
    outbox, run_step, begin = clusters._Rows._outbox, Journaled.run_step, Journaled.__init__

    def noted(self: Any, cluster: Any) -> None:
        outbox(self, cluster)
        for statement in (clusters._SET_DUE, clusters._NO_DUE):
            late.extend((statement, row) for row in self.statements[statement])
            self.statements[statement] = []

    def step(self: Any, function: Any) -> Any:
        while late:
            self._db.execute(*late.pop(0))
        return run_step(self, function)

    def started(self: Any, *given: Any) -> None:
        late.clear()
        begin(self, *given)

    replace(clusters._Rows, "_outbox", noted)
    replace(Journaled, "run_step", step)
    replace(Journaled, "__init__", started)


@mutant(10, "P2", "a hint carries no value")
def payload_used_as_reading(replace: Replace) -> None:
    def hint(self: Any, system: str, key: str, after_s: float) -> None:
        link = next(link for link in self.links if link.system == system)
        world = next(each.world for each in self.systems if each.name == system)
        payload = link.adapter._record(link.spec, key, world.histories(link.object)[key].now)
        self.scheduler.start(f"daemon hint {link.name}", hinted(self, link, payload), after_s)

    async def hinted(self: Any, link: Link, payload: Any) -> None:
        take = partial(intake.take_answers, link=link, fp=self.store.fingerprints, began=self.begin())
        answer = Gone(payload.key) if not payload.fields.get("email") else payload
        await self.store.transact(lambda tx: take(tx, answers=[answer], generations={}, cause="hint", strong=True))

    replace(history.History, "_hint", hint)


@mutant(11, "P3", "an unknown outcome is remembered")
def unknown_outcome_forgotten(replace: Replace) -> None:
    replace(answer, "unknown", lambda cluster, attempt, at, epoch: answer.not_applied(cluster, attempt, epoch))


def _late_and_over() -> None:
    test_unknown_outcomes.test_an_edit_under_a_late_write_and_an_edit_over_it_are_both_kept(True)
    test_unknown_outcomes.test_an_edit_under_a_late_write_and_an_edit_over_it_are_both_kept(False)


@mutant(12, "P1", "a narrowed context begins an incarnation", _late_and_over)
def no_incarnation(replace: Replace) -> None:
    replace(Observer, "_bump", lambda self: None)


@mutant(13, "P2", "under ghosts an edit has seen the minimum", _late_and_over)
def no_minimum(replace: Replace) -> None:
    replace(observe, "minimum", lambda contexts: dict(contexts[0]))


@mutant(14, "P10", "a remote clock is clamped", test_decision_table.test_a_time_that_cannot_be_true_does_not_win)
def clock_trusted(replace: Replace) -> None:
    replace(Observer, "_time", lambda self: self.reading.edited_at or self.reading.began_at)


@mutant(15, "P5", "an opt-out wins over a concurrent opt-in")
def consent_as_latest(replace: Replace) -> None:
    replace(policies, "_WINNERS", {**policies._WINNERS, Policy.MOST_RESTRICTIVE: policies._latest})


@mutant(
    16, "P5", "an opt-out that equals a ghost's is the person's own",
    test_decision_table.test_an_opt_out_that_equals_one_we_tried_to_write_counts_as_the_persons_own,
)  # fmt: skip
def opt_out_taken_as_ours(replace: Replace) -> None:
    original = Observer._receipt

    def receipt(self: Any, number: int, rule: FieldRule, *rest: Any) -> None:
        original(self, number, FieldRule(number, rule.name, "text", rule.policy), *rest)

    replace(Observer, "_receipt", receipt)


@mutant(
    17, "P5", "an opt-in is held where a stale write is not refused",
    lambda: test_consent.test_an_opt_in_is_held_where_a_stale_write_cannot_be_refused(),
)  # fmt: skip
def opt_in_written(replace: Replace) -> None:
    replace(delivery, "_opt_in_held", lambda *_: False)


@mutant(
    18, "P5", "an opt-out in a newer version counts anew",
    lambda: test_consent.test_an_opt_out_in_a_newer_version_may_be_a_later_one("enforced", "counter"),
    lambda: test_consent.test_an_opt_out_in_a_newer_version_may_be_a_later_one("visible", "counter"),
    lambda: test_consent.test_an_opt_out_in_a_newer_version_may_be_a_later_one("enforced", "unique"),
)  # fmt: skip
def no_re_assertion(replace: Replace) -> None:
    replace(versions, "newer", lambda *_: frozenset())


@mutant(19, "P5", "an opt-in counts only where it may be collected")
def opt_in_from_anywhere(replace: Replace) -> None:
    original = arrival._refusal_of_consent

    def refusal(link: Any, rule: Any, *rest: Any) -> str | None:
        return original(link, msgspec.structs.replace(rule, authorised=(link.system,)), *rest)

    replace(arrival, "_refusal_of_consent", refusal)


@mutant(
    20, "P4", "a mass of deletes waits",
    lambda: test_guards.test_an_emptied_source_is_held_however_few_its_records_are(),
)  # fmt: skip
def no_mass_delete_guard(replace: Replace) -> None:
    replace(puller, "_is_mass", lambda *_: False)


@mutant(
    21, "P4", "a record that was merged away is not deleted",
    lambda: test_existence.test_a_record_that_was_merged_away_is_not_deleted_elsewhere("complete pull"),
    lambda: test_existence.test_a_record_that_was_merged_away_is_not_deleted_elsewhere("told"),
)  # fmt: skip
def moved_as_deleted(replace: Replace) -> None:
    original = MemoryAdapter.read

    async def read(self: Any, object: str, keys: Any, *, strong: bool = False) -> Any:
        answers = await original(self, object, keys, strong=strong)
        return [Gone(a.key) if isinstance(a, Moved) else a for a in answers]

    replace(MemoryAdapter, "read", read)


@mutant(22, "P4", "a delete by somebody who had not seen an edit is held")
def delete_ignores_unseen_edits(replace: Replace) -> None:
    replace(deletion, "covers_all", lambda *_: True)


@mutant(23, "P3", "absent is no information")
def absent_as_blank(replace: Replace) -> None:
    original = Link.reading

    def reading(self: Any, *given: Any, **named: Any) -> Any:
        read = original(self, *given, **named)
        read.values = {**dict.fromkeys(self.rule.fields), **read.values}
        return read

    replace(Link, "reading", reading)


@mutant(24, "P3", "a set is merged element by element")
def set_as_one_value(replace: Replace) -> None:
    def put_elements(reg: Any, seen: Any, sib: Any, removed: frozenset[str]) -> None:
        before = {element for old in reg.sibs for element in old.val or ()}
        put(reg, seen, msgspec.structs.replace(sib, val=sorted((before | set(sib.val)) - removed)))

    replace(observe, "put_elements", put_elements)
    replace(policies, "elements", lambda reg: max(reg.sibs, key=lambda sib: sib.ts).val or None)


@mutant(26, "P8", "siblings collapse once everybody shows the winner")
def no_collapse(replace: Replace) -> None:
    replace(finish, "_collapse", lambda *_: None)


def _acknowledged_too_early(self: Any, number: int, shadow: Any) -> None:
    shadow.ctx = None
    self.binding.changed = True
    self.cluster.touched.add(number)


@mutant(27, "P5", "only a record that shows the winner acknowledges it")
def acknowledged_from_the_old_shadow(replace: Replace) -> None:
    replace(Observer, "_acknowledge", _acknowledged_too_early)


@mutant(
    28, "P6", "a shadow is the stored form",
    lambda: test_decision_table.test_a_system_that_keeps_another_form_is_never_corrected(True, False),
    lambda: test_decision_table.test_a_system_that_keeps_another_form_is_never_corrected(True, True),
)  # fmt: skip
def shadow_as_sent(replace: Replace) -> None:
    original, plan = answer.accepted, delivery._planned

    def accepted(cluster: Any, attempt: Any, ext_id: str, image: Any, *rest: Any) -> Any:
        return original(cluster, attempt, ext_id, None, *rest)

    def planned(rule: Any, reg: Any, choice: Any, write_class: Any, link: LinkRule, fp: Any) -> Any:
        return plan(rule, reg, choice, write_class, msgspec.structs.replace(link, stored=None), fp)

    replace(answer, "accepted", accepted)
    replace(delivery, "_planned", planned)


@mutant(
    29, "P7", "what was refused is not sent again at once",
    test_decision_table.test_a_field_that_is_refused_waits_and_the_others_go_on,
)  # fmt: skip
def refused_write_retried(replace: Replace) -> None:
    replace(answer, "block", lambda *_: None)


@mutant(31, "P1", "an answer proves the context of its attempt")
def receipt_with_the_context_of_now(replace: Replace) -> None:
    original = answer.accepted

    def accepted(cluster: Any, attempt: Any, *rest: Any) -> Any:
        fields = attempt.body.fields
        for number, (digest, ctx, val, depth) in list(fields.items()):
            reg = cluster.regs.get(number)
            fields[number] = (digest, ctx if reg is None else reg.ctx, val, depth)
        return original(cluster, attempt, *rest)

    replace(answer, "accepted", accepted)


@mutant(
    32, "P1", "a hint that came meanwhile is not used up",
    lambda: test_decision_table.test_a_hint_that_comes_while_the_record_is_read_is_not_used_up_by_that_reading(
        "reading"
    ),
)  # fmt: skip
def hint_used_up_whatever_its_generation(replace: Replace) -> None:
    original = Readings.done

    def done(self: Any, system: str, object: str, read: Any) -> None:
        now = self.generations(system, object)
        original(self, system, object, [(ext_id, now.get(ext_id, 0)) for ext_id, _generation in read])

    replace(Readings, "done", done)


@mutant(
    33, "P2", "a gap between versions that a write of ours may have covered is reported",
    lambda: test_decision_table.test_a_save_of_a_field_that_was_not_written_is_read_after_the_write(True),
    lambda: test_decision_table.test_a_save_of_a_field_that_was_not_written_is_read_after_the_write(False),
    test_decision_table.test_a_write_without_an_answer_over_a_save_that_nobody_saw_is_reported,
)  # fmt: skip
def no_version_jumps(replace: Replace) -> None:
    replace(versions, "_gap", lambda *_, **__: False)


@mutant(
    34, "P6", "an older version is thrown away",
    test_decision_table.test_a_reading_by_key_that_answers_an_older_version_is_thrown_away,
)  # fmt: skip
def older_version_accepted(replace: Replace) -> None:
    original = Intake._observe

    def observed(self: Any, record: Any, head: Any, digest: bytes) -> None:
        cluster = self.clusters[head.cluster_id]
        binding = next(b for b in cluster.bindings if b.id == head.id)
        if isinstance(binding.version, int):
            binding.version = None
        original(self, record, head, digest)

    replace(Intake, "_observe", observed)


@mutant(
    35, "P3", "a reading that began before the last one is thrown away",
    test_decision_table.test_of_two_readings_in_flight_the_one_that_began_first_does_not_undo_the_other,
)  # fmt: skip
def readings_reordered(replace: Replace) -> None:
    original = Intake._sort

    def sort(self: Any, record: Any, head: Any, *rest: Any) -> None:
        original(self, record, head if head is None else msgspec.structs.replace(head, last_read_at=0), *rest)

    replace(Intake, "_sort", sort)


@mutant(
    36, "P2", "an incomplete reading vouches for nothing",
    test_values.test_an_absent_field_is_not_written_over_by_a_precondition_that_nobody_looked_at,
)  # fmt: skip
def incomplete_reading_vouches(replace: Replace) -> None:
    original = Observer.absorb

    def absorb(self: Any) -> None:
        original(self)
        self.binding.digest, self.binding.version = self.reading.digest, self.reading.version

    replace(Observer, "absorb", absorb)


@mutant(
    37, "P9", "a slot that was used is never created into again",
    test_existence.test_a_record_made_again_by_a_person_is_bound_to_the_one_they_know,
)  # fmt: skip
def create_into_a_used_slot(replace: Replace) -> None:
    replace(Cluster, "used", lambda self, system: self.binding_in(system) is not None)


@mutant(38, "P9", "a create of unknown outcome is not repeated")
def create_repeated(replace: Replace) -> None:
    original = delivery._plan_create

    def plan(cluster: Any, entity: Any, link: Any, *rest: Any) -> Any:
        known = cluster.attempts
        cluster.attempts = [attempt for attempt in known if attempt.status == "open"]
        planned = original(cluster, entity, link, *rest)
        cluster.attempts = known
        return planned

    replace(delivery, "_plan_create", plan)


def _identified(replace: Replace, verdict: Verdict, instead: Verdict) -> None:
    original: Any = vars(intake)["identify"]

    def identify(*given: Any) -> Match:
        match = original(*given)
        return Match(instead, match.cluster) if match.verdict is verdict else match

    replace(intake, "identify", identify)


@mutant(39, "P2", "a second record of one system is kept out")
def second_record_bound(replace: Replace) -> None:
    _identified(replace, Verdict.DUPLICATE, Verdict.BIND)


@mutant(
    40, "P3", "time alone ends no ghost",
    test_unknown_outcomes.test_time_alone_never_ends_a_write_of_unknown_outcome,
)  # fmt: skip
def ghost_ended_by_time(replace: Replace) -> None:
    def end(tx: Any, link: Link) -> None:
        loaded = tx.clusters.load(tx.clusters.ids(link.rule.entity, 0, 1000))
        for cluster in loaded.values():
            for attempt in list(cluster.attempts):
                if attempt.status == "unknown" and attempt.gave_up_at + link.rule.late_us < tx.at:
                    cluster.end(attempt)
        tx.clusters.save(loaded.values(), tx.stamp)

    replace(puller, "_end_of_ghosts", end)


@mutant(41, "P9", "an orphan founds no cluster")
def orphan_founds(replace: Replace) -> None:
    _identified(replace, Verdict.ORPHAN, Verdict.FOUND)


@mutant(
    25, "P7", "systems that rewrite each other's values are stopped",
    test_decision_table.test_systems_that_rewrite_each_other_are_stopped_and_a_person_decides,
    test_decision_table.test_a_freeze_is_over_after_a_day_without_an_edit,
)  # fmt: skip
def no_freeze(replace: Replace) -> None:
    replace(observe, "fights", lambda *_: False)


@mutant(
    30, "P11", "an unmerge takes the record and not the registers", test_membership.test_after_a_split_no_edit_crosses
)
def unmerge_copies_the_registers(replace: Replace) -> None:
    original = membership.unmerge

    def unmerge(cluster: Cluster, binding: Any, *rest: Any) -> Cluster:
        shadow = {number: Shadow(known.fp, {}) for number, known in binding.body.shadow.items()}
        alone = original(cluster, binding, *rest)
        for number, reg in cluster.body.regs.items():
            actor = alone.actor(binding.id, binding.incarnation)
            alone.regs[number] = Reg([Sib(actor, 1, reg.sibs[0].val, reg.sibs[0].ts)], {actor: 1})
        binding.body.shadow = shadow
        alone.rescan = True
        return alone

    replace(membership, "unmerge", unmerge)


@mutant(
    42, "P2", "the answer of a create is no receipt where it may describe an earlier one",
    test_unknown_outcomes.test_the_image_of_a_create_is_believed_where_the_answer_can_mean_no_other_one,
)  # fmt: skip
def create_answer_is_a_receipt(replace: Replace) -> None:
    original = answer.accepted

    def accepted(cluster: Any, attempt: Any, ext_id: str, image: Any, link: LinkRule, *rest: Any) -> Any:
        believed = msgspec.structs.replace(link)
        msgspec.structs.force_setattr(believed, "creates_are_receipts", True)
        return original(cluster, attempt, ext_id, image, believed, *rest)

    replace(answer, "accepted", accepted)


@mutant(43, "P9", "a quarantine is not left because a key changed")
def quarantine_forgets(replace: Replace) -> None:
    replace(Records, "quarantined_records", lambda *_: {})


@mutant(
    44, "P1", "a hint stays until a reading that cannot be older",
    lambda: test_stale_reads.test_a_hint_is_not_used_up_by_a_reading_that_may_be_older_than_it("enforced"),
)  # fmt: skip
def hint_consumed_by_a_stale_read(replace: Replace) -> None:
    replace(Intake, "_hinted_before", lambda self, ext_id: self._generations.get(ext_id))


@mutant(
    45, "P1", "generations never begin again",
    test_decision_table.test_a_hint_that_comes_during_a_reading_that_spares_a_write_is_not_used_up,
)  # fmt: skip
def generations_begin_again(replace: Replace) -> None:
    original = Readings.hint

    def hint(self: Any, system: str, object: str, ext_ids: Any, generation: int, at: int) -> None:
        known = self.generations(system, object)
        for ext_id in ext_ids:
            original(self, system, object, [ext_id], known.get(ext_id, 0) + 1, at)

    replace(Readings, "hint", hint)


@mutant(
    46, "P6", "an edit in a record of ours has seen what was sent",
    lambda: test_unknown_outcomes.test_an_edit_in_a_record_that_we_made_has_seen_what_we_sent(True),
    lambda: test_unknown_outcomes.test_an_edit_in_a_record_that_we_made_has_seen_what_we_sent(False),
)  # fmt: skip
def edit_in_our_record_has_seen_nothing(replace: Replace) -> None:
    original = Observer._first_sight

    def first_sight(self: Any, *given: Any) -> None:
        if self.binding.body.sent is not None:
            self.binding.body.sent = []
        original(self, *given)

    replace(Observer, "_first_sight", first_sight)


def _ambiguous() -> None:
    test = test_unknown_outcomes.test_a_record_of_ours_that_could_be_two_peoples_is_never_bound_by_a_key_that_came_later
    test(True)


@mutant(47, "P9", "a record of ours that is ambiguous is never bound by a later key", _ambiguous)
def ambiguous_record_bound_later(replace: Replace) -> None:
    replace(Intake, "_is_ours_for_good", lambda *_: False)
