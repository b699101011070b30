"""Puller: what one system says now, page by page, into the state.

A complete pull also says what is no longer there, and so does a system that tells its deletions. Nothing is concluded
from a pull that failed, that was not complete, or that misses more than the link's guard allows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec

from datasyncd.adapters.contract import Answer, Cursor, Gone, Key, Moment, Moved, Page, Record
from datasyncd.adapters.digest import row_digest
from datasyncd.reconcile.cluster import AttemptStatus, Cluster
from datasyncd.reconcile.deletion import gone
from datasyncd.reconcile.drift import Tally
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.guards import exceeds, lost
from datasyncd.reconcile.identity import Verdict
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state import readings
from datasyncd.state.readings import Dirty
from datasyncd.state.store import Store
from datasyncd.state.transaction import Tx

from . import drift, rename
from .intake import OURS, Intake, Taken, hint_changed, take_answers, take_malformed
from .link import Counts, Link

READ_BATCH = 500
Progress = Callable[[int], None]
Linger = Callable[[bool], Awaitable[None]]
"""Waits before missing records are believed to be gone; true: only such are missing as come after all others."""


class Pulled(msgspec.Struct):
    """One pull of one link."""

    counts: Counts
    complete: bool = False
    began: Moment = Moment(0, 0)
    seen: set[int] = set()
    malformed: list[str] = []
    """Names in quarantine of the rows that could not be made records."""
    ended: bool = False
    """All pages of a full pull came, whether or not they say all that there is."""
    unseen: set[str] = set()
    """Records that are kept out, and that no page has shown so far."""
    listed: bytes = b""
    """Digest of the keys and versions of all records, where `linger` needs it."""
    unsettled_since: int = 0
    """Since when some record that it showed is of unknown identity; 0: none is."""
    deferred: list[Record] = []
    """Records without a binding, kept until it is known which ones are missing (the key is a mapped field)."""
    gone: dict[str, Moment] = {}
    """Told to be deleted: key, and when it was looked for in vain."""
    held: bool = False
    """A guard holds what seems to have been lost."""
    tally: Tally = msgspec.field(default_factory=Tally)


async def pull(
    link: Link,
    store: Store,
    begin: Callable[[], Moment],
    progress: Progress | None = None,
    stopping: Callable[[], bool] = lambda: False,
    linger: Linger | None = None,
) -> Pulled:
    """Pull a link once: what changed since its cursor, or everything. With `stopping`, no further page.

    `linger`: a wait before missing records are believed to be gone, for files that somebody may be writing.

    On crash: pages that were committed stay; the cursor moves only with the last one, so that the rest is
    read again.
    """
    fp = store.fingerprints
    incremental = link.capabilities.incremental
    pulled = Pulled(Counts())
    cursor, since, defers = await store.transact(lambda tx: _begin(tx, link, pulled))
    pulled.began = begin()
    position = cursor.position
    standing: Cursor | None = None
    link.standing = None
    async for page in link.adapter.pull(link.object, since):
        if page.unchanged:
            link.standing, link.complete_began, link.last_began = since, pulled.began, pulled.began
            return pulled
        if pulled.unseen:
            pulled.unseen -= {record.key for record in page.records}
        taken = await store.transact(partial(_take, link=link, fp=fp, page=page, pulled=pulled, defers=defers))
        _add(pulled, taken)
        pulled.complete = page.complete
        if linger is not None:
            pulled.listed = _listed(pulled.listed, page)
        if incremental:
            position = page.cursor if page.cursor is not None else position
        else:
            standing = page.cursor
        if progress is not None:
            progress(taken.read)
        if stopping():
            pulled.complete = False
            return pulled
    pulled.ended = since is None or not incremental or pulled.complete
    await _conclude(link, store, begin, pulled, linger)
    await store.transact(lambda tx: _end(tx, link, fp, pulled, cursor, position))
    link.last_began = pulled.began
    link.holds_lost = pulled.held
    if pulled.complete:
        link.complete_began = pulled.began
        link.wants_full = False
        link.standing = standing
    return pulled


def _begin(tx: Tx, link: Link, pulled: Pulled) -> tuple[readings.Cursor, Cursor | None, bool]:
    """How far the link was read, since when it is read now (None: everything), and whether records without a binding
    wait for the end."""
    _end_of_creates(tx, link)
    cursor = tx.readings.cursor(link.system, link.object)
    incremental = link.capabilities.incremental
    full = link.wants_full or link.holds_lost or (incremental and link.drifts)
    since: Cursor | None = None if full else cursor.position if incremental else link.standing
    if since is None or not incremental:
        pulled.unseen = _kept_out(tx, link)
    if since is not None and not incremental and _asks_for_all(tx, link, pulled):
        since = None
    defers = link.rule.key_field is not None and tx.clusters.bound(link.system, link.object) > 0
    return cursor, since, defers


def _end(
    tx: Tx, link: Link, fp: Fingerprinter, pulled: Pulled, cursor: readings.Cursor, position: Cursor | None
) -> None:
    """What drifts is judged, and the cursor moves: nothing of the pull is left to be taken in."""
    if pulled.tally.read and drift.conclude(tx, link, fp, pulled.tally, pulled.seen):
        pulled.counts.changed += 1
    first = not cursor.last_success_at or (pulled.complete and not cursor.last_complete_pull_at)
    if position != cursor.position or first or pulled.counts.changed:
        began = pulled.began.at
        tx.readings.move(link.system, link.object, position, began if pulled.complete else 0, began)


def _asks_for_all(tx: Tx, link: Link, pulled: Pulled) -> bool:
    """Whether all records are to be listed though none changed: what is kept out may belong somewhere now, and only
    a list of all ends a create of unknown outcome."""
    return bool(pulled.unseen) or bool(tx.clusters.creating(link.system, link.rule.entity))


def _listed(before: bytes, page: Page) -> bytes:
    """A digest of all keys and versions listed so far."""
    return row_digest([before, *((record.key, record.version) for record in page.records)])


async def _lasts(link: Link, linger: Linger, pulled: Pulled, missing: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a second look, a while later, shows the very same records: nobody is in the middle of writing them."""
    # Bindings are numbered in the order in which records came up: first that of the file, then as they were added.
    await linger(min(number for number, _cluster, _key in missing) > max(pulled.seen, default=0))
    listed = b""
    async for page in link.adapter.pull(link.object, None):
        listed = _listed(listed, page)
    return listed == pulled.listed


