"""Intake: the step that takes readings into the state: observe, identify, finish, commit.

One transaction a page. What may not be trusted is thrown away and leaves a hint, so that it is read again:
a reading that overlaps a write, began before the last one that was taken, or is older than one already seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from datasyncd.adapters.contract import Answer, Gone, Malformed, Moment, Moved, Record
from datasyncd.reconcile import answer
from datasyncd.reconcile.cluster import (
    Attempt,
    Binding,
    BindingBody,
    BindingId,
    Cluster,
    ClusterBody,
    ClusterId,
    ClusterState,
)
from datasyncd.reconcile.effects import Effects, Entry, Quarantined
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.founding import found, found_again, opted_out
from datasyncd.reconcile.identity import Match, MatchKey, Verdict, identify, keys_of, keys_of_values
from datasyncd.reconcile.observe import Observer
from datasyncd.reconcile.reading import Reading
from datasyncd.reconcile.rules import FieldNumber, WriteClass
from datasyncd.state.clusters import Head
from datasyncd.state.records import QuarantineRow
from datasyncd.state.transaction import Tx

from . import forms, merged
from .link import Link


class Taken(msgspec.Struct):
    """What became of the records of one page."""

    read: int = 0
    changed: int = 0
    """Clusters that were made or changed."""
    echoes: int = 0
    thrown: set[str] = set()
    """Not trusted now; read again later."""
    seen: set[int] = set()
    """Bindings whose record is there."""
    unsettled_since: int = 0
    """Since when some record is of unknown identity, in microseconds: of several the latest. 0: none is."""

    def unsettle(self, since: int) -> None:
        """A record that was there since then at least may be anybody's."""
        self.unsettled_since = max(self.unsettled_since, since)

    missing: list[str] = []
    """Bound records that a reading by key did not find."""


