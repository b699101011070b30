"""Check: whether a config can run: its words, then each system: reach, schema against map, promises.

Reads the systems, and writes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from apscheduler.triggers.cron import CronTrigger

from datasyncd.adapters.contract import Adapter, Capabilities, Concerned, Condition, Moment, VersionOrder
from datasyncd.adapters.contract import Context as AdapterContext
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.translate import Translation
from datasyncd.state.folder import refusal

from .config.compile import mapped_fields, objects_of
from .config.consistency import consistency
from .config.load import Config
from .config.problems import ConfigInvalid, Problem

HOT_LOST = 0.04
"""Share of the edits that the hot test loses in a system which refuses no stale write: a test holds it, and the table
in docs/explanation/what-is-promised.md, to what is measured."""
HOT_WINDOW_MS = 75
"""How long it is there, on average, from the state that a reading before a write shows until the write lands."""
HOT_LOST_COMPARED = 0.001
"""The most of it where the adapter itself compares the row just before the write takes effect."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that `check` says."""

    severity: Literal["error", "warning", "note"]
    system: str | None
    place: str
    """File and line, or the link."""
    text: str
    fix: str | None = None

    def __str__(self) -> str:
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.place}: {self.severity}: {self.text}{fix}"


def of_problems(problems: Iterable[Problem]) -> list[Finding]:
    """What is wrong with the words of a config."""
    return [
        Finding(
            severity=problem.severity,
            system=None,
            place=problem.file if problem.line is None else f"{problem.file}:{problem.line}",
            text=f"{problem.key}: {problem.text}" if problem.key else problem.text,
            fix=f'did you mean "{problem.nearest}"?' if problem.nearest is not None else None,
        )
        for problem in problems
    ]


async def refuse_inconsistent(config: Config) -> None:
    """Raises `ConfigInvalid` for a config that must not run, by what its systems promise. Asks no system."""
    promised: dict[tuple[str, str], Capabilities] = {}
    for system, declared in config.systems.items():
        adapter = declared.adapter.open(_context(config, system), declared.options)
        for entity, link in config.links.get(system, {}).items():
            promised[system, entity] = adapter.capabilities(link.object)
        await adapter.aclose()
    problems = [*consistency(config, promised), *_schedules(config), *_not_built(config, promised)]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ConfigInvalid(errors)


def _not_built(config: Config, promised: Mapping[tuple[str, str], Capabilities]) -> list[Problem]:
    """Systems whose ways this version cannot follow without risk to their data."""
    findings = config.findings()
    for (system, entity), capabilities in promised.items():
        for text in _unfollowed(capabilities):
            findings.error(("links", system, entity), text)
    return findings.in_order()


def _unfollowed(capabilities: Capabilities) -> list[str]:
    missing = {
        "versions are visible and do not count saves": capabilities.condition is Condition.VISIBLE
        and capabilities.version_order is not VersionOrder.COUNTER,
        "readings by key may be old, and its versions do not tell old from new": capabilities.stale_s > 0
        and (capabilities.condition is Condition.NONE or capabilities.version_order is not VersionOrder.COUNTER),
    }
    return [f"{what} in this system; not built yet in this version" for what, there in missing.items() if there]


def consequences(system: str, capabilities: Capabilities) -> list[Finding]:
    """What follows from the promises of a system, whatever its links are."""
    place = f"systems.{system}"
    errors = [Finding(severity="error", system=system, place=place, text=text) for text in _unfollowed(capabilities)]
    return [*errors, *_promise(system, place, capabilities)]


def _state(config: Config) -> list[Problem]:
    """What stands against the state's folder."""
    findings = config.findings()
    why = refusal(config.home.state_dir)
    if why is not None:
        findings.error(("daemon", "state_dir"), str(why))
    return findings.in_order()


def _schedules(config: Config) -> list[Problem]:
    findings = config.findings()
    for system, links in config.links.items():
        for entity, link in links.items():
            if link.cron is not None:
                try:
                    CronTrigger.from_crontab(link.cron)
                except ValueError as error:
                    findings.error(("links", system, entity, "cron"), f"five fields of cron expected: {error}")
    return findings.in_order()


def _context(config: Config, system: str) -> AdapterContext:
    """For looking alone: nothing that is read with it is ever taken in."""
    return AdapterContext(system, config.systems[system].base, lambda: Moment(0, 0), objects_of(config, system))


async def check(config: Config) -> list[Finding]:
    """All that stands between a config and its systems."""
    registers = [(entity, name) for entity, known in config.entities.items() for name in known.registers]
    numbers = {register: number for number, register in enumerate(registers)}
    findings: list[Finding] = []
    promised: dict[tuple[str, str], Capabilities] = {}
    for system, declared in config.systems.items():
        adapter = declared.adapter.open(_context(config, system), declared.options)
        try:
            for entity, link in config.links.get(system, {}).items():
                place = f"links.{system}.{entity}"
                capabilities = promised[system, entity] = adapter.capabilities(link.object)
                findings += _promise(system, place, capabilities)
                try:
                    schema = await adapter.describe(link.object)
                except AdapterError as error:
                    findings.append(Finding(severity="error", system=system, place=place, text=str(error)))
                    continue
                if schema.absent:
                    text = f"{link.object} is not there; the first write makes it"
                    findings.append(Finding(severity="note", system=system, place=place, text=text))
                fields = mapped_fields(config, system, entity, lambda e, f: numbers[e, f])
                text_only = declared.adapter.text_only
                translation = Translation(fields, schema, edited_at=link.edited_at, text_only=text_only)
                findings += [
                    Finding(severity="error", system=system, place=place, text=text) for text in translation.problems()
                ]
                lacks = schema.lacks if any(field.push for field in fields) else ()
                findings += [
                    Finding(severity="warning", system=system, place=place, text=text)
                    for text in (*schema.warns, *lacks, *translation.unmade(), *translation.limits())
                ]
            findings += _measured(system, adapter)
        finally:
            await adapter.aclose()
    return [
        *of_problems(
            [*_state(config), *consistency(config, promised), *_schedules(config), *_not_built(config, promised)]
        ),
        *findings,
    ]


def _measured(system: str, adapter: Adapter) -> list[Finding]:
    """What a system measures of itself."""
    figures = adapter.figures() if isinstance(adapter, Concerned) else {}
    text = ", ".join(f"{name} {value:,}" for name, value in figures.items())
    return [Finding(severity="note", system=system, place=f"systems.{system}", text=text)] if text else []


def _promise(system: str, place: str, capabilities: Capabilities) -> list[Finding]:
    """What a system without conditional writes means for the people who work in it."""
    if capabilities.condition is Condition.ENFORCED or capabilities.read_only:
        return []
    seen = capabilities.condition is Condition.VISIBLE
    text = (
        f"{system} cannot refuse a stale write: an edit made there in the moment between our last look and our write "
        f"can be covered{', which its versions show afterwards: it is reported' if seen else ' unseen'}; "
    )
    if capabilities.last_look:
        text += (
            f"that look is taken just before {capabilities.last_look}, and where both sides edited the same field "
            f"within a second, fewer than {HOT_LOST_COMPARED:.1%} of the edits were lost"
        )
    else:
        text += (
            f"where both sides edited the same field within a second, and that moment was {HOT_WINDOW_MS} ms, "
            f"{HOT_LOST:.0%} of the edits were lost"
        )
    return [Finding(severity="note", system=system, place=place, text=text, fix=capabilities.remedy or None)]