def _take(tx: Tx, link: Link, fp: Fingerprinter, page: Page, pulled: Pulled, defers: bool) -> Taken:
    """One page in one transaction."""
    records: Sequence[Record] = page.records
    if defers:
        heads = tx.clusters.heads(link.system, link.object, [record.key for record in records])
        pulled.deferred = [*pulled.deferred, *(record for record in records if record.key not in heads)]
        records = [record for record in records if record.key in heads]
    if link.rule.pull_is_reading:
        taken = Intake(tx, link, fp, page.began, "pull", by_id=False).take(records)
    else:
        taken = hint_changed(tx, link, fp, records)
    drift.count(tx, link, page.records, pulled.tally)
    if page.malformed:
        effects = tx.effects("pull")
        kept_out = take_malformed(tx, link, page.malformed, effects, pulled.malformed)
        tx.records.write(effects, tx.run)
        names = [row.key for row in page.malformed if row.key is not None]
        # A row that cannot be read is there all the same.
        taken.seen.update(head.id for head in tx.clusters.heads(link.system, link.object, names).values())
        pulled.malformed = [*pulled.malformed, *kept_out]
    if page.gone or pulled.gone:
        there = {record.key for record in page.records} | {row.key for row in page.malformed}
        pulled.gone = {
            key: began
            for key, began in (pulled.gone | dict.fromkeys(page.gone, page.began)).items()
            if key not in there
        }
    return taken


def _take_deferred(tx: Tx, link: Link, fp: Fingerprinter, began: Moment, part: Sequence[Record]) -> Taken:
    return Intake(tx, link, fp, began, "pull", by_id=False).take(part)


