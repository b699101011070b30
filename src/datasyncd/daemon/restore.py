"""Restore: a backup takes the place of the state, brought up to date so that nothing it does not know does harm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.rules import CONSENT_OUT, FieldNumber
from datasyncd.state import backup
from datasyncd.state.database import connect, sync
from datasyncd.state.errors import StateError
from datasyncd.state.store import Journaled
from datasyncd.state.transaction import Tx

from . import restored
from .engine import recover
from .review.timestamp import timestamp, timestamp_or_none

LEAST_GAP = 1 << 32
"""Numbers that are left out even where the clock says that no time has passed since the backup."""
BATCH = 1_000


class Restored(msgspec.Struct):
    """What became of a restore; the keys are part of the interface."""

    file: str
    at: str | None
    """Last commit in the backup; null: there is none in it."""
    schema: int
    records: int
    replaced: str | None
    """Where the state that was replaced is kept; null where there was none."""
    unknown: int
    """Writes that were under way when the backup was made."""


def put_back(file: Path, state: Path, now: Callable[[], int]) -> Restored:
    """Let a backup take the place of the state, whose lock is held. `now`: microseconds.

    Raises `OSError`, `StateError`; then the state is as it was.
    On crash: the state is the old or the new one; a half-made `.restoring` file is made anew the next time.
    """
    found = backup.inspect(file)
    new = state.with_name(f"{state.name}.restoring")
    at = now()
    kept = state.with_name(f"{state.name}.replaced-{timestamp(at).replace(':', '')}")
    _clear(new)
    try:
        unknown = _make(file, new, found, state, now)
        was_there = backup.take_place(new, state, kept)
    except BaseException:
        _clear(new)
        raise
    return Restored(
        file=str(file), at=timestamp_or_none(found.at), schema=found.schema, records=found.clusters,
        replaced=str(kept) if was_there else None, unknown=unknown,
    )  # fmt: skip


def _clear(new: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)


def _make(file: Path, new: Path, found: backup.Contents, state: Path, now: Callable[[], int]) -> int:
    """The state that is to take the place of the other one. Returns how many writes were under way."""
    backup.copy(file, new)
    with contextlib.closing(connect(new)) as db:
        backup.advance(db, *_beyond(found, state, now()))
        steps = Journaled(db, now)
        steps.announce("restore", b"")
        unknown = steps.run_step(lambda tx: outdate(tx, found.at, steps.fingerprints))
        backup.as_one_file(db)
    sync(new)
    return unknown


def _beyond(found: backup.Contents, state: Path, now: int) -> tuple[int, int]:
    """Clock and sequence above all that systems may have seen of ours since the backup.

    Keys of creates are made of numbers of the sequence, and no process gives out more than one a microsecond.
    """
    clock = max(found.at, now)
    sequence = found.sequence + max(now - found.at, LEAST_GAP)
    with contextlib.suppress(OSError, StateError):
        replaced = backup.inspect(state)
        clock, sequence = max(clock, replaced.at), max(sequence, replaced.sequence)
    return clock, sequence


def outdate(tx: Tx, backup_at: int, fp: Fingerprinter) -> int:
    """What a state knows is old: nothing in it is taken for granted that the systems have not confirmed.

    Returns how many writes were under way.
    """
    unknown = recover(tx)
    tx.readings.begin_anew()
    tx.outbox.hurry(tx.at)
    for guard in tx.guards.all("approved"):
        # What was approved may have been done already; the same again is another thing.
        tx.guards.set_state(guard.id, "over")
    for entity in tx.entities():
        restored.mark(tx, entity, backup_at)
    last, consents = 0, tx.records.consents()
    while ids := tx.records.with_consents(last, BATCH):
        clusters = tx.clusters.load(ids)
        for cluster in clusters.values():
            _doubt_opt_outs(cluster, consents, fp)
        tx.clusters.save(clusters.values(), tx.stamp)
        last = ids[-1]
    return unknown


def _doubt_opt_outs(cluster: Cluster, consents: Collection[FieldNumber], fp: Fingerprinter) -> None:
    """An opt-out that a record shows may be another one than is known: given after an opt-in that came meanwhile.

    Values cannot tell. So the next reading of it counts as an edit of its own, which no opt-in has seen.
    """
    out = fp(CONSENT_OUT)
    for binding in cluster.live():
        for number in consents:
            shadow = cluster.shadow(binding, number, fp)
            if shadow is not None and shadow.fp == out:
                shadow.fp = b""
                binding.digest = b""
                binding.changed = True
