"""Cycle: pull what every system says, read what was hinted, deliver what is owed. `sync` is cycles until
nothing is left to do.

A system that is out of reach does not stop the others: its link fails alone, and its writes wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Literal, TypeAlias

import anyio
import msgspec
import stamina

from datasyncd.adapters.errors import AdapterError, Throttled, Transient, Unreachable
from datasyncd.state.store import Store
from datasyncd.state.transaction import Tx

from . import restored
from .engine import Engine
from .link import Counts, Link
from .puller import next_reading, pull, read_dirty
from .pusher import Delivery
from .review import quarantine
from .review.terms import Terms

Progress = Callable[[str, int, int], None]
"""Called with a link's name, and the records read and written since the last call."""

Told: TypeAlias = Callable[[tuple[str, str], Literal["pull", "push"], Counts | AdapterError], Awaitable[None]]
"""Called after each pull and push: the link's system and entity, and what was done, or why not."""


async def _nobody(_key: tuple[str, str], _way: Literal["pull", "push"], _outcome: Counts | AdapterError) -> None:
    """A sync by itself: its result says all."""


MAX_CYCLES = 50
ATTEMPTS = 4
"""At a system that may answer the next time."""
IDLE_CYCLES = 5
"""Cycles in a row that change nothing, after which what still waits is left to the next `sync`."""
LINGER_S = 2.0
"""A file without a lock must stay the same for so long before what it lacks counts as deleted."""
LINGER_AT_END_S = 5.0
"""The same, if nothing but records at its end is missing, as in a file that somebody writes from the beginning."""
LONGEST_WAIT_S = 30.0
"""A write that is due later than that is left to the next `sync`."""


class SyncResult(msgspec.Struct):
    """What `sync` did; the keys are part of the interface."""

    cycles: int = 0
    read: dict[str, int] = {}
    written: dict[str, dict[str, int]] = {}
    echoes: int = 0
    conflicts: int = 0
    """Open conflicts now."""
    quarantined: int = 0
    held: int = 0
    """Held sets that wait for an approval."""
    seconds: float = 0.0
    failed: dict[str, str] = {}
    """Links that could not be read or written, and why."""

    @property
    def exit_code(self) -> int:
        """0 done; 1 something needs a person; 75 a system was out of reach."""
        if self.failed:
            return 75
        return 1 if self.conflicts or self.quarantined or self.held else 0


async def pull_link(engine: Engine, link: Link, progress: Progress | None = None) -> Counts:
    """Pull one link and read its hints. Raises the adapter's errors; what may pass is tried again first."""
    counts = Counts()
    async with engine.turn("pull", link):
        async for attempt in stamina.retry_context(on=_may_pass, attempts=ATTEMPTS, timeout=20.0):
            with attempt:
                note = None if progress is None else lambda read: progress(link.name, read, 0)
                linger = _linger if _may_be_half_written(link) else None
                pulled = await pull(link, engine.store, engine.begin, note, lambda: engine.stopping, linger)
                counts = pulled.counts
        counts.add(await read_dirty(link, engine.store, engine.begin))
    entity = link.rule.entity
    if entity in engine.unread and await restored.settle(engine.store, link.entity):
        engine.unread.discard(entity)
        counts.changed += 1  # what waited for this reading is due everywhere
    return counts


async def read_hinted(engine: Engine, link: Link) -> Counts:
    """Read by key what was hinted of a link that is not pulled: what a write to it needs to know. Raises the adapter's
    errors."""
    async with engine.turn("pull", link):
        return await read_dirty(link, engine.store, engine.begin)


def _may_be_half_written(link: Link) -> bool:
    """Whether others may be in the middle of writing what we read: a file without a lock."""
    return link.rule.pull_is_reading and link.rule.condition == "none"


async def _linger(at_end: bool) -> None:
    await anyio.sleep(LINGER_AT_END_S if at_end else LINGER_S)


async def push_link(engine: Engine, link: Link, *, pulled: bool, progress: Progress | None = None) -> Counts:
    """Deliver what one link is owed. Raises the adapter's errors.

    While its system asked to be left alone nothing is planned: the rows stay due as they are.
    """
    engine.waits.obey(link.system)
    note = None if progress is None else lambda written: progress(link.name, 0, written)
    async with engine.turn("push", link):
        delivery = Delivery(link, engine.store, engine.begin, pulled, lambda: engine.stopping, engine.oversight)
        return await delivery.run(note)