def _add(pulled: Pulled, taken: Taken) -> None:
    pulled.counts.read += taken.read
    pulled.counts.echoes += taken.echoes
    pulled.counts.changed += taken.changed
    pulled.seen |= taken.seen
    pulled.unsettled_since = max(pulled.unsettled_since, taken.unsettled_since)


async def _conclude(
    link: Link,
    store: Store,
    begin: Callable[[], Moment],
    pulled: Pulled,
    linger: Linger | None,
) -> None:
    """What a complete pull says beside its records: renames, deletions, creates that never happened."""
    fp = store.fingerprints
    missing: list[tuple[int, int, str]] = []
    settled = False
    if pulled.complete:
        missing = await store.transact(lambda tx: _missing_or_settled(tx, link, fp, pulled))
        settled = not missing and not pulled.deferred
        if missing and linger is not None and not await _lasts(link, linger, pulled, missing):
            # Nothing is concluded from this pull; another one follows at once.
            missing, pulled.complete, link.wants_full = [], False, True
            pulled.counts.changed += 1
        if missing and pulled.deferred:
            lost = missing
            missing = await store.transact(lambda tx: rename.settle(tx, link, fp, pulled.began, pulled.deferred, lost))
    if pulled.deferred:
        deferred = pulled.deferred
        for start in range(0, len(deferred), READ_BATCH):
            part = deferred[start : start + READ_BATCH]
            taken = await store.transact(partial(_take_deferred, link=link, fp=fp, began=pulled.began, part=part))
            _add(pulled, taken)
        pulled.deferred = []
    if not pulled.complete:
        if pulled.ended:
            await store.transact(lambda tx: _well_again(tx, link, pulled))
        await _conclude_told(link, store, begin, pulled)
        return
    if not settled:
        await store.transact(lambda tx: _settle_pull(tx, link, fp, pulled))
    if pulled.unseen - set(pulled.malformed):
        await _left(link, store, pulled)
    if missing:
        await _read_missing(link, store, begin, pulled, missing)


async def _conclude_told(link: Link, store: Store, begin: Callable[[], Moment], pulled: Pulled) -> None:
    """What a system told to be deleted, and did not have any more when it was asked.

    Where merged records name their survivor, each is asked whether it was merged.
    """
    if not pulled.gone:
        return
    if link.rule.key_field is not None:
        # A record whose key was changed looks the same; only a complete pull tells which one took its place.
        link.wants_full = True
        return
    told = await store.transact(lambda tx: _told(tx, link, pulled))
    if link.rule.forward:
        await _read_missing(link, store, begin, pulled, told)
        return
    for began in dict.fromkeys(pulled.gone.values()):
        entries = [entry for entry in told if pulled.gone[entry[2]] == began]
        if not entries:
            continue  # told again, as is all that stands at the cursor
        changed = await store.transact(partial(_delete, link=link, fp=store.fingerprints, began=began, entries=entries))
        pulled.counts.changed += changed


def _told(tx: Tx, link: Link, pulled: Pulled) -> list[tuple[int, int, str]]:
    """Bindings of records that were told to be deleted, and that the guard lets us conclude from."""
    heads = tx.clusters.heads(link.system, link.object, list(pulled.gone))
    lost = [(head.id, head.cluster_id, key) for key, head in heads.items()]
    bound = tx.clusters.bound(link.system, link.object)
    return _allowed(tx, link, pulled, lost, bound) if _is_mass(tx, link, len(lost), bound) else lost


def _missing_or_settled(tx: Tx, link: Link, fp: Fingerprinter, pulled: Pulled) -> list[tuple[int, int, str]]:
    """What is missing; where nothing is, and no record waits for it, the pull is settled at once."""
    missing = _missing(tx, link, pulled)
    if not missing and not pulled.deferred:
        _settle_pull(tx, link, fp, pulled)
    return missing


