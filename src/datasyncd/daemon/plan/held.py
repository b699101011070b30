"""Examples of what a guard holds back."""

from __future__ import annotations

import contextlib

from datasyncd.adapters.contract import Record
from datasyncd.adapters.errors import AdapterError
from datasyncd.reconcile.delivery import plan
from datasyncd.reconcile.guards import Item
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state.guards import Guard
from datasyncd.state.transaction import Tx

from ..engine import Engine
from ..link import Link
from .examples import Examples, kind_of


async def add_held(engine: Engine, examples: Examples, guard: Guard, most: int) -> None:
    """Up to `most` writes that wait for an approval; where a source seems to have lost something, for each target."""
    for (system, entity), link in engine.links.items():
        if entity == guard.entity and (system == guard.system) != guard.source:
            await _add_of(engine, examples, guard, link, most)


async def _add_of(engine: Engine, examples: Examples, guard: Guard, link: Link, most: int) -> None:
    """Those to one system."""
    items, keys = await engine.store.transact(lambda tx: _wanted(tx, link, guard, most))
    there: dict[str, Record] = {}
    with contextlib.suppress(AdapterError):  # an example then says only what would be written
        answers = await link.adapter.read(link.object, keys) if keys else []
        there = {answer.key: answer for answer in answers if isinstance(answer, Record)}
    await engine.store.transact(lambda tx: _add(tx, link, guard, examples, items, there))


def _wanted(tx: Tx, link: Link, guard: Guard, most: int) -> tuple[list[Item], list[str]]:
    """Items, and the keys of their records."""
    items = tx.guards.items(guard.id)[:most]
    clusters = tx.clusters.load({item.cluster_id for item in items}).values()
    bindings = [cluster.binding_in(link.system) for cluster in clusters]
    return items, [binding.ext_id for binding in bindings if binding is not None]


def _add(tx: Tx, link: Link, guard: Guard, examples: Examples, items: list[Item], there: dict[str, Record]) -> None:
    clusters = tx.clusters.load({item.cluster_id for item in items})
    for item in items:
        cluster = clusters[item.cluster_id]
        binding = cluster.binding_in(link.system)
        record = there.get(binding.ext_id) if binding is not None else None
        if item.write_class is WriteClass.DELETE:
            lost = f"{guard.system} seems to have lost it" if guard.source else None
            examples.add_delete(link, cluster, "held", record, lost)
            continue
        planned = plan(cluster, link.entity, link.rule, examples.terms.fp, fresh=True, searched=True)
        if planned is None:
            continue
        if item.field is not None:
            planned.leave_out([number for number in planned.fields if number != item.field])
        if not planned.is_empty:
            kind = kind_of(planned, link.entity.fields)
            examples.add(tx, link, cluster, "held", kind, planned.values(), record)
