"""What the journal and the reports say of the past of a field is what counted then, whatever went wrong meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec

from datasyncd.daemon.review.replay import Replay
from datasyncd.daemon.simulation.history import History
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.rules import Policy
from datasyncd.state.clusters import Clusters
from datasyncd.state.shelf import Shelf
from datasyncd.state.transaction import Tx

SEEDS = 200


class Truth(msgspec.Struct):
    """What counted for a field when a transaction was over."""

    cluster: int
    at: int
    field: int
    value: Any
    decided: bool


class Watched(History):
    """A history of which is noted what counts after each transaction that the journal tells of."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.truth: list[Truth] = []
        self._noted = 0

    def _start(self) -> None:
        super()._start()
        steps = self.store._steps
        run = steps.run_step

        def watched(step: Callable[[Tx], Any]) -> Any:
            result = run(step)
            self._note()
            return result

        steps.run_step = watched  # type: ignore[method-assign]

    def _note(self) -> None:
        rows = self._db.execute(
            "SELECT cluster_id, max(at) FROM journal WHERE id > ? GROUP BY cluster_id", (self._noted,)
        ).fetchall()
        if not rows:
            return
        [self._noted] = self._db.execute("SELECT max(id) FROM journal").fetchone()
        clusters = Clusters(self._db, Shelf()).load([row[0] for row in rows])
        for id, at in rows:
            for number, rule in self.rules.fields.items():
                choice = resolve(clusters[id], clusters[id].regs.get(number), rule, self.rules)
                value = choice.value if choice.decided else None
                self.truth.append(Truth(id, at, number, value, choice.decided))

    def differing(self) -> Counter[Policy]:
        """How often the replay says something else, by policy."""
        wrong: Counter[Policy] = Counter()

        def step(tx: Tx) -> None:
            clusters = tx.clusters.load({truth.cluster for truth in self.truth})
            replays = {
                id: Replay(cluster, self.rules, tx.records.journal(id), tx.records.reports(cluster_id=id))
                for id, cluster in clusters.items()
            }
            for truth in self.truth:
                rule = self.rules.fields[truth.field]
                past = [each for each in replays[truth.cluster].field(rule) if each.at <= truth.at]
                told = (past[-1].value, past[-1].decided) if past else (None, True)
                wrong[rule.policy] += told != (truth.value, truth.decided)

        self.store._steps.run_step(step)
        return wrong


def test_the_past_of_a_field_is_told_as_it_was() -> None:
    wrong: Counter[Policy] = Counter()
    moments = 0
    for seed in range(SEEDS):
        with closing(Watched(seed)) as history:
            history.run()
            wrong += history.differing()
            moments += len(history.truth)

    assert moments > 20 * SEEDS
    # What the author of a step or of a removal had seen is inferred: while a write is under way nobody knows it.
    inferred = wrong.pop(Policy.UNION, 0) + wrong.pop(Policy.COUNTER, 0)
    assert +wrong == Counter()
    assert inferred < 0.002 * moments