def _missing(tx: Tx, link: Link, pulled: Pulled) -> list[tuple[int, int, str]]:
    """Bindings that the pull did not show, and that the guard lets us conclude from."""
    bound = tx.clusters.bound(link.system, link.object)
    if bound == len(pulled.seen):
        _close_guard(tx, link)
        return []
    missing = tx.clusters.missing(link.system, link.object, pulled.seen)
    if not _is_mass(tx, link, len(missing), bound):
        _close_guard(tx, link)
        return missing
    return _allowed(tx, link, pulled, missing, bound)


def _is_mass(tx: Tx, link: Link, count: int, bound: int) -> bool:
    """Whether so many of the records bound there are more than may be lost without a question."""
    counted = tx.guards.counted(link.system, link.rule.entity, WriteClass.DELETE, True, tx.at)
    emptied = 0 < bound == count
    return emptied or exceeds(link.rule, WriteClass.DELETE, count + counted, bound + counted)


def _allowed(
    tx: Tx, link: Link, pulled: Pulled, missing: list[tuple[int, int, str]], bound: int
) -> list[tuple[int, int, str]]:
    """Of a mass of bindings, those that a person let pass; the others are held."""
    if WriteClass.DELETE not in link.rule.guards:
        return missing
    items = {entry: lost(entry[0], entry[1]) for entry in missing}
    passed = [entry for entry in missing if tx.guards.approved(items[entry])]
    held = [items[entry] for entry in missing if entry not in set(passed)]
    if held:
        pulled.held = True
        guard = tx.guards.held(link.system, link.rule.entity, WriteClass.DELETE, True)
        if guard is None:
            guard = tx.next()
            tx.guards.hold(guard, link.system, link.rule.entity, WriteClass.DELETE, True, bound, tx.at)
        tx.guards.add(guard, held)
    return passed


def _close_guard(tx: Tx, link: Link) -> None:
    """A pull is normal again: what it held is over."""
    guard = tx.guards.held(link.system, link.rule.entity, WriteClass.DELETE, True)
    if guard is not None:
        tx.guards.set_state(guard, "over")
        for system in link.entity.links:
            tx.outbox.wake(system, link.rule.entity, tx.at)


def _settle_pull(tx: Tx, link: Link, fp: Fingerprinter, pulled: Pulled) -> None:
    """Malformed rows that are well again are released; creates that no record shows are ended."""
    _well_again(tx, link, pulled)
    rule = link.rule
    effects = tx.effects("pull")
    changed = []
    for cluster in tx.clusters.load(tx.clusters.creating(link.system, rule.entity)).values():
        for attempt in list(cluster.attempts):
            over = attempt.gave_up_at + rule.late_us + rule.search_lag_us
            if (
                attempt.system == link.system
                and attempt.op == "create"
                and attempt.status == AttemptStatus.UNKNOWN
                and attempt.binding_id is None
                and pulled.began.at > over
                # A record whose identity is unknown may be the one that it made, unless it was there before.
                and (not pulled.unsettled_since or pulled.unsettled_since < attempt.body.noted_at)
            ):
                cluster.end(attempt)
                cluster.rescan = True
        if cluster.rescan:
            finish(cluster, link.entity, fp, effects)
            changed.append(cluster)
    if changed:
        tx.clusters.save(changed, tx.stamp)
        tx.records.write(effects, tx.run)
        tx.outbox.postpone(link.system, [cluster.id for cluster in changed], tx.at)
        pulled.counts.changed += len(changed)


def _well_again(tx: Tx, link: Link, pulled: Pulled) -> None:
    """Rows that are no longer malformed, or no longer there, leave the quarantine."""
    rows = tx.records.quarantined(link.system, link.object)
    malformed = set(pulled.malformed)
    if any(row.kind == "invalid" and row.field is None and row.ext_id not in malformed for row in rows):
        tx.records.forget_malformed(link.system, link.object, pulled.malformed)


def _kept_out(tx: Tx, link: Link) -> set[str]:
    """Records that are kept out for whom they are. Those that a create of ours made stay known for good."""
    rows = tx.records.quarantined(link.system, link.object)
    kinds = (Verdict.DUPLICATE, Verdict.AMBIGUOUS)
    return {row.ext_id for row in rows if row.field is None and row.kind in kinds and row.reason != OURS}


