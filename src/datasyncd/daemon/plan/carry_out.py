"""Carry out: a plan that a person has looked at, and nothing that it does not name.

What is due and not in the plan waits for the next start of a daemon or a `sync`, which takes it back.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from ..config.load import Config
from ..cycle import Progress, SyncResult, sync
from ..engine import Engine
from ..review.terms import Terms
from .applier import Applier, Left, unmet, why_left
from .document import Index, NoPlan, head_of
from .item import Digests, Item
from .look import plan


class Applied(SyncResult):
    """What became of a plan; the keys are part of the interface."""

    planned: int = 0
    """Writes of the plan: records that are made or deleted, and fields of others."""
    sent: int = 0
    """Of these, those that were accepted."""
    left_out: list[Left] = []
    """Writes that are due and not in the plan, or in the plan and not due."""
    refused: bool = False
    """`--strict`: something did not match, so nothing was sent."""

    @property
    def exit_code(self) -> int:
        """As of a sync; also 1 when something was left out."""
        code = super().exit_code
        return code or (1 if self.left_out else 0)


async def apply(config: Config, path: Path, *, strict: bool = False, progress: Progress | None = None) -> Applied:
    """Carry out the plan in a file. `strict`: only if all of it still stands, and nothing else is due.

    Raises `NoPlan`, `OSError`, `StateError`.

    On crash: as in every run.
    """
    head = head_of(path)
    if head.config != config.digest.hex():
        raise NoPlan(
            f"{path} was made for another config than {config.home.file} is now; make it again: datasyncd plan -o FILE"
        )
    digests = Digests(bytes.fromhex(head.salt))
    if strict:
        refused = await _what_does_not_match(config, Index(path, digests), digests, progress)
        if refused is not None:
            return refused
    index = Index(path, digests)
    async with Engine.open(config, "apply", attach=False) as engine:
        terms = Terms.of(config, engine.rules, engine.store.fingerprints)
        applier = engine.oversight = Applier(index, digests, terms)
        done = await sync(engine, progress=progress)
    return Applied(
        **msgspec.structs.asdict(done), planned=index.count, sent=applier.sent, left_out=applier.left(done.failed)
    )


async def _what_does_not_match(
    config: Config, index: Index, digests: Digests, progress: Progress | None
) -> Applied | None:
    """Plan again and compare. None: it is the very same plan."""
    started = time.monotonic()
    count = index.count
    left: dict[bytes, Left] = {}

    def compare(item: Item) -> None:
        for field, name, content in digests.units(item):
            found = index.find(name, content)
            if found == "same":
                index.met(name, content)
            else:
                left[name] = Left(item.target, item.entity, item.key, item.op, field, why_left(found))

    now = await plan(config, samples=0, digests=digests, on_item=compare, progress=progress)
    left_out = [*left.values(), *unmet(index, left, {}, now.failed)]
    if not left_out:
        return None
    return Applied(
        planned=count, left_out=left_out, refused=True, conflicts=now.conflicts, quarantined=now.quarantined,
        held=now.held, read=now.read, failed=now.failed, seconds=round(time.monotonic() - started, 3),
    )  # fmt: skip
