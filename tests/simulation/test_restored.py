"""An old backup is restored in the middle of a history: nothing is lost, nobody comes twice, nobody comes back."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial

import pytest

from datasyncd.adapters.memory.history import History as Past
from datasyncd.daemon import restored
from datasyncd.daemon.link import Counts, Link
from datasyncd.daemon.restore import LEAST_GAP, outdate
from datasyncd.daemon.simulation import oracle
from datasyncd.daemon.simulation.history import AFTERWARDS_S, History, Outcome
from datasyncd.daemon.simulation.oracle import Broken
from datasyncd.daemon.simulation.scheduler import SECOND
from datasyncd.daemon.simulation.states import InMemory
from datasyncd.daemon.simulation.systems import OBJECT
from datasyncd.state.backup import advance
from datasyncd.state.store import Journaled
from datasyncd.state.transaction import Tx

SEEDS = 300
LATE_S = 30.0
"""After that, no write of the process that ended can land any more."""


class Restoring(History):
    """The state is copied at one moment; at a later one the copy takes its place."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.state.close()
        self.state = InMemory()
        self.first, self.second = sorted(self.random.uniform(0, self.shape.span_s) for _ in range(2))
        self._copy: sqlite3.Connection | None = None
        self._copied_at = 0
        self._restored_at = 0
        self._db.execute("INSERT INTO field VALUES ('person', 'email', 1)")  # as the first start of a daemon notes it

    def _run_until(self, at: int) -> None:
        moment = round(self.first * SECOND)
        if self._copy is None and at >= moment > self.scheduler.now:
            super()._run_until(moment)
            self._copied_at = self._clock
            self._copy = sqlite3.connect(":memory:", isolation_level=None)
            self._db.backup(self._copy)
        if self._copied_at and self._copy is not None and at >= round(self.second * SECOND) > self.scheduler.now:
            super()._run_until(round(self.second * SECOND))
            self._restore(self._copy)
            self._copied_at = 0
        super()._run_until(at)

    def _restore(self, copy: sqlite3.Connection) -> None:
        self.scheduler.fuse = -1
        self.scheduler.kill("daemon")
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        ids = [row[0] for row in self._db.execute("SELECT id FROM cluster ORDER BY id")]
        self.known += self.store._steps.run_step(lambda tx: list(tx.clusters.load(ids).values()))
        self.told += self.store._steps.run_step(lambda tx: tx.records.reports())
        super()._run_until(self.scheduler.now + round(LATE_S * SECOND))
        self.state.db = copy
        steps = Journaled(copy, self.now)
        advance(copy, self.now(), steps.sequence + LEAST_GAP)
        steps = Journaled(copy, self.now)
        steps.run_step(lambda tx: outdate(tx, self._copied_at, steps.fingerprints))
        self.seen["restore"] += 1
        self._restored_at = self.scheduler.now
        self._start()

    async def _pull_once(self, link: Link) -> Counts:
        counts = await super()._pull_once(link)
        if await restored.settle(self.store, self.rules):
            counts.changed += 1
        return counts

    def _judge(self) -> Outcome:
        outcome = super()._judge()
        if self._restored_at:
            self._nobody_came_back()
        return outcome

    def _nobody_came_back(self) -> None:
        """A record that had gone before the restore was made again only after somebody could read why it was not."""
        reports = self.store._steps.run_step(lambda tx: tx.records.reports())
        refused = {(report.system, report.cluster_id) for report in reports if report.kind == "refused"}
        for system in self.systems:
            histories = system.world.histories(OBJECT)
            went = {
                email(past): past.now.at
                for past in histories.values()
                if past.now.fields is None and past.now.at < self._restored_at
            }
            for key, past in histories.items():
                again = past.first.at > self._restored_at and self._is_gone_for_good(email(past), went)
                if again and (system.name, key) not in self.oracle.born:
                    self.seen["made again"] += 1
                    whose = partial(Tx.cluster_of, system=system.name, object=OBJECT, ext_id=key)
                    cluster = self.store._steps.run_step(whose)
                    if (system.name, cluster) not in refused:
                        raise Broken(f"{email(past)} was gone from {system.name}, and was made again without a report")

    def _is_gone_for_good(self, address: object, went: dict[object, int]) -> bool:
        """Whether somebody went whom nobody has made anew in any system since."""
        made = [
            past.first.at
            for system in self.systems
            for key, past in system.world.histories(OBJECT).items()
            if email(past) == address and (system.name, key) in self.oracle.born
        ]
        return address in went and max(made, default=0) < went[address]


def email(past: Past) -> object:
    return (past.first.fields or {}).get("email")


def test_a_restored_state_comes_to_rest_with_nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    # What was set and set back between the backup and the restore is not promised to be seen.
    """F71."""
    monkeypatch.setattr(oracle, "SEEN_US", round((100 + max(AFTERWARDS_S) + LATE_S) * SECOND))
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        with closing(Restoring(seed)) as history:
            seen.update(history.run().seen)

    assert seen["restore"] > SEEDS / 2
    assert seen["report refused"] > 0