async def _left(link: Link, store: Store, pulled: Pulled) -> None:
    """Records that are kept out and that a complete pull lacks: what a reading by key does not find either has left."""
    names = sorted(pulled.unseen - set(pulled.malformed))
    for start in range(0, len(names), READ_BATCH):
        answers = await link.read(names[start : start + READ_BATCH], strong=True)
        gone = [answer.key for answer in answers if isinstance(answer, Gone | Moved)]
        await store.transact(partial(_release, link=link, names=gone))


def _release(tx: Tx, link: Link, names: Sequence[str]) -> None:
    for name in names:
        tx.records.release(link.system, link.object, name, None)


async def _read_missing(
    link: Link, store: Store, begin: Callable[[], Moment], pulled: Pulled, missing: Sequence[tuple[int, int, str]]
) -> None:
    """What a complete pull lacks is read by key; what is not there either is deleted."""
    fp = store.fingerprints
    for start in range(0, len(missing), READ_BATCH):
        part = missing[start : start + READ_BATCH]
        began = begin()
        answers = await link.read([ext_id for _binding, _cluster, ext_id in part], strong=True)
        found = [answer for answer in answers if not isinstance(answer, Gone)]
        lost = {answer.key for answer in answers if isinstance(answer, Gone)}
        entries = [entry for entry in part if entry[2] in lost]
        changed = await store.transact(partial(_delete, link=link, fp=fp, began=began, entries=entries))
        pulled.counts.changed += changed
        if found:
            taken = await store.transact(
                partial(take_answers, link=link, fp=fp, began=began, answers=found, generations={}, cause="read")
            )
            _add(pulled, taken)


def _delete(tx: Tx, link: Link, fp: Fingerprinter, began: Moment, entries: Sequence[tuple[int, int, str]]) -> int:
    """Records that are proven to be gone."""
    effects = tx.effects("pull")
    clusters = tx.clusters.load({cluster for _binding, cluster, _ext_id in entries})
    lost_now: list[tuple[int, None]] = []
    freed: set[int] = set()
    for binding_id, cluster_id, ext_id in entries:
        cluster = clusters[cluster_id]
        binding = next((b for b in cluster.bindings if b.id == binding_id and b.state == "live"), None)
        if binding is None:
            continue
        if binding.epoch > began.seq or cluster.open_attempt(link.system) is not None:
            tx.readings.hint(link.system, link.object, [ext_id], tx.stamp, tx.at)
            continue
        others = _duplicates(tx, link, cluster)
        gone(cluster, binding, link.entity, fp, effects, tx.stamp, replaced=bool(others))
        finish(cluster, link.entity, fp, effects)
        freed.add(cluster_id)
        if others:
            tx.readings.hint(link.system, link.object, others, tx.stamp, tx.at)
        else:
            lost_now.append((cluster_id, None))
    tx.guards.count(link.system, link.rule.entity, WriteClass.DELETE, True, lost_now, tx.at)
    tx.clusters.save(clusters.values(), tx.stamp)
    tx.records.write(effects, tx.run)
    return len(freed)


def _duplicates(tx: Tx, link: Link, cluster: Cluster) -> list[str]:
    """Records that are kept out since another one has their place in this cluster."""
    keys = [digest for _kind, digest in cluster.keys]
    if not tx.records.some_kept_out() or not tx.records.quarantined_with(link.system, link.object, keys):
        return []
    rows = tx.records.quarantined(link.system, link.object)
    return [row.ext_id for row in rows if row.kind == Verdict.DUPLICATE and row.cluster_id == cluster.id]


def _end_of_creates(tx: Tx, link: Link) -> None:
    """A create of unknown outcome that can land and show no more: a list of all records says how it ended."""
    over = tx.at - link.rule.late_us - link.rule.search_lag_us
    if any(ext_id is None for _object, ext_id in tx.clusters.ghosts_over(link.system, over)):
        link.wants_full = True


