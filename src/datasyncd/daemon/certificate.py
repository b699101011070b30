"""Certificate: what was seen of the promises of one system, and what the daemon therefore does there."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from datasyncd.adapters import registry
from datasyncd.adapters.testing.certify import Sight, Tried, Verdict, certify, look
from datasyncd.adapters.testing.scratch import Scratch, staged
from datasyncd.adapters.testing.suite import PROMISES, TRUSTED

from .catalogue import CURSOR, Promise, promises
from .check import Finding, consequences
from .config.load import Config


class Certified(msgspec.Struct, kw_only=True):
    """One promise, with the cases that tried it."""

    promise: int
    text: str
    verdict: Verdict
    why: str | None
    """Of one that was not tried."""
    cases: list[Tried]


class Certificate(msgspec.Struct, kw_only=True):
    """One system."""

    system: str
    adapter: str
    package: str | None
    """Name and version of the package that brings the adapter; None: built in."""
    scratch: str
    """What was made there for each case, and removed."""
    somebody: str
    """Who somebody else was."""
    held: bool
    """No promise was broken."""
    promises: list[Certified]
    capabilities: list[Promise]
    """What the daemon obeys."""
    trusted: list[str]
    """Capabilities that nothing has tried."""
    consequences: list[Finding]
    """What `check` says of that."""


async def certificate(
    config: Config, system: str, begun: Callable[[Certificate], None], told: Callable[[Certified], None]
) -> Certificate:
    """Try all promises of a system; `begun` is called with what is known before, `told` with each promise.

    Raises the errors of adapters if nothing can be tried, `Unreachable` in the middle, too; `NoStage`, `LeftBehind`,
    and `Unwritten` or `Broken` if not even an object can be made.

    On cancel: what was made is removed first.
    """
    declared = config.systems[system]

    def new() -> Scratch:
        return staged(declared.adapter, declared.options, declared.base, system)

    sight = await look(new)
    found = _begun(config, system, sight)
    begun(found)
    cases: list[Tried] = []
    async for each in certify(new, sight):
        if cases and each.promise != cases[-1].promise:
            _tell(found, cases, told)
            cases = []
        cases.append(each)
    _tell(found, cases, told)
    found.held = all(certified.verdict is not Verdict.BROKEN for certified in found.promises)
    return found


def _begun(config: Config, system: str, sight: Sight) -> Certificate:
    adapter = config.systems[system].adapter.name
    return Certificate(
        system=system,
        adapter=adapter,
        package=registry.package_of(adapter),
        scratch=sight.made,
        somebody=sight.somebody,
        held=False,
        promises=[],
        capabilities=promises(sight.capabilities, {CURSOR: sight.with_cursor}),
        trusted=list(TRUSTED),
        consequences=consequences(system, sight.capabilities),
    )


def _tell(found: Certificate, cases: list[Tried], told: Callable[[Certified], None]) -> None:
    """One promise, all of whose cases were tried: broken if one is, and held if one is."""
    first = cases[0]
    seen = {case.verdict for case in cases}
    verdict = next(verdict for verdict in (Verdict.BROKEN, Verdict.HELD, *Verdict) if verdict in seen)
    not_tried = verdict is Verdict.NOT_TRIED
    certified = Certified(
        promise=first.promise,
        text=PROMISES[first.promise],
        verdict=verdict,
        why=first.why if not_tried else None,
        cases=[] if not_tried else cases,
    )
    found.promises.append(certified)
    told(certified)