class Intake:
    """One page or batch of readings of one link, in one transaction."""

    def __init__(
        self, tx: Tx, link: Link, fp: Fingerprinter, began: Moment, cause: str, *, by_id: bool, strong: bool = False
    ) -> None:
        self.tx = tx
        self.link = link
        self.fp = fp
        self.began = began
        self.by_id = by_id
        self.strong = strong
        self.stale_us = 0 if strong else link.rule.stale_us
        """By how much the readings may be older than their begin."""
        self.effects: Effects = tx.effects(cause)
        self.clusters: dict[int, Cluster] = {}
        self.taken = Taken()
        self._dirty: list[str] = []
        self._read: list[tuple[str, int]] = []
        self._overlay: dict[bytes, list[Cluster]] = {}
        self._generations: Mapping[str, int] = {}
        self._hinted: Mapping[str, int] = {}

    def take(self, records: Sequence[Record], *, known_dirty: Mapping[str, int] | None = None) -> Taken:
        """Take records in; commits nothing itself. `known_dirty`: generations before the reading began."""
        link, tx = self.link, self.tx
        # A listing promises every record at least once: of several, the last one was read last.
        records = list({record.key: record for record in records}.values())
        self._generations = tx.readings.generations(link.system, link.object) if known_dirty is None else known_dirty
        if self.stale_us:
            self._hinted = tx.readings.hinted(link.system, link.object)
        heads = tx.clusters.heads(link.system, link.object, [record.key for record in records])
        bound: list[tuple[Record, Head, bytes]] = []
        unbound: list[tuple[Record, bytes]] = []
        for record in records:
            self._sort(record, heads.get(record.key), bound, unbound)
        self.taken.read += len(records)
        self.clusters.update(tx.clusters.load({head.cluster_id for _record, head, _digest in bound}))
        for record, head, digest in bound:
            self._observe(record, head, digest)
        if unbound:
            self._identify(unbound)
        self._commit()
        return self.taken

    def _sort(
        self,
        record: Record,
        head: Head | None,
        bound: list[tuple[Record, Head, bytes]],
        unbound: list[tuple[Record, bytes]],
    ) -> None:
        """Unchanged, thrown away, bound, or not bound yet."""
        digest = self.link.digest_of(record)
        if head is None:
            unbound.append((record, digest))
            return
        self.taken.seen.add(head.id)
        if head.epoch > self.began.seq or head.last_read_at > self.began.at or self._too_old():
            self._throw(record.key)
            return
        if (
            head.digest == digest
            and head.mapping == self.link.rule.mapping_digest
            and not head.loud
            and record.key not in self._generations
        ):
            if 0 <= self.link.last_began.seq < head.epoch:
                self.taken.echoes += 1
            return
        bound.append((record, head, digest))

    def _too_old(self) -> bool:
        rule = self.link.rule
        return rule.condition != "enforced" and self.tx.at - self.began.at > rule.read_max_us

    def _throw(self, ext_id: str) -> None:
        self._dirty.append(ext_id)
        self.taken.thrown.add(ext_id)

    def _observe(self, record: Record, head: Head, digest: bytes) -> None:
        cluster = self.clusters[head.cluster_id]
        binding = _bound(cluster, head.id)
        if self._is_older(record, binding) or cluster.open_attempt(self.link.system) is not None:
            self._throw(record.key)
            return
        self._run(cluster, binding, self._reading(record, digest))

    def _is_older(self, record: Record, binding: Binding) -> bool:
        """Whether it shows a state before the one that we know. Where readings may be old, our own writes count
        whose answer told no version."""
        if self.link.rule.version_order != "counter" or not isinstance(record.version, int):
            return False
        known = [binding.version, *(binding.body.versions.values() if self.stale_us else ())]
        return any(isinstance(version, int) and record.version < version for version in known)

    def _run(self, cluster: Cluster, binding: Binding, reading: Reading, *, contact: bool = False) -> None:
        edits = len(self.effects.journal)
        observer = Observer(cluster, binding, reading, self.link.entity, self.fp, self.effects, contact)
        observer.run()
        if reading.ext_id in self._generations and binding.last_read_at < reading.began_at:
            # Another reading of the same hint may be in flight, which began earlier.
            binding.last_read_at = reading.began_at
            binding.changed = True
        if len(self.effects.journal) == edits and 0 <= self.link.last_began.seq < binding.epoch:
            self.taken.echoes += 1
        incomplete = bool(observer.absent) and not binding.digest
        generation = self._hinted_before(reading.ext_id)
        if incomplete:
            self._dirty.append(reading.ext_id)
        elif generation is not None:
            self._read.append((reading.ext_id, generation))

    def _hinted_before(self, ext_id: str) -> int | None:
        """Generation of the hint that this reading answers: one that came after its begin stays, and one that came
        after the state which it may show."""
        generation = self._generations.get(ext_id)
        if generation is None or generation > self.began.seq:
            return None
        return generation if self._hinted.get(ext_id, 0) + self.stale_us <= self.began.at else None

    def _reading(self, record: Record, digest: bytes) -> Reading:
        reading = self.link.reading(
            record, digest, self.began, self.tx.at, self.fp, by_id=self.by_id, strong=self.strong
        )  # fmt: skip
        reading.listed_at = self.link.complete_began.at
        return reading

    # Records without a binding

    def _identify(self, unbound: Sequence[tuple[Record, bytes]]) -> None:
        link, tx, entity = self.link, self.tx, self.link.entity
        shows = self.began.at - self.stale_us if self.stale_us else None
        gone = tx.clusters.gone_since(link.system, link.object, [r.key for r, _ in unbound], self.began.seq, shows)
        for ext_id in sorted(gone):
            # The reading shows what was there before the record went.
            self._throw(ext_id)
        unbound = [(record, digest) for record, digest in unbound if record.key not in gone]
        readings = [self._reading(record, digest) for record, digest in unbound]
        keys = [keys_of_values(reading.values, entity, self.fp) for reading in readings]
        for cluster in self.clusters.values():
            if not entity.matched.isdisjoint(cluster.edited):
                # A key that its record gave up in this page may be another one's in the same page.
                cluster.keys = keys_of(cluster, entity, self.fp)
        found = tx.clusters.matching([digest for each in keys for _kind, digest in each])
        creating = tx.clusters.creating(link.system, entity.name)
        wanted = {number for numbers in found.values() for number in numbers} | set(creating)
        self.clusters.update(tx.clusters.load(wanted - self.clusters.keys()))
        kept_out = tx.records.quarantined_records(link.system, link.object)
        for record, _digest in unbound if kept_out else ():
            if kept_out.get(record.key) == b"":
                # It was kept out for how it was written, and can be read again.
                del kept_out[record.key]
                self.effects.released.append((link.system, link.object, record.key, None))
        creates = [self.clusters[number] for number in creating]
        for reading, own in zip(readings, keys, strict=True):
            candidates = self._candidates(own, found)
            match = identify(reading.ext_id, own, candidates, creates, link.rule)
            self._decide(reading, own, match, kept_out.get(reading.ext_id), candidates)

    def _candidates(self, keys: Sequence[MatchKey], found: Mapping[bytes, Sequence[int]]) -> list[Cluster]:
        out: dict[int, Cluster] = {}
        for _kind, digest in keys:
            for number in found.get(digest, ()):
                if self.clusters[number].entity == self.link.rule.entity:
                    out[number] = self.clusters[number]
            for cluster in self._overlay.get(digest, ()):
                out[cluster.id] = cluster
        return [out[number] for number in sorted(out)]

    def _decide(
        self,
        reading: Reading,
        keys: Sequence[MatchKey],
        match: Match,
        quarantined: bytes | None,
        candidates: Sequence[Cluster],
    ) -> None:
        if quarantined is not None and match.verdict is not Verdict.WAIT and self._is_ours_for_good(reading.ext_id):
            match = Match(Verdict.FOUND)
        if match.verdict is Verdict.FOUND and quarantined is None:
            if self.link.rule.pulls:
                self._found(reading, keys, opted_out(candidates, keys, self.link.entity) if candidates else ())
        elif match.verdict is Verdict.BIND:
            assert match.cluster is not None
            self._bind(match.cluster, reading, ours=match.ours)
            if quarantined is not None:
                self.effects.released.append((self.link.system, self.link.object, reading.ext_id, None))
        elif match.verdict is Verdict.WAIT:
            # One that waits for a delete is none of ours, by all keys that were sent: it keeps no create from ending.
            if not self._waits_for_a_delete(match):
                self.taken.unsettle(self.tx.at)
            self._throw(reading.ext_id)
        else:
            row = self._kept_out(reading.ext_id)
            if quarantined != reading.digest or (row is not None and row.kind == Verdict.AMBIGUOUS):
                # Of another one that was kept out before, and is as it was then, it is known that no create made it.
                self.taken.unsettle(self.tx.at if row is None else row.first_at)
            if row is not None and match.verdict is Verdict.FOUND and _is_left_alone(row, candidates):
                self._keep_out(reading, keys, Verdict.DUPLICATE, ALONE, row.cluster_id or 0)
            elif quarantined != reading.digest:
                if match.verdict is not Verdict.FOUND:
                    self._quarantine(reading, keys, match)
                else:
                    self.tx.records.judged_anew(
                        self.link.system, self.link.object, reading.ext_id, reading.digest, self.tx.at
                    )
        generation = self._hinted_before(reading.ext_id) if self._generations else None
        if generation is not None and match.verdict is not Verdict.WAIT:
            self._read.append((reading.ext_id, generation))

    def _waits_for_a_delete(self, match: Match) -> bool:
        cluster = match.cluster
        return (
            cluster is not None
            and cluster.state == ClusterState.DELETING
            and cluster.open_attempt(self.link.system) is None
        )

    def _is_ours_for_good(self, ext_id: str) -> bool:
        """Kept out as a record that a create of ours made: no key that came later says whose it is."""
        rows = self.tx.records.quarantined(self.link.system, self.link.object)
        return any(
            row.ext_id == ext_id and row.field is None and (row.kind == Verdict.ORPHAN or row.reason == OURS)
            for row in rows
        )

    def _kept_out(self, ext_id: str) -> QuarantineRow | None:
        rows = self.tx.records.quarantined(self.link.system, self.link.object)
        return next((row for row in rows if row.ext_id == ext_id and row.field is None), None)

    def _found(self, reading: Reading, keys: Sequence[MatchKey], withdrawn: Collection[FieldNumber]) -> None:
        """A record that nobody has: a new cluster. `withdrawn`: consents of the dead whose keys it has."""
        cluster = Cluster(
            self.tx.next(), self.link.rule.entity, ClusterBody({}, []), new=True, changed=True, bindings=[]
        )
        self.clusters[cluster.id] = cluster
        for _kind, digest in keys:
            self._overlay.setdefault(digest, []).append(cluster)
        cluster.keys = frozenset(keys)
        binding = self._binding(cluster, reading, None)
        if withdrawn:
            found_again(cluster, binding, reading, withdrawn, self.link.entity, self.fp, self.effects)
        else:
            found(cluster, binding, reading, self.link.entity, self.fp, self.effects)
        if binding.body.absent:
            self._dirty.append(reading.ext_id)

    def _bind(self, cluster: Cluster, reading: Reading, *, ours: bool) -> None:
        """A record of a cluster that other records, or a create of ours, made."""
        attempts = [a for a in cluster.attempts if a.system == self.link.system and a.op == "create"] if ours else []
        sent = _named_by_each(attempts, reading.ext_id, self.link) if ours else None
        self._join(cluster, reading, contact=not ours, sent=sent, attempts=attempts)
        for digest in {digest for _kind, digest in cluster.keys}:
            known = self._overlay.setdefault(digest, [])
            if cluster not in known:
                known.append(cluster)

    def _join(
        self,
        cluster: Cluster,
        reading: Reading,
        *,
        contact: bool,
        sent: list[int] | None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        binding = self._binding(cluster, reading, sent)
        for attempt in attempts:
            attempt.binding_id = binding.id
            cluster.marked = [*cluster.marked, attempt.id]
        self.effects.journal.append(Entry(cluster.id, "bind", binding.system, binding.id, self.effects.cause))
        answer.close_refusals(cluster, (), True, self.link.rule, self.effects)
        self._run(cluster, binding, reading, contact=contact)

    def _binding(self, cluster: Cluster, reading: Reading, sent: list[int] | None) -> Binding:
        link = self.link
        binding = Binding(
            self.tx.next(), cluster.id, link.system, link.object, reading.ext_id, BindingBody({}, sent=sent),
            new=True, changed=True, mapping=link.rule.mapping_digest,
        )  # fmt: skip
        cluster.bindings = [*cluster.bindings, binding]
        cluster.rescan = True
        self.taken.seen.add(binding.id)
        return binding

    def _quarantine(self, reading: Reading, keys: Sequence[MatchKey], match: Match) -> None:
        reason = OURS if match.ours else _REASONS[match.verdict]
        self._keep_out(reading, keys, match.verdict, reason, match.cluster.id if match.cluster is not None else 0)

    def _keep_out(
        self, reading: Reading, keys: Sequence[MatchKey], kind: Verdict, reason: str, cluster: ClusterId
    ) -> None:
        link = self.link
        self.effects.quarantined.append(
            Quarantined(
                link.system, link.object, reading.ext_id, None, kind, reason, reading.digest, list(keys), cluster
            )
        )

    def _commit(self) -> None:
        tx, link = self.tx, self.link
        changed = [cluster for cluster in self.clusters.values() if _has_changes(cluster)]
        for cluster in changed:
            finish(cluster, link.entity, self.fp, self.effects)
            if cluster.new or cluster.changed:
                self.taken.changed += 1
        if changed:
            tx.clusters.save(changed, tx.stamp)
            tx.clusters.keep(cluster for cluster in changed if cluster.outbox)
        forms.note(tx, link, self.fp, self.effects)
        tx.records.write(self.effects, tx.run)
        tx.guards.put_right(link.system, link.rule.entity, WriteClass.CLEAR, self.effects.refilled)
        tx.guards.count(link.system, link.rule.entity, WriteClass.CLEAR, True, self.effects.blanked, tx.at)
        if self._read:
            tx.readings.done(link.system, link.object, self._read)
        if self._dirty:
            tx.readings.hint(link.system, link.object, self._dirty, tx.stamp, tx.at)


def _bound(cluster: Cluster, binding_id: BindingId) -> Binding:
    for binding in cluster.bindings:
        if binding.id == binding_id:
            return binding
    raise LookupError(binding_id)


def _has_changes(cluster: Cluster) -> bool:
    if cluster.new or cluster.changed or cluster.touched or cluster.rescan or cluster.ended or cluster.marked:
        return True
    return any(binding.changed or binding.new or binding.suspected for binding in cluster.bindings)


def _named_by_each(attempts: Sequence[Attempt], ext_id: str, link: Link) -> list[int]:
    """Fields that each of these creates named, if the record's id proves that one of them made it."""
    proven = link.rule.key_field is None and any(attempt.ext_id == ext_id for attempt in attempts)
    if not proven:
        return []
    named = set(attempts[0].body.numbers)
    for attempt in attempts[1:]:
        named &= set(attempt.body.numbers)
    return sorted(named)


OURS = "creates of ours for several clusters were sent with its key, and one of them made it"
_REASONS = {
    Verdict.DUPLICATE: "another record of this system belongs to the same cluster",
    Verdict.AMBIGUOUS: "it matches several clusters, or one that a person told apart",
    Verdict.ORPHAN: "a create of ours made it after its cluster was gone or had another record",
}


ALONE = "another record of this system was the same person's, and all records of that person were deleted since"
"""The reason why a duplicate is kept out of whose cluster nothing is left: it is no new person by itself."""


def _is_left_alone(row: QuarantineRow, candidates: Sequence[Cluster]) -> bool:
    """Whether a record was kept out for another one of a person who was deleted since, and it is not said yet."""
    dead = {cluster.id for cluster in candidates if cluster.state == ClusterState.DEAD}
    return row.kind == Verdict.DUPLICATE and row.cluster_id in dead and row.reason != ALONE


def hint_changed(tx: Tx, link: Link, fp: Fingerprinter, records: Sequence[Record]) -> Taken:
    """A page that may show what was true a while ago: what is not as we know it is read again by key."""
    heads = tx.clusters.heads(link.system, link.object, [record.key for record in records])
    taken = Taken(read=len(records), seen={head.id for head in heads.values()})
    changed: list[str] = []
    unbound: list[Record] = []
    for record in records:
        head = heads.get(record.key)
        if head is None:
            unbound.append(record)
        elif head.digest != link.digest_of(record) or head.mapping != link.rule.mapping_digest:
            changed.append(record.key)
    if unbound:
        unknown, ambiguous = _worth_reading(tx, link, fp, unbound)
        taken.unsettle(tx.at if unknown else ambiguous)
        changed += unknown
    if changed:
        tx.readings.hint(link.system, link.object, changed, tx.stamp, tx.at)
    return taken


def _worth_reading(tx: Tx, link: Link, fp: Fingerprinter, unbound: Sequence[Record]) -> tuple[list[str], int]:
    """Records without a binding, but those that are kept out, unchanged, and that no cluster has a place for; and since
    when it is unknown of one of these whose it is."""
    kept_out = {row.ext_id: row for row in tx.records.quarantined(link.system, link.object) if row.field is None}
    out, ambiguous = [], 0
    duplicates: dict[str, list[MatchKey]] = {}
    for record in unbound:
        row = kept_out.get(record.key)
        if row is None or row.raw != link.digest_of(record):
            out.append(record.key)
            continue
        ambiguous = max(ambiguous, row.first_at if row.kind == Verdict.AMBIGUOUS else 0)
        if row.kind == Verdict.DUPLICATE:
            duplicates[record.key] = keys_of_values(link.translation.reading(record).values, link.entity, fp)
    if duplicates:
        out += _with_a_place(tx, link, duplicates)
    return out, ambiguous


def _with_a_place(tx: Tx, link: Link, keys: Mapping[str, Sequence[MatchKey]]) -> list[str]:
    """Which of these records belong to some cluster now that has a place for them."""
    found = tx.clusters.matching([digest for own in keys.values() for _kind, digest in own])
    creating = tx.clusters.creating(link.system, link.rule.entity)
    clusters = tx.clusters.load({*creating, *(number for numbers in found.values() for number in numbers)})
    creates = [clusters[number] for number in creating]
    out = []
    for name, own in keys.items():
        numbers = sorted({number for _kind, digest in own for number in found.get(digest, ())})
        candidates = [clusters[number] for number in numbers if clusters[number].entity == link.rule.entity]
        if identify(name, own, candidates, creates, link.rule).verdict is Verdict.BIND:
            out.append(name)
    return out


def take_malformed(
    tx: Tx, link: Link, malformed: Sequence[Malformed], effects: Effects, before: Sequence[str] = ()
) -> list[str]:
    """Rows that could not be made records are kept out, each with its reason, and its place as the raw value.

    Returns the names that they have in quarantine; `before`: those of earlier pages of the same pull.
    """
    rows = tx.records.quarantined(link.system, link.object)
    known = {row.ext_id: row for row in rows if row.kind == "invalid" and row.field is None}
    names: list[str] = []
    for row in malformed:
        name = _name_of(row, [*before, *names])
        names.append(name)
        kept = known.get(name)
        if kept is None or kept.reason != row.reason:
            effects.quarantined.append(
                Quarantined(link.system, link.object, name, None, "invalid", row.reason, row.place)
            )
        elif kept.raw != row.place:
            tx.records.judged_anew(link.system, link.object, name, row.place, kept.last_at)
    return names


def _name_of(row: Malformed, taken: Sequence[str]) -> str:
    """Its key, else what it holds, else its place; rows that hold the same are numbered."""
    if row.key is not None:
        return row.key
    if not row.digest:
        return row.place
    name = f"#{row.digest.hex()}"
    same = sum(known == name or known.startswith(f"{name}-") for known in taken)
    return f"{name}-{same + 1}" if same else name


def take_answers(
    tx: Tx,
    link: Link,
    fp: Fingerprinter,
    began: Moment,
    answers: Sequence[Answer],
    generations: Mapping[str, int],
    cause: str,
    *,
    strong: bool = True,
) -> Taken:
    """The answers to a reading by key: what is there is taken in, what is not makes its binding suspect, and what was
    merged away ends it. Not `strong`: records alone, which may be as old as the system promises."""
    records = [answer for answer in answers if isinstance(answer, Record)]
    gone = [answer.key for answer in answers if isinstance(answer, Gone)]
    malformed = [answer for answer in answers if isinstance(answer, Malformed)]
    moved = [answer for answer in answers if isinstance(answer, Moved)]
    taken = Intake(tx, link, fp, began, cause, by_id=True, strong=strong).take(records, known_dirty=generations)
    effects = tx.effects(cause)
    if malformed:
        take_malformed(tx, link, malformed, effects)
    if gone:
        taken.missing = _suspect(tx, link, fp, began, gone, effects)
    if moved:
        taken.changed += merged.take(tx, link, fp, began, moved, effects)
    tx.records.write(effects, tx.run)
    names = [*gone, *(answer.key for answer in moved), *(answer.key for answer in malformed if answer.key is not None)]
    answered = [(name, at) for name in names if (at := generations.get(name)) is not None and at <= began.seq]
    tx.readings.done(link.system, link.object, answered)
    return taken


def _suspect(tx: Tx, link: Link, fp: Fingerprinter, began: Moment, gone: Sequence[str], effects: Effects) -> list[str]:
    """Bindings whose record a reading by key did not find: nothing is written to them any more."""
    heads = tx.clusters.heads(link.system, link.object, gone)
    clusters = tx.clusters.load({head.cluster_id for head in heads.values()})
    missing = []
    for name, head in heads.items():
        cluster = clusters[head.cluster_id]
        binding = _bound(cluster, head.id)
        if head.epoch > began.seq or cluster.open_attempt(link.system) is not None:
            tx.readings.hint(link.system, link.object, [name], tx.stamp, tx.at)
            continue
        missing.append(name)
        if not binding.suspect_since:
            binding.suspect_since = tx.at
            binding.suspected = True
            cluster.rescan = True
            finish(cluster, link.entity, fp, effects)
    tx.clusters.save(clusters.values(), tx.stamp)
    return missing


__all__ = ["ClusterState", "Intake", "Taken", "take_answers", "take_malformed"]