def _end_of_ghosts(tx: Tx, link: Link) -> set[Key]:
    """A write of unknown outcome that can land no more: a reading that begins now says how it ended. Returns which
    records are to be read for that."""
    over = tx.clusters.ghosts_over(link.system, tx.at - link.rule.late_us)
    names = {ext_id for object, ext_id in over if ext_id is not None and object == link.object}
    if names:
        tx.readings.hint(link.system, link.object, sorted(names), tx.stamp, tx.at)
    return names


def next_reading(tx: Tx, link: Link) -> int | None:
    """When a hint of a link can be read, in microseconds; None: there is none that was not read in vain before."""
    if not tx.readings.fresh(link.system, link.object):
        return None
    if not link.rule.stale_us:
        return tx.at
    return min(_readable_at(row, link) for row in tx.readings.dirty(link.system, link.object, READ_BATCH))


def _readable_at(row: Dirty, link: Link) -> int:
    """At once, and where readings may be old once more when one shows all that was there at the hint."""
    return row.hinted_at + (link.rule.stale_us if link.early.get(row.ext_id) == row.generation else 0)


async def read_dirty(link: Link, store: Store, begin: Callable[[], Moment]) -> Counts:
    """Read by key what was hinted, until nothing new is left.

    Where readings may be old, a hint stays until one began so long after it that it shows what was meant. What is
    not there, what was read in vain, and what ends a write of unknown outcome is read as it is now.

    On crash: a hint goes only with the reading that it caused.
    """
    counts = Counts()
    tried: set[str] = set()
    ending, dirty = await store.transact(lambda tx: (_end_of_ghosts(tx, link), _readable(tx, link, tried)))
    while dirty:
        tried.update(row.ext_id for row in dirty)
        strong = [row for row in dirty if not link.rule.stale_us or row.tries or row.ext_id in ending]
        early = [row for row in dirty if row not in strong] if link.rule.stale_us else []
        if early:
            strong += await _read_early(link, store, begin, early, counts)
        if strong:
            generations = {row.ext_id: row.generation for row in strong}
            began = begin()
            answers = await link.read([row.ext_id for row in strong], strong=True)
            await _take_read(link, store, began, answers, generations, counts)
        dirty = await store.transact(lambda tx: _readable(tx, link, tried))
    return counts


def _readable(tx: Tx, link: Link, tried: set[str]) -> list[Dirty]:
    dirty = [row for row in tx.readings.dirty(link.system, link.object, READ_BATCH) if row.ext_id not in tried]
    if link.rule.stale_us:
        dirty = [row for row in dirty if _readable_at(row, link) <= tx.at]
    return dirty


async def _read_early(
    link: Link, store: Store, begin: Callable[[], Moment], dirty: Sequence[Dirty], counts: Counts
) -> list[Dirty]:
    """Read what may answer an older state, and take in what is there; the rest has to be read as it is now."""
    began = begin()
    answers = await link.read([row.ext_id for row in dirty])
    records = [answer for answer in answers if isinstance(answer, Record)]
    there = {record.key for record in records}
    generations = {row.ext_id: row.generation for row in dirty if row.ext_id in there}
    await _take_read(link, store, began, records, generations, counts, strong=False)
    left = await store.transact(lambda tx: tx.readings.generations(link.system, link.object))
    link.early = {name: generation for name, generation in (link.early | generations).items() if name in left}
    return [row for row in dirty if row.ext_id not in there]


async def _take_read(
    link: Link,
    store: Store,
    began: Moment,
    answers: Sequence[Answer],
    generations: Mapping[str, int],
    counts: Counts,
    *,
    strong: bool = True,
) -> None:
    take = partial(take_answers, began=began, answers=answers, generations=generations, cause="read", strong=strong)
    taken = await store.transact(lambda tx: take(tx, link, store.fingerprints))
    counts.read += taken.read
    counts.echoes += taken.echoes
    counts.changed += taken.changed
    if taken.missing:
        link.wants_full = True
