"""Settling: what the answers to a batch of writes mean for its clusters, all in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from datasyncd.adapters.contract import Clash, Missing, Outcome, Rejected, Stale, Unknown, Written
from datasyncd.adapters.digest import ABSENT
from datasyncd.reconcile import answer
from datasyncd.reconcile.cluster import Attempt, Cluster
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.effects import ReportKind
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.rules import FieldNumber, WriteClass
from datasyncd.state.transaction import Tx

from .composing import MOST_TRIES, reasons
from .link import Counts, Link
from .oversight import Sending

SECOND = 1_000_000
BACK_OFF = (SECOND, 2 * SECOND, 5 * SECOND, 15 * SECOND, 60 * SECOND, 300 * SECOND)
"""Microseconds before the next try, by how often it was tried."""
WAIT = SECOND // 20
"""Microseconds before what has to be read first is planned again."""


class Settlement:
    """The answers of one batch."""

    def __init__(self, tx: Tx, link: Link, fp: Fingerprinter, counts: Counts) -> None:
        self._tx = tx
        self._link = link
        self._fp = fp
        self._counts = counts
        self._effects = tx.effects("push")
        self._counted: dict[WriteClass, list[tuple[int, None]]] = {}
        self._dirty: list[str] = []
        self._wait: list[int] = []
        self._lost: list[int] = []
        self.outcomes: Sequence[Outcome] = ()
        """As they were taken: a create that only found a record has made none."""

    def take(self, sends: Sequence[Sending], outcomes: Sequence[Outcome]) -> dict[int, Sending]:
        """Returns what is to be sent again with less, by cluster."""
        tx, link = self._tx, self._link
        clusters = tx.clusters.load_kept([sending.plan.cluster.id for sending in sends])
        again: dict[int, Sending] = {}
        self.outcomes = self._none_twice(sends, outcomes)
        for sending, outcome in zip(sends, self.outcomes, strict=True):
            cluster = clusters[sending.plan.cluster.id]
            if (less := self._with_less(sending, outcome)) is not None:
                again[cluster.id] = less
                answer.not_applied(cluster, _stored(cluster, sending.attempt), tx.stamp)
            elif isinstance(outcome, Written):
                self._written(cluster, sending, outcome)
            elif link.rule.create_key and _is_lost(sending, outcome):
                self._lost_create(cluster, sending, outcome)
            else:
                self._not_written(cluster, sending, outcome)
            finish(cluster, link.entity, self._fp, self._effects)
        tx.clusters.save(clusters.values(), tx.stamp)
        tx.records.write(self._effects, tx.run)
        self._follow_up()
        return again

    def _follow_up(self) -> None:
        """What is counted by guards, read by key, or due again."""
        tx, link = self._tx, self._link
        for write_class, seen in self._counted.items():
            tx.guards.count(link.system, link.rule.entity, write_class, False, seen, tx.at)
        if self._dirty:
            tx.readings.hint(link.system, link.object, self._dirty, tx.stamp, tx.at)
        if self._wait:
            tx.outbox.postpone(link.system, self._wait, tx.at + WAIT)
        if self._lost:
            delay = BACK_OFF[min(tx.outbox.tries(link.system, self._lost), len(BACK_OFF) - 1)]
            tx.outbox.postpone(link.system, self._lost, tx.at + delay, tried=True)

    def _with_less(self, sending: Sending, outcome: Outcome) -> Sending | None:
        """A create that was refused because of some fields, which are left out now; None: it is not sent again."""
        if sending.plan.op != "create" or not isinstance(outcome, Rejected) or sending.tries >= MOST_TRIES:
            return None
        mine = self._at_fault(sending.attempt, outcome.fields)
        if not mine or sending.plan.repeats is not None:
            return None
        why = f"{self._link.system}: {outcome.reason}"
        return msgspec.structs.replace(sending, left_out={**sending.left_out, **dict.fromkeys(mine, why)})

    def _at_fault(self, attempt: Attempt, names: Iterable[str]) -> frozenset[FieldNumber]:
        """Those of some native fields that were sent."""
        numbers = {self._link.translation.number_of(name) for name in names}
        return frozenset(number for number in numbers if number is not None and attempt.body.names(number))

    def _none_twice(self, sends: Sequence[Sending], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """A create that answers with a record which is bound already has made none: the system found that one."""
        tx, link = self._tx, self._link
        made = [o.key for s, o in zip(sends, outcomes, strict=True) if s.plan.op == "create" and isinstance(o, Written)]
        bound = set(tx.clusters.heads(link.system, link.object, made)) if made else set()
        out: list[Outcome] = []
        for sending, outcome in zip(sends, outcomes, strict=True):
            if sending.plan.op == "create" and isinstance(outcome, Written):
                if outcome.key in bound:
                    tx.readings.hint(link.system, link.object, [outcome.key], tx.stamp, tx.at)
                    outcome = Clash(None, outcome.key)
                else:
                    bound.add(outcome.key)
            out.append(outcome)
        return out

    def _written(self, cluster: Cluster, sending: Sending, written: Written) -> None:
        rule, attempt, op = self._link.rule, _stored(cluster, sending.attempt), sending.plan.op
        image = self._image(sending, written)
        binding = answer.accepted(
            cluster, attempt, written.key, image, rule, self._link.entity, self._fp, self._effects, self._tx.stamp,
            sending.left_out,
        )  # fmt: skip
        self._counts.wrote(op)
        adopted_later = op == "create" and not rule.creates_are_receipts
        shows_more = binding is not None and not binding.digest
        if op != "delete" and (image is None or adopted_later or shows_more):
            self._dirty.append(written.key)
        for write_class in _classes(sending.plan) if rule.guards else ():
            if write_class in rule.guards:
                self._counted.setdefault(write_class, []).append((cluster.id, None))

    def _not_written(self, cluster: Cluster, sending: Sending, outcome: Outcome) -> None:
        attempt, key = _stored(cluster, sending.attempt), sending.write.key
        if isinstance(outcome, Stale | Missing):
            answer.not_applied(cluster, attempt, self._tx.stamp)
        elif isinstance(outcome, Unknown):
            self._counts.unknown += 1
            answer.unknown(cluster, attempt, self._tx.at, self._tx.stamp)
            if sending.plan.op == "create":
                self._link.wants_full = True
        else:
            assert isinstance(outcome, Clash | Rejected)
            self._refused(cluster, sending, outcome)
            return
        self._wait.append(cluster.id)
        if key is not None:
            self._dirty.append(key)

    def _lost_create(self, cluster: Cluster, sending: Sending, outcome: Outcome) -> None:
        """A create whose system knows it by its key: it is sent again before long, unless it shows meanwhile."""
        if isinstance(outcome, Unknown):
            self._counts.unknown += 1
            self._link.wants_full = True
            answer.unknown(cluster, _stored(cluster, sending.attempt), self._tx.at, self._tx.stamp)
        else:
            without_effect(cluster, sending, self._tx.stamp)
        self._lost.append(cluster.id)
        if sending.write.key is not None:
            self._dirty.append(sending.write.key)

    def _refused(self, cluster: Cluster, sending: Sending, outcome: Clash | Rejected) -> None:
        link, attempt = self._link, _stored(cluster, sending.attempt)
        self._counts.refused += 1
        if isinstance(outcome, Clash):
            names: tuple[str, ...] = () if outcome.field is None else (outcome.field,)
            reason = f"{link.system}: another record has this value of {outcome.field or 'a unique field'}"
            if outcome.key is not None:
                reason += f": {outcome.key}"
                if not self._tx.clusters.heads(link.system, link.object, [outcome.key]):
                    self._dirty.append(outcome.key)
            kind = ReportKind.CLASH
        else:
            names, reason, kind = outcome.fields, f"{link.system}: {outcome.reason}", ReportKind.REFUSED
        if sending.left_out:
            reason = f"{reasons(sending.left_out)}; {reason}"
        answer.refused(
            cluster, attempt, self._at_fault(attempt, names), reason, kind, link.rule, self._fp, self._effects,
            self._tx.stamp,
        )  # fmt: skip

    def _image(self, sending: Sending, written: Written) -> answer.Image | None:
        """A post-image in canonical values, but those of fields that stayed as they were or came back as sent."""
        record = written.image
        if record is None:
            return None
        link, sent, raw = self._link, sending.write.fields, record.fields
        digest = link.digest_of(record)
        back = [raw.get(name, ABSENT) for name in sent]
        if back != [*sent.values()] or [*map(type, back)] != [*map(type, sent.values())]:
            return answer.Image(link.translation.reading(record).values, digest, record.version)
        if written.alone:
            return answer.Image({}, digest, record.version, alone=True)
        mapped = link.natives_mapped
        rest = {name: value for name, value in raw.items() if name not in sent and name in mapped}
        return answer.Image(link.translation.values(rest) if rest else {}, digest, record.version)


def without_effect(cluster: Cluster, sending: Sending, epoch: int) -> None:
    """Nothing came of a sending; of a repeated create, what came of the first one is as unknown as before."""
    attempt = _stored(cluster, sending.attempt)
    if sending.plan.repeats is None:
        answer.not_applied(cluster, attempt, epoch)
    else:
        answer.unknown(cluster, attempt, attempt.gave_up_at, epoch)


def _is_lost(sending: Sending, outcome: Outcome) -> bool:
    """Whether it stays unknown what came of a create: not even a refusal of its repetition tells."""
    return sending.plan.op == "create" and (sending.plan.repeats is not None or isinstance(outcome, Unknown))


def _stored(cluster: Cluster, attempt: Attempt) -> Attempt:
    for known in cluster.attempts:
        if known.id == attempt.id:
            return known
    raise LookupError(attempt.id)


def _classes(planned: Plan) -> list[WriteClass]:
    if planned.op == "create":
        return [WriteClass.CREATE]
    if planned.op == "delete":
        return [WriteClass.DELETE]
    return sorted({field.write_class for field in planned.fields.values()})
