"""Pusher: what one system is owed, batch by batch, opt-outs first.

Each batch goes through the same steps: plan and note the attempts in one transaction, send, take the answers
in one transaction. What has to be read or searched first is read or searched between, and planned again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from datasyncd.adapters.contract import (
    Moment,
    Outcome,
    Record,
)
from datasyncd.adapters.errors import AdapterError, Throttled, Transient
from datasyncd.reconcile import answer
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.delivery import Plan, Planned, Step, plan
from datasyncd.reconcile.effects import Effects, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.freeze import thaw
from datasyncd.reconcile.identity import MatchKey, keys_of_values, same
from datasyncd.reconcile.rules import FieldNumber
from datasyncd.state.clusters import Head
from datasyncd.state.outbox import HELD, LEFT_OUT
from datasyncd.state.store import Store
from datasyncd.state.transaction import Tx

from .composing import Composer, creation
from .gate import Gate
from .intake import take_answers
from .link import Counts, Link
from .oversight import Oversight, Sending
from .settling import BACK_OFF, SECOND, WAIT, Settlement, without_effect
from .unfinished import doubt

SEARCHED_ONE_BY_ONE = 1_000
"""Creates of one delivery up to which each is searched for; above, the complete pull of the cycle serves."""
LARGEST_BATCH = 10_000
"""Writes of one push to a file, which is rewritten each time: as many as memory should hold at once."""


class Batch(msgspec.Struct):
    """What one round of a delivery does."""

    claimed: list[int] = []
    sends: list[Sending] = []
    reads: list[str] = []
    """Records to be read before anything is written to them."""
    searches: list[Plan] = []


class Delivery:
    """One delivery of one link: rounds until nothing is due."""

    def __init__(
        self,
        link: Link,
        store: Store,
        begin: Callable[[], Moment],
        pulled_in_cycle: bool,
        stopping: Callable[[], bool] = lambda: False,
        oversight: Oversight | None = None,
    ) -> None:
        self.link = link
        self.store = store
        self.fp: Fingerprinter = store.fingerprints
        self.begin = begin
        self.counts = Counts()
        self._pulled = pulled_in_cycle
        self._gate = Gate(link, self.fp)
        self._composer = Composer(link, self.fp)
        self._stopping = stopping
        self._oversight = oversight

    async def run(self, progress: Callable[[int], None] | None = None) -> Counts:
        """Deliver until nothing is due. Raises the adapter's errors of a whole call, and `StateError`.

        On crash, or if the state cannot be written: attempts that are `open` become writes of unknown outcome at the
        next start, or the next delivery, and their records are read before anything else is written to them.
        """
        if not self.link.rule.pushes:
            return self.counts
        limit = self.link.capabilities.batch or LARGEST_BATCH
        batch = await self.store.transact(lambda tx: self._first(tx, limit))
        while batch.claimed:
            await self._look_first(batch)
            sends = batch.sends
            if sends:
                batch = await self._send(sends, limit)
            else:
                batch = await self.store.transact(lambda tx: self._plan(tx, limit))
            if sends and progress is not None:
                progress(len(sends))
        return self.counts

    def _first(self, tx: Tx, limit: int) -> Batch:
        self._thaw(tx)
        return self._plan(tx, limit) if self._begin(tx) else Batch()

    def _thaw(self, tx: Tx) -> None:
        """End the freezes of fields that nobody has edited for long."""
        entity = self.link.entity
        over = [
            (number, field, digest)
            for number, field, digest, system in tx.records.frozen(entity.name, tx.at - entity.freeze_us)
            # A counter over which no system fought was left to a person, after a restore: time does not add it up.
            if system is not None or field not in entity.merged
        ]
        clusters = tx.clusters.load({number for number, _field, _digest in over})
        effects = tx.effects("thaw")
        ended = [digest for number, field, digest in over if thaw(clusters[number], field, effects)]
        if not ended:
            return
        for cluster in clusters.values():
            finish(cluster, entity, self.fp, effects)
        tx.clusters.save(clusters.values(), tx.stamp)
        tx.records.write(effects, tx.run)
        tx.records.set_state(ended, ReportState.SETTLED, "nobody edited it for a day", tx.at)

    def _begin(self, tx: Tx) -> bool:
        """Take up what a delivery left whose answers could not be noted; whether anything may be written now."""
        link = self.link
        left = tx.clusters.with_open_attempts(link.system, link.rule.entity)
        if left and doubt(tx, left, link.system):
            # Only a complete pull ends a create of unknown outcome.
            link.wants_full = True
        return self._gate.judge(tx)

    # Planning

    def _withheld(self, tx: Tx, planned: Plan, *, fresh: bool = False) -> int | None:
        """Take out what drifts, what a guard holds, and what this run is not to send. If nothing is left: when the row
        is due."""
        if self._gate.stops(tx, planned):
            return HELD
        count = self._gate.withhold(tx, planned)
        self.counts.held += count
        left_out = self._oversight is not None and self._oversight.leaves_out(self.link, planned, fresh=fresh)
        if count and (planned.is_empty or planned.op != "update"):
            return HELD
        return LEFT_OUT if left_out else None

    def _plan(self, tx: Tx, limit: int) -> Batch:
        """Claim what is due and note what can be sent at once; nothing if the delivery is to stop."""
        link = self.link
        if self._stopping():
            return Batch()
        batch = Batch(claimed=tx.outbox.claim(link.system, link.rule.entity, tx.at, limit))
        clusters = tx.clusters.load_kept(batch.claimed)
        bound = [cluster.binding_in(link.system) for cluster in clusters.values()]
        # A write that knows less than a hint does would be refused, and nobody else may come to read the record.
        hinted = tx.readings.among(link.system, link.object, [binding.ext_id for binding in bound if binding])
        some_kept_out = tx.records.some_kept_out()
        ready: list[Plan] = []
        effects = tx.effects("push")
        stale: list[Cluster] = []
        for cluster in clusters.values():
            planned = self._plan_one(cluster)
            if planned is None:
                stale.append(cluster)
            elif planned.step is Step.WAIT and not self._may_be_repeated(tx, planned):
                tx.outbox.postpone(link.system, [cluster.id], self._wait_until(planned, tx.at))
            elif (due_at := self._withheld(tx, planned)) is not None:
                tx.outbox.postpone(link.system, [cluster.id], due_at)
            elif planned.repeats is not None:
                ready.append(planned)
            elif planned.step is Step.SEARCH or (some_kept_out and self._may_be_kept_out(tx, planned)):
                batch.searches.append(planned)
            elif planned.binding is not None and (planned.step is Step.READ or planned.binding.ext_id in hinted):
                batch.reads.append(planned.binding.ext_id)
            else:
                ready.append(planned)
        self._drop(tx, stale, effects)
        batch.sends = self._note(tx, ready, effects)
        tx.records.write(effects, tx.run)
        return batch

    def _may_be_kept_out(self, tx: Tx, planned: Plan) -> bool:
        """Whether a record that is kept out has a key of the one that would be made: no pull takes it in."""
        if planned.op != "create":
            return False
        link, keys = self.link, [digest for _kind, digest in planned.cluster.keys]
        return bool(tx.records.quarantined_with(link.system, link.object, keys))

    def _may_be_repeated(self, tx: Tx, planned: Plan) -> bool:
        """Whether a create of unknown outcome is sent again, which makes no second record while the system knows its
        key. What a pull cannot take in is left to what ends the create."""
        lost, rule = planned.repeats, self.link.rule
        if lost is None or tx.at >= lost.body.noted_at + rule.late_us + rule.search_lag_us:
            return False
        made = creation(self.link, planned.values(), {})
        return not made.barred and not made.left_out and not self._may_be_kept_out(tx, planned)

    def _wait_until(self, planned: Plan, at: int) -> int:
        """What waits for writes of unknown outcome is due when they can land no more; anything else soon."""
        rule, cluster = self.link.rule, planned.cluster
        gave_up = [a.gave_up_at for a in cluster.attempts if a.system == rule.system and a.gave_up_at]
        if not gave_up or cluster.open_attempt(rule.system) is not None:
            return at + WAIT
        if planned.op != "create":
            return max(at + WAIT, min(gave_up) + rule.late_us)
        over = max(gave_up) + rule.late_us + rule.search_lag_us
        if over > at:
            return over
        # The pull that ends it makes the row due at once.
        self.link.wants_full = True
        return at + BACK_OFF[-1]

    def _plan_one(self, cluster: Cluster, *, fresh: bool = False, searched: bool = False) -> Plan | None:
        link = self.link
        if not searched:
            # A complete pull of this cycle that began after the cluster was last changed has shown all; with
            # many creates the pull of this cycle serves, since each one of its records has a cluster.
            listed = link.complete_began == link.last_began and link.complete_began.seq >= cluster.revision
            searched = self._pulled and (listed or (self._gate.creates > SEARCHED_ONE_BY_ONE and bool(link.rule.pulls)))
        planned = plan(cluster, link.entity, link.rule, self.fp, fresh=fresh, searched=searched)
        looks_first = self._oversight is not None and self._oversight.looks_first
        if looks_first and not fresh and planned is not None and planned.step is Step.SEND and planned.binding:
            planned.step = Step.READ
        return planned

    def _drop(self, tx: Tx, clusters: Sequence[Cluster], effects: Effects) -> None:
        """Rows that are owed nothing any more."""
        for cluster in clusters:
            cluster.rescan = True
            finish(cluster, self.link.entity, self.fp, effects)
            if self.link.system in cluster.outbox:
                due = cluster.outbox[self.link.system]
                cluster.outbox = {
                    **cluster.outbox, self.link.system: msgspec.structs.replace(due, due_at=tx.at + SECOND)
                }  # fmt: skip
        if clusters:
            tx.clusters.save(clusters, tx.stamp)

    def _note(
        self, tx: Tx, ready: Sequence[Plan], effects: Effects, again: Mapping[int, Sending] = {}
    ) -> list[Sending]:
        """Translate the plans and write the attempts: nothing is sent that is not noted first.

        `again`: creates that were refused in part, by cluster, with what is left out of them now.
        """
        sends: list[Sending] = []
        changed: list[Cluster] = []
        link = self.link
        for planned in ready:
            before = again.get(planned.cluster.id)
            sending = self._composer.compose(tx, planned, effects, before)
            self.counts.refused += before is not None and sending is None
            if sending is not None:
                sends.append(sending)
                cluster = planned.cluster
                if planned.repeats is None:
                    cluster.attempts = [*cluster.attempts, sending.attempt]
                else:
                    cluster.marked = [*cluster.marked, sending.attempt.id]
                    changed.append(cluster)
            if planned.cluster.rescan:
                finish(planned.cluster, link.entity, self.fp, effects)
                changed.append(planned.cluster)
        if sends:
            # While an attempt is open no reading of its record is trusted, and what ends it moves the record's epoch:
            # so a reading that overlaps the write is thrown away without a word of it here.
            tx.clusters.add_attempts([sending.attempt for sending in sends if sending.plan.repeats is None])
        if changed:
            tx.clusters.save(changed, tx.stamp)
        tx.clusters.keep(sending.plan.cluster for sending in sends)
        return sends

    # Reading and searching first

    async def _look_first(self, batch: Batch) -> None:
        """Read and search what must be. If that fails, what is noted already is not sent, either."""
        try:
            if batch.reads:
                await self._read_first(batch)
            if batch.searches:
                await self._search(batch)
        except AdapterError as error:
            failure = error
            if batch.sends:
                await self.store.transact(lambda tx: self._not_sent(tx, batch.sends, failure))
            raise

    async def _read_first(self, batch: Batch) -> None:
        """Pre-flight, and the reading that acknowledges what is there already."""
        link = self.link
        began = self.begin()
        answers = await link.read(batch.reads, strong=True)

        def step(tx: Tx) -> list[Sending]:
            generations = tx.readings.generations(link.system, link.object)
            taken = take_answers(tx, link, self.fp, began, answers, generations, "push")
            if taken.missing:
                link.wants_full = True
            if self._oversight is not None:
                self._oversight.looked(link, answers)
            heads = tx.clusters.heads(link.system, link.object, batch.reads)
            self._composer.present = {a.key: a for a in answers if isinstance(a, Record)}
            good = {a.key for a in answers if isinstance(a, Record)} - taken.thrown
            again = [head.cluster_id for key, head in heads.items() if key not in good]
            tx.outbox.postpone(link.system, again, tx.at + WAIT)
            return self._plan_again(tx, [head.cluster_id for key, head in heads.items() if key in good], fresh=True)

        batch.sends.extend(await self.store.transact(step))

    def _plan_again(
        self,
        tx: Tx,
        ids: Iterable[int],
        *,
        fresh: bool = False,
        searched: bool = False,
        again: Mapping[int, Sending] = {},
    ) -> list[Sending]:
        effects = tx.effects("push")
        ready, waiting, stale = [], [], []
        for cluster in tx.clusters.load(ids).values():
            if self.link.system not in cluster.outbox:
                continue
            planned = self._plan_one(cluster, fresh=fresh, searched=searched)
            if planned is None:
                stale.append(cluster)
            elif planned.step is not Step.SEND:
                waiting.append(cluster.id)
            elif (due_at := self._withheld(tx, planned, fresh=fresh)) is not None:
                tx.outbox.postpone(self.link.system, [cluster.id], due_at)
            else:
                ready.append(planned)
        tx.outbox.postpone(self.link.system, waiting, tx.at + WAIT)
        self._drop(tx, stale, effects)
        sends = self._note(tx, ready, effects, again)
        tx.records.write(effects, tx.run)
        return sends

    async def _search(self, batch: Batch) -> None:
        """Nobody may have made these records meanwhile: look for them by the keys that they would have."""
        link = self.link
        began = self.begin()
        texts: dict[FieldNumber, dict[str, object]] = {}
        for planned in batch.searches:
            for numbers in link.entity.identify:
                for number in numbers if len(numbers) == 1 else ():
                    if number in planned.fields or number in planned.founded:
                        native, refused = link.native({number: planned.values()[number]})
                        if not refused:
                            value = next(iter(native.values()))
                            texts.setdefault(number, {})[repr(value)] = value
        found: dict[str, Record] = {}
        for number, values in sorted(texts.items()):
            name = link.translation.native_name(number)
            for record in await link.adapter.find(link.object, name, list(values.values())):
                found[record.key] = record
        ids = [planned.cluster.id for planned in batch.searches]
        batch.sends.extend(await self.store.transact(lambda tx: self._searched_for(tx, ids, found, began)))

    def _searched_for(self, tx: Tx, ids: Sequence[int], found: Mapping[str, Record], began: Moment) -> list[Sending]:
        """A found record is hinted where it is nobody's, and stops the create where it is somebody else's."""
        link = self.link
        heads = tx.clusters.heads(link.system, link.object, list(found)) if found else {}
        keys = {
            name: keys_of_values(
                link.reading(record, b"", began, tx.at, self.fp, by_id=True).values, link.entity, self.fp
            )
            for name, record in found.items()
        }
        kept_out = {
            row.ext_id
            for row in (tx.records.quarantined(link.system, link.object) if found else [])
            if row.field is None
        }
        leaving = self._leaving(tx, heads.values(), keys)
        go, effects = [], tx.effects("push")
        blocked = []
        for cluster in tx.clusters.load(ids).values():
            if cluster.used(link.system):
                # A pull bound its record meanwhile.
                self._drop(tx, [cluster], effects)
                continue
            hits = sorted(name for name, own in keys.items() if same(own, cluster.keys))
            foreign = [name for name in hits if name in heads or name in kept_out]
            if foreign and leaving.issuperset(foreign):
                tx.outbox.postpone(link.system, [cluster.id], tx.at + SECOND)
            elif foreign:
                reason = f"{link.system} has a record with this key already: {foreign[0]}"
                answer.block(cluster, None, frozenset(), reason, ReportKind.CLASH, link.rule, self.fp, effects)
                finish(cluster, link.entity, self.fp, effects)
                blocked.append(cluster)
            elif hits:
                tx.readings.hint(link.system, link.object, hits, tx.stamp, tx.at)
                tx.outbox.postpone(link.system, [cluster.id], tx.at + WAIT)
            else:
                go.append(cluster.id)
        tx.clusters.save(blocked, tx.stamp)
        tx.records.write(effects, tx.run)
        return self._plan_again(tx, go, searched=True)

    def _leaving(self, tx: Tx, heads: Iterable[Head], keys: Mapping[str, Sequence[MatchKey]]) -> set[str]:
        """Records whose clusters no longer have the key by which they were found, and owe them the new one."""
        owners = {head.id: head.cluster_id for head in heads}
        return {
            binding.ext_id
            for cluster in tx.clusters.load(owners.values()).values()
            for binding in cluster.bindings
            if binding.id in owners and self.link.system in cluster.outbox
            if not same(keys[binding.ext_id], cluster.keys)
        }

    # Sending and answers

    async def _send(self, sends: Sequence[Sending], limit: int) -> Batch:
        """Send a batch, and what was refused a part of once more without that part, until nothing is left. Returns
        the batch that follows, which was planned in the transaction that took the last answers."""
        link = self.link
        while True:
            try:
                outcomes = await link.adapter.push(link.object, [sending.write for sending in sends])
            except AdapterError as error:
                await self.store.transact(partial(self._not_sent, sends=sends, error=error))
                raise
            answered = partial(self._settle_and_plan, sends=sends, outcomes=outcomes, limit=limit)
            sends, following = await self.store.transact(answered)
            if not sends:
                return following

    def _not_sent(self, tx: Tx, sends: Sequence[Sending], error: AdapterError) -> None:
        """The call failed before any effect was possible: the attempts go, and the rows wait."""
        link = self.link
        ids = [sending.plan.cluster.id for sending in sends]
        clusters = tx.clusters.load_kept(ids)
        for sending in sends:
            cluster = clusters[sending.plan.cluster.id]
            without_effect(cluster, sending, tx.stamp)
        tries = tx.outbox.tries(link.system, ids)
        delay = BACK_OFF[min(tries, len(BACK_OFF) - 1)]
        if isinstance(error, Throttled):
            delay = max(delay, int(error.after_s * SECOND))
        elif not isinstance(error, Transient):
            delay = BACK_OFF[-1]
        # Rows that wait for the same system come back spread out, by an amount that depends on the row alone.
        tx.clusters.save(clusters.values(), tx.stamp)
        for number in ids:
            tx.outbox.postpone(link.system, [number], tx.at + delay + number % 97 * 1000, type(error).__name__)

    def _settle_and_plan(
        self, tx: Tx, sends: Sequence[Sending], outcomes: Sequence[Outcome], limit: int
    ) -> tuple[list[Sending], Batch]:
        """Take the answers; what is to be sent again comes before the next batch."""
        settlement = Settlement(tx, self.link, self.fp, self.counts)
        less = settlement.take(sends, outcomes)
        if self._oversight is not None:
            self._oversight.answered(tx, self.link, sends, settlement.outcomes)
        again = self._plan_again(tx, less, searched=True, again=less) if less else []
        return again, Batch() if again else self._plan(tx, limit)


__all__ = ["Delivery", "Planned"]