async def sync(
    engine: Engine,
    *,
    link: str | None = None,
    full: bool = False,
    progress: Progress | None = None,
    told: Told = _nobody,
) -> SyncResult:
    """Cycles until nothing is left to do. `link`: pull only this one ("system.entity"); `full`: everything."""
    started = time.monotonic()
    result = SyncResult()
    idle = 0
    unsent: dict[tuple[str, str], str] = {}

    async def note(key: tuple[str, str], way: Literal["pull", "push"], outcome: Counts | AdapterError) -> None:
        if isinstance(outcome, AdapterError) and way == "push":
            unsent[key] = str(outcome)
        await told(key, way, outcome)

    for _ in range(MAX_CYCLES):
        await _attach(engine)
        chosen = [known for known in _pull_order(engine.links.values()) if link in (None, known.name)]
        if full and not result.cycles:
            for known in chosen:
                known.wants_full = True
        result.cycles += 1
        done = await _one_cycle(engine, chosen, result, progress, note)
        waits = await engine.store.transact(lambda tx: _open_work(tx, engine, result.failed))
        waits = _sooner(waits, _throttled(engine, result.failed))
        if waits is None and not done:
            break
        idle = 0 if done else idle + 1
        if idle > IDLE_CYCLES or (waits is not None and waits > LONGEST_WAIT_S):
            break
        if waits:
            await anyio.sleep(waits)
    for key, error in engine.detached.items():
        result.failed[".".join(key)] = str(error)
        await told(key, "pull", error)
    for (system, entity), reason in unsent.items():
        # It was not tried again in the last cycles, since its time had not come.
        if await engine.store.transact(partial(_waits, system=system, entity=entity)):
            result.failed.setdefault(f"{system}.{entity}", reason)
    terms = Terms.of(engine.config, engine.rules, engine.store.fingerprints)
    await engine.store.transact(lambda tx: _needs_a_person(tx, terms, result))
    result.seconds = round(time.monotonic() - started, 3)
    return result


async def _attach(engine: Engine) -> None:
    """Look at the systems that were not looked at yet; what may pass is tried again first."""
    with contextlib.suppress(Transient):  # the links stay detached, and say why
        async for attempt in stamina.retry_context(on=_may_pass, attempts=ATTEMPTS, timeout=20.0):
            with attempt:
                await engine.attach()
                passing = [error for error in engine.detached.values() if _may_pass(error)]
                if passing:
                    raise passing[0]


async def _one_cycle(
    engine: Engine, chosen: list[Link], result: SyncResult, progress: Progress | None, told: Told
) -> bool:
    """One cycle; True when it changed or wrote anything, so that another one may find more to do."""
    changed = False
    for link in engine.links.values():
        if link not in chosen and link.name not in result.failed:
            try:
                changed = bool((await read_hinted(engine, link)).changed) or changed
            except AdapterError as error:
                result.failed[link.name] = str(error)
                await told(link.key, "pull", error)
    for link in chosen:
        try:
            counts = await pull_link(engine, link, progress)
        except AdapterError as error:
            result.failed[link.name] = str(error)
            await told(link.key, "pull", error)
            continue
        await told(link.key, "pull", counts)
        result.failed.pop(link.name, None)
        result.read[link.system] = result.read.get(link.system, 0) + (counts.read if result.cycles == 1 else 0)
        result.echoes += counts.echoes
        changed = changed or bool(counts.changed)
    for link in engine.links.values():
        if link.name in result.failed:
            continue
        try:
            counts = await push_link(engine, link, pulled=link in chosen, progress=progress)
        except AdapterError as error:
            result.failed[link.name] = str(error)
            await told(link.key, "push", error)
            continue
        await told(link.key, "push", counts)
        written = result.written.setdefault(link.system, {"create": 0, "update": 0, "delete": 0})
        for name, n in (("create", counts.created), ("update", counts.updated), ("delete", counts.deleted)):
            written[name] += n
            changed = changed or bool(n)
    return changed


def _pull_order(links: Iterable[Link]) -> list[Link]:
    """Sources first: a link that only receives is pulled when all clusters are known."""
    return sorted(links, key=lambda link: not link.rule.pulls)


def _open_work(tx: Tx, engine: Engine, failed: dict[str, str]) -> float | None:
    """Seconds until something is due again; None: nothing is left that waiting would help."""
    soonest: float | None = None
    for link in engine.links.values():
        if link.name in failed:
            continue
        for due in (next_reading(tx, link), tx.outbox.next_due(link.system, link.rule.entity)):
            if due is None:
                continue
            seconds = max(0.0, (due - tx.at) / 1_000_000)
            soonest = seconds if soonest is None else min(soonest, seconds)
    return soonest


def _waits(tx: Tx, system: str, entity: str) -> bool:
    """Whether some write is still to be made there."""
    return tx.outbox.next_due(system, entity) is not None


def _throttled(engine: Engine, failed: dict[str, str]) -> float | None:
    """Seconds until a system that asked to be left alone can be called again; None: none asked."""
    systems = {link.system for link in engine.links.values() if link.name in failed}
    systems |= {system for system, _entity in engine.detached}
    return min((left for system in systems if (left := engine.waits.left_s(system))), default=None)


def _sooner(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)


def _needs_a_person(tx: Tx, terms: Terms, result: SyncResult) -> None:
    result.conflicts = sum(n for (_kind, state), n in tx.records.report_counts().items() if state == "open")
    result.quarantined = sum(quarantine.waiting(tx, terms).values())
    result.held = len(tx.guards.all())


def _may_pass(error: Exception) -> bool:
    return isinstance(error, Transient) and not isinstance(error, Unreachable | Throttled)


__all__ = ["Store", "SyncResult", "pull_link", "push_link", "sync"]
