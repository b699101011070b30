"""What the journal and the reports say of the past of a field is what counted then, whatever went wrong meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from random import Random
from typing import Any

import msgspec

from datasyncd.adapters.contract import Native, Write
from datasyncd.daemon.review.history import history
from datasyncd.daemon.review.replay import Replay
from datasyncd.daemon.review.terms import UNKNOWN, Terms
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


class Sent(msgspec.Struct):
    """A write that was accepted: the line of the journal that says so, and what the system was given."""

    cluster: int
    row: int
    system: str
    fields: dict[str, Native]


class Watched(History):
    """A history of which is noted what counts after each transaction that the journal tells of, and what was sent."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.truth: list[Truth] = []
        self.sent: list[Sent] = []
        self._pushed: dict[tuple[str, str], dict[str, Native]] = {}
        """By system and origin: what a record was last given."""
        self._ways = Random(seed)
        self._noted = 0

    def _start(self) -> None:
        super()._start()
        for link in self.links:
            link.adapter.push = partial(self._push, link.system, link.adapter.push)  # type: ignore[method-assign]
        steps = self.store._steps
        run = steps.run_step

        def watched(step: Callable[[Tx], Any]) -> Any:
            result = run(step)
            self._note()
            return result

        steps.run_step = watched  # type: ignore[method-assign]

    async def _push(self, system: str, push: Any, object: str, writes: Sequence[Write]) -> Any:
        """The answer is on its way for long, so that more edits come before it."""
        self._pushed.update({(system, write.origin): write.fields for write in writes})
        answer = await push(object, writes)
        await self.scheduler.pause(self._ways.uniform(0, 6))
        return answer

    def _note(self) -> None:
        written = self._db.execute(
            "SELECT cluster_id, id, system FROM journal WHERE id > ? AND kind IN ('write', 'create')", (self._noted,)
        )
        for cluster, row, system in written:
            self.sent.append(Sent(cluster, row, system, self._pushed[system, f"datasyncd:{cluster}"]))
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

    def told_of_writes(self) -> Written:
        """What `history` says of each write, against what was sent."""
        out = Written()
        links = {link.system: link for link in self.links}
        terms = Terms({self.rules.name: self.rules}, self.store.fingerprints, dict.fromkeys(self.rules.fields, str))
        numbers = {rule.name: number for number, rule in self.rules.fields.items()}
        sent = {each.row: each for each in self.sent}

        def step(tx: Tx) -> None:
            for cluster in {each.cluster for each in self.sent}:
                for change in history(tx, terms, self.rules.name, f"#{cluster}").changes:
                    for field in change.fields if change.id in sent else ():
                        number = numbers[field.field]
                        system, given = sent[change.id].system, sent[change.id].fields
                        native, _refused = links[system].native(
                            {number: None if field.value == UNKNOWN else field.value}
                        )
                        out.fields += 1
                        out.overtaken += field.value != field.now
                        if field.dot is not None or native.items() - given.items():
                            out.wrong[self.rules.fields[number].policy] += 1

        self.store._steps.run_step(step)
        return out


class Written(msgspec.Struct):
    """How often a field of a write was told, and how."""

    fields: int = 0
    overtaken: int = 0
    """Another value counted already when the write was accepted."""
    wrong: Counter[Policy] = msgspec.field(default_factory=Counter)


def test_the_past_of_a_field_is_told_as_it_was() -> None:
    wrong: Counter[Policy] = Counter()
    moments = 0
    written = Written()
    for seed in range(SEEDS):
        with closing(Watched(seed)) as watched:
            watched.run()
            wrong += watched.differing()
            moments += len(watched.truth)
            told = watched.told_of_writes()
            written = Written(
                written.fields + told.fields, written.overtaken + told.overtaken, written.wrong + told.wrong
            )

    assert moments > 20 * SEEDS
    # What the author of a step or of a removal had seen is inferred: while a write is under way nobody knows it.
    inferred = wrong.pop(Policy.UNION, 0) + wrong.pop(Policy.COUNTER, 0)
    assert +wrong == Counter()
    assert inferred < 0.002 * moments
    assert written.fields > SEEDS
    assert written.overtaken > 10
    assert +written.wrong == Counter()
