"""Look: what `sync` would do now, with nothing written anywhere."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from datasyncd import __version__
from datasyncd.adapters.contract import Adapter
from datasyncd.state.guards import Guard
from datasyncd.state.transaction import Tx

from ..config.compile import objects_of
from ..config.load import Config
from ..cycle import Progress, sync
from ..engine import Engine
from ..review import quarantine
from ..review.terms import Terms
from .document import VERSION, Head, Writer
from .examples import Examples
from .held import add_held
from .item import SALT_BYTES, Digests, Item
from .planner import Planner
from .recorder import Recorder
from .result import Counted, PlanResult

SAMPLES = 3
"""Examples of each kind, system and entity."""


async def plan(
    config: Config,
    *,
    samples: int = SAMPLES,
    digests: Digests | None = None,
    on_item: Callable[[Item], None] = lambda item: None,
    progress: Progress | None = None,
) -> PlanResult:
    """What `sync` would do. With `digests` each write goes to `on_item`, too.

    Raises `StateNewer`, `DamagedState`.
    """
    started = time.monotonic()
    result = PlanResult({system: {name: Counted() for name in links} for system, links in config.links.items()})

    def wrap(system: str, adapter: Adapter) -> Adapter:
        return Recorder(system, adapter, objects_of(config, system))

    async with Engine.open_copy(config, "plan", wrap) as engine:
        terms = Terms.of(config, engine.rules, engine.store.fingerprints)
        examples = Examples(terms, samples)
        engine.oversight = Planner(result, examples, digests, on_item)
        done = await sync(engine, progress=progress)
        result.conflicts, result.quarantined, result.held = done.conflicts, done.quarantined, done.held
        result.read, result.failed = done.read, done.failed
        held = await engine.store.transact(lambda tx: _count_rest(tx, terms, result))
        for guard in held:
            await add_held(engine, examples, guard, samples)
        result.examples = examples.all()
    result.seconds = round(time.monotonic() - started, 3)
    return result


async def plan_to(
    config: Config, path: Path, *, samples: int = SAMPLES, progress: Progress | None = None
) -> PlanResult:
    """A plan with all its items in a file that only its owner may read. Raises as `plan`, and `OSError`."""
    salt = secrets.token_bytes(SALT_BYTES)
    head = Head(
        datasyncd_plan=VERSION,
        made_by=__version__,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config.digest.hex(),
        salt=salt.hex(),
    )
    with contextlib.closing(Writer(path, head)) as writer:
        result = await plan(config, samples=samples, digests=Digests(salt), on_item=writer.add, progress=progress)
        writer.finish(msgspec.to_builtins(result))
    return result


def _count_rest(tx: Tx, terms: Terms, result: PlanResult) -> list[Guard]:
    """What is no write: held, merged, kept out. Returns the guards that hold something."""

    def at(system: str, entity: str) -> Counted:
        return result.systems.setdefault(system, {}).setdefault(entity, Counted())

    guards = tx.guards.all()
    for guard in guards:
        at(guard.system, guard.entity).held += guard.count
    for (system, entity), n in tx.records.happened("bind", tx.run).items():
        at(system, entity).merged = n
    for (system, entity), n in quarantine.waiting(tx, terms).items():
        at(system, entity).quarantined = n
    return guards
