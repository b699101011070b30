"""Consistency: what `check` says of a config whose every word is right, given what its systems promise.

Errors are what must not run: data would be lost, or a part can never do what it is for. Warnings are what may be
meant so.
"""

from __future__ import annotations

from collections.abc import Mapping

from datasyncd.adapters.contract import Capabilities, Condition, Deletions
from datasyncd.reconcile.rules import OnDelete, Policy

from .fields import AnyField, Consent
from .grammar import Entity, Link
from .lines import KeyPath
from .load import Config
from .problems import Findings, Problem


def consistency(config: Config, capabilities: Mapping[tuple[str, str], Capabilities]) -> list[Problem]:
    """All problems, in the order of the file.

    `capabilities` has what each link's system promises, by system and entity; what needs the promises of a link that
    is not there is left out.
    """
    findings = config.findings()
    for system in config.systems:
        if not config.links.get(system):
            findings.warning(("systems", system), "no link uses this system")
    for name, entity in config.entities.items():
        _check_entity(config, name, entity, findings)
    for system, links in config.links.items():
        for name, link in links.items():
            path: KeyPath = ("links", system, name)
            promised = capabilities.get((system, name))
            adapter = config.systems[system].adapter
            if len(link.keys) > 1 and not adapter.composite_keys:
                text = f'the adapter "{adapter.name}" knows keys of one field only; expected the name of one'
                findings.error((*path, "key"), text)
            _check_consent(link, config.entities[name], path, promised, findings)
            if promised is not None:
                _check_counters(link, path, promised, config.entities[name], findings)
                _check_whole(link, path, promised, config.entities[name], findings)
                _check_promises(link, path, promised, config.entities[name], findings)
    return findings.in_order()


def _check_entity(config: Config, name: str, entity: Entity, findings: Findings) -> None:
    path: KeyPath = ("entities", name)
    links = config.links_of(name)
    if not links:
        findings.error(path, f"no link: no system holds it; expected [links.SYSTEM.{name}]")
        return
    if len(links) == 1:
        findings.warning(path, f'the system "{next(iter(links))}" alone holds it: there is nothing to keep the same')
    identifying = {part for key in entity.keys for part in key}
    for place, key in enumerate(entity.keys):
        for part in key:
            if not any(part in link.map for link in links.values()):
                findings.error((*path, "identify", place), f'no link maps "{part}", so it can identify nothing')
    for field_name, field in entity.fields.items():
        field_path = (*path, "fields", field_name)
        if field_name not in identifying and not any(field_name in link.map for link in links.values()):
            findings.warning(field_path, "no link maps it")
        _check_sources(field_name, field, field_path, links, findings)


def _check_sources(name: str, field: AnyField, path: KeyPath, links: Mapping[str, Link], findings: Findings) -> None:
    """The systems that have a say in a field must be heard."""
    named = {"authority": field.authority, "authorised": field.authorised if isinstance(field, Consent) else ()}
    for key, systems in named.items():
        for place, system in enumerate(systems):
            link = links.get(system)
            if link is None or name not in link.map or not link.pulls(name):
                findings.warning((*path, key, place), f'"{system}" is never asked: no link of it pulls this field')


def _check_consent(
    link: Link, entity: Entity, path: KeyPath, promised: Capabilities | None, findings: Findings
) -> None:
    """Opt-outs go both ways (rule F65), except from where nothing can be written."""
    for name, mapped in link.mapped.items():
        if not isinstance(entity.fields[name], Consent):
            continue
        place = (*path, "map", name)
        if not link.pulls(name):
            text = 'a consent goes both ways: an opt-out made there would be overwritten; expected direction = "both"'
            findings.error(place, text)
        elif not link.pushes(name) and not (promised is not None and promised.read_only):
            text = 'a consent goes both ways: an opt-out would never arrive there; expected direction = "both"'
            findings.error(place, text)
        if mapped.values is not None and link.pushes(name) and not {False, "out"} & set(mapped.values.values()):
            findings.error((*place, "values"), "no native value means false, so an opt-out could not be written")
    raised = any(link.pushes(name) and isinstance(entity.fields[name], Consent) for name in link.map)
    if raised and promised is not None and link.opt_in == "write" and promised.condition is Condition.NONE:
        text = "an opt-in may be written here over an opt-out that nobody has read yet: the system has no conditions"
        findings.warning((*path, "opt_in"), text)


def _check_counters(link: Link, path: KeyPath, promised: Capabilities, entity: Entity, findings: Findings) -> None:
    """A counter is written as its sum, which would cover a step that nobody has read yet."""
    for name in link.map:
        if entity.fields[name].policy is Policy.COUNTER and link.pushes(name):
            if promised.condition is not Condition.ENFORCED:
                text = 'a counter is written only where a stale write is refused; expected direction = "pull"'
                findings.error((*path, "map", name), text)


def _check_whole(link: Link, path: KeyPath, promised: Capabilities, entity: Entity, findings: Findings) -> None:
    """Where each write repeats the whole record and none is refused, it covers what was saved since it was read."""
    if not promised.whole_record or promised.condition is Condition.ENFORCED or not any(map(link.pushes, link.map)):
        return
    for name in link.map:
        field = entity.fields[name]
        what = "each write repeats all of a record, and none that is stale is refused"
        if field.policy is Policy.COUNTER:
            findings.error((*path, "map", name), f"{what}: a step that nobody has read yet would be lost; leave it out")
        if isinstance(field, Consent) and promised.condition is Condition.NONE and link.opt_in != "write":
            text = f"{what}: an opt-out that nobody has read yet would be lost; leave it out, or allow that"
            findings.error((*path, "map", name), f'{text} with opt_in = "write"')


def _check_promises(link: Link, path: KeyPath, promised: Capabilities, entity: Entity, findings: Findings) -> None:
    pushed = [name for name in link.map if link.pushes(name)]
    if promised.read_only and pushed:
        place = (*path, "direction") if link.direction != "pull" else (*path, "map", pushed[0])
        findings.error(place, 'the system can only be read; expected direction = "pull"')
    if link.live and not promised.watches:
        findings.error((*path, "live"), "the system does not tell of changes; use `every` or `cron`")
    if link.cursor is not None and not promised.incremental:
        findings.error((*path, "cursor"), "the system cannot be asked for changes alone; leave `cursor` out")
    follows = entity.on_delete in (OnDelete.PROPAGATE, OnDelete.ARCHIVE)
    if follows and promised.deletions is Deletions.INVISIBLE:
        text = f'deletes made there are not seen, so on_delete = "{entity.on_delete}" does not follow them'
        findings.warning(path, text)
