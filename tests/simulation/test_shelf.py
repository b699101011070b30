"""Clusters that are laid aside between two steps are what would be loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from datasyncd.daemon.simulation.history import run
from datasyncd.reconcile.cluster import Attempt, Binding, Cluster, ClusterBody
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.state.clusters import Clusters
from datasyncd.state.shelf import MOST, Shelf
from datasyncd.state.store import SECRET

SEEDS = 100


def test_what_lies_on_the_shelf_is_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: Counter[bool] = Counter()
    original = Clusters.load_kept

    def load_kept(self: Clusters, ids: Sequence[int]) -> dict[int, Cluster]:
        [secret] = self._db.execute("SELECT value FROM meta WHERE name = ?", (SECRET,)).fetchone()
        lying = set(self._shelf._lying)
        stored, out = self.load(ids), original(self, ids)
        for number, cluster in out.items():
            assert told(cluster, Fingerprinter(secret)) == told(stored[number], Fingerprinter(secret))
            taken[number in lying] += 1
        return out

    monkeypatch.setattr(Clusters, "load_kept", load_kept)
    for seed in range(SEEDS):
        run(seed)
    assert taken[True] > 3 * SEEDS


def told(cluster: Cluster, fp: Fingerprinter) -> Any:
    """All that a step may ask of a cluster, with nothing in its short form."""
    copy = _copied(cluster)
    for number in (registers := copy.regs):
        registers.get(number)
    for binding in copy.bindings:
        for number in list(binding.body.shows):
            copy.shadow(binding, number, fp)
        binding.body.shadow = dict(sorted(binding.body.shadow.items()))
    for attempt in copy.attempts:
        copy.spell_out(attempt, fp)
    copy.body.regs = dict(sorted(copy.body.regs.items()))
    return msgspec.structs.asdict(
        msgspec.structs.replace(copy, marked=cluster.marked, was_keys=copy.keys, was_due=copy.outbox)
    )


def _copied(cluster: Cluster) -> Cluster:
    """Deep enough for what `told` changes."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode
    return msgspec.structs.replace(
        cluster,
        body=decode(encode(cluster.body), type=ClusterBody),
        bindings=[_with_own_body(b) for b in sorted(cluster.bindings, key=lambda b: b.id)],
        attempts=[_with_own_body(a) for a in sorted(cluster.attempts, key=lambda a: a.id)],
        outbox=dict(sorted(cluster.outbox.items())),
    )


def _with_own_body(row: Any) -> Any:
    assert isinstance(row, Binding | Attempt)
    body = msgspec.msgpack.decode(msgspec.msgpack.encode(row.body), type=type(row.body))
    return msgspec.structs.replace(row, body=body)


def cluster(number: int) -> Cluster:
    return Cluster(number, "contact", ClusterBody({}, []))


def test_only_the_newest_lie_there_and_what_was_written_otherwise_does_not() -> None:
    shelf = Shelf()
    shelf.put(cluster(number) for number in range(MOST + 10))
    assert [number for number in range(MOST + 10) if number in shelf._lying] == list(range(10, MOST + 10))

    kept = cluster(20)
    shelf.put([kept])
    shelf.saved(kept)
    shelf.saved(cluster(21))
    shelf.drop([22])
    assert shelf.take(20) is kept
    assert [shelf.take(number) for number in (20, 21, 22)] == [None] * 3
    shelf.clear()
    assert shelf.take(30) is None
