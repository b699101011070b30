"""Planner: counts the writes of a run, keeps examples, and hands each on as an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datasyncd.adapters.contract import Answer, Outcome, Record, Rejected, Written
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.rules import FieldNumber, Value
from datasyncd.state.transaction import Tx

from ..link import Link
from ..oversight import Sending
from .examples import Examples, kind_of, kind_of_field
from .item import Digests, Item, item_of
from .recorder import Recorder
from .result import Counted, PlanResult

OnItem = Callable[[Item], None]


class Planner:
    """The oversight of a run over recorders. Leaves nothing out."""

    looks_first = False

    def __init__(self, result: PlanResult, examples: Examples, digests: Digests | None, on_item: OnItem) -> None:
        """`digests` None: nobody wants the items."""
        self._result = result
        self._examples = examples
        self._digests = digests
        self._on_item = on_item

    def looked(self, link: Link, answers: Sequence[Answer]) -> None:
        """The recorder knows what is there."""

    def leaves_out(self, link: Link, planned: Plan, *, fresh: bool) -> bool:
        return False

    def answered(self, tx: Tx, link: Link, sends: Sequence[Sending], outcomes: Sequence[Outcome]) -> None:
        assert isinstance(link.adapter, Recorder)
        counted = self._result.systems[link.system][link.rule.entity]
        there = link.adapter.there
        for sending, outcome in zip(sends, outcomes, strict=True):
            planned = sending.plan
            if isinstance(outcome, Rejected) and sending.write.fields.keys().isdisjoint(outcome.fields):
                self._refused(tx, link, planned, f"{link.system}: {outcome.reason}")
            if not isinstance(outcome, Written):
                continue
            record = there.get(sending.write.key) if sending.write.key is not None and planned.op != "create" else None
            self._count(counted, planned, link)
            kind = kind_of(planned, link.entity.fields)
            if self._examples.wants(link, planned.op, kind):
                self._example(tx, link, planned, kind, record)
            if self._digests is not None:
                reading = None if record is None else link.translation.reading(record)
                item = item_of(link, planned, planned.values(), reading, self._digests)
                item.key = self._examples.terms.key_of(planned.cluster)
                self._on_item(item)

    def _refused(self, tx: Tx, link: Link, planned: Plan, why: str) -> None:
        """A record that the system would not take, whatever of it is left out."""
        if self._examples.wants(link, "refused", planned.op):
            cluster = tx.clusters.load([planned.cluster.id])[planned.cluster.id]
            self._examples.add(tx, link, cluster, "refused", planned.op, planned.values(), None, why)

    def _count(self, counted: Counted, planned: Plan, link: Link) -> None:
        if planned.op == "create":
            counted.create += 1
        elif planned.op == "delete":
            counted.delete += 1
        else:
            counted.update += 1
            for number, field in planned.fields.items():
                kind = kind_of_field(link.entity.fields[number], field.value, field.write_class)
                if kind != "update":
                    setattr(counted, kind, getattr(counted, kind) + 1)

    def _example(self, tx: Tx, link: Link, planned: Plan, kind: str, record: Record | None) -> None:
        cluster = tx.clusters.load([planned.cluster.id])[planned.cluster.id]
        if planned.op == "delete":
            self._examples.add_delete(link, cluster, "delete", record)
        else:
            values: dict[FieldNumber, Value] = planned.values()
            self._examples.add(tx, link, cluster, planned.op, kind, values, record)
