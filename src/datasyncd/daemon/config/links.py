"""Links: whether what `[links.S.E]` says goes together, and whether the names in it exist."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from datasyncd.adapters.translate import Unusable
from datasyncd.adapters.translate.types import reader

from .expressions import ExpressionInvalid, Where, compile_where
from .fields import AnyField, Boolean, Consent, Country, DateTime, Enum, Language, Set, Text
from .grammar import Document, Link, Mapped
from .known import Known, check_known
from .lines import KeyPath
from .problems import Findings, nearest
from .translation import options_of

_FORMS = {
    "form": ("money", "country", "language"),
    "locale": ("country",),
    "currency": ("money",),
    "digits": ("money",),
}
"""Keys of a mapped field, and the types that they go with."""
CONSENT_WORDS = ("in", "out", "unknown")


def check_links(document: Document, known: Known, findings: Findings) -> None:
    for system, links in document.links.items():
        check_known(system, known.systems, "system", ("links", system), findings)
        objects: dict[str, str] = {}
        for entity, link in links.items():
            path: KeyPath = ("links", system, entity)
            if link.object in objects and findings.clean((*path, "object")):
                first = objects[link.object]
                text = f'"{link.object}" is linked to {first} already; a record belongs to one entity'
                findings.error((*path, "object"), text)
            objects.setdefault(link.object, entity)
            if not link.keys:
                findings.error((*path, "key"), "expected one name or more; found an empty list")
            elif len(set(link.keys)) < len(link.keys):
                findings.error((*path, "key"), "names a field twice")
            _check_triggers(link, path, findings)
            if check_known(entity, known.entities, "entity", path, findings):
                _check_map(link, entity, path, known, findings)
                _check_where(link, entity, path, known, findings)


def where_of(link: Link, fields: dict[str, AnyField], types: dict[str, str] | None = None) -> Where | None:
    """The link's `where`, compiled. `types` may name more fields than `fields` has. Raises `ExpressionInvalid`."""
    if link.where is None:
        return None
    names = {**(types or {}), **{name: field.type for name, field in fields.items()}}
    values = {name: field.values for name, field in fields.items() if isinstance(field, Enum)}
    return compile_where(link.where, names, values)


def _check_triggers(link: Link, path: KeyPath, findings: Findings) -> None:
    if link.every is not None and link.cron is not None:
        findings.error((*path, "cron"), "`every` and `cron` exclude each other")
    if link.cron is not None:
        from apscheduler.triggers.cron import CronTrigger  # 60 ms, which most configs do not need

        try:
            CronTrigger.from_crontab(link.cron, timezone="UTC")
        except (ValueError, TypeError, OverflowError) as error:
            findings.error(
                (*path, "cron"), f'expected minute, hour, day, month and weekday, such as "0 2 * * *": {error}'
            )


def _check_map(link: Link, entity: str, path: KeyPath, known: Known, findings: Findings) -> None:
    fields = known.fields.get(entity, {})
    path = (*path, "map")
    if not link.map and findings.clean(path):
        findings.error(path, "expected one field or more; found an empty table")
    written: dict[str, str] = {}
    for name, mapped in link.mapped.items():
        if not check_known(name, known.entities[entity], "field", (*path, name), findings):
            continue
        if link.pushes(name) and mapped.field:
            if mapped.field in written:
                text = f'"{mapped.field}" is written by {written[mapped.field]} already'
                findings.error((*path, name), text)
            written.setdefault(mapped.field, name)
        if name in fields:
            _check_mapped(fields[name], mapped, (*path, name), findings)
            _check_one_way(fields[name], link.map[name], link, (*path, name), findings)
            if findings.clean(("entities", entity, "fields", name)) and findings.clean((*path, name)):
                _check_readable(fields[name], mapped, (*path, name), findings)
    _check_whole_groups(link, entity, path, known, findings)
    for name, field in fields.items():
        if field.required and name not in link.map and findings.clean((*path, name)):
            findings.error((*path, name), "missing; the field is required, so each link maps it")


def _check_whole_groups(link: Link, entity: str, path: KeyPath, known: Known, findings: Findings) -> None:
    """A group is one value: whoever may edit it must see all of it."""
    fields = known.fields.get(entity, {})
    groups: dict[str, list[str]] = {}
    for name, field in fields.items():
        if field.group is not None:
            groups.setdefault(field.group, []).append(name)
    for group, members in groups.items():
        mapped = [name for name in members if name in link.map]
        missing = [name for name in members if name not in link.map]
        if missing and any(link.pulls(name) for name in mapped):
            text = f'"{group}" moves as one value: expected {", ".join(missing)} as well, or direction = "push"'
            findings.error((*path, mapped[0]), text)
        if len({link.mapped[name].direction for name in mapped}) > 1:
            findings.error((*path, mapped[0]), f'all fields of the group "{group}" go the same way')
        for name in mapped:
            if link.mapped[name].field == link.key:
                findings.error((*path, name), "the record's own key is no member of a group")


def _check_one_way(field: AnyField, said: str | Mapped, link: Link, path: KeyPath, findings: Findings) -> None:
    """What is computed here is written there, and never read."""
    if field.derive and (link.direction == "pull" or (isinstance(said, Mapped) and said.direction in ("pull", "both"))):
        findings.error(path, 'a field with `derive` is computed and only pushed; expected direction = "push"')


def _check_mapped(field: AnyField, mapped: Mapped, path: KeyPath, findings: Findings) -> None:
    if mapped.separator is not None and not isinstance(field, Set):
        findings.error((*path, "separator"), f'goes with type "set" only, not "{field.type}"')
    if mapped.zone is not None:
        if not isinstance(field, DateTime):
            findings.error((*path, "zone"), f'goes with type "datetime" only, not "{field.type}"')
        elif not _is_zone(mapped.zone):
            findings.error((*path, "zone"), 'expected the name of a time zone, such as "Europe/Berlin"')
    _check_forms(field, mapped, path, findings)
    if mapped.values is None:
        return
    if not isinstance(field, Text | Enum | Boolean | Consent | Country | Language):
        text = f'goes with text, enum, boolean, consent, country and language only, not "{field.type}"'
        findings.error((*path, "values"), text)
        return
    for native, canonical in mapped.values.items():
        choices = field.values if isinstance(field, Enum) else CONSENT_WORDS if isinstance(field, Consent) else ()
        if isinstance(canonical, str) and canonical and choices and canonical not in choices:
            text = f"expected one of {', '.join(choices)}"
            findings.error((*path, "values", native), text, nearest(canonical, choices))


def _check_forms(field: AnyField, mapped: Mapped, path: KeyPath, findings: Findings) -> None:
    """What the keys say is for the translation to judge; whether they belong here is not."""
    for key, types in _FORMS.items():
        if getattr(mapped, key) is not None and field.type not in types:
            findings.error((*path, key), f'goes with {_listed(types)} only, not "{field.type}"')


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _check_readable(field: AnyField, mapped: Mapped, path: KeyPath, findings: Findings) -> None:
    """What is left is for the translation itself to say."""
    try:
        reader(options_of(field, mapped))
    except Unusable as error:
        findings.error(path, str(error))


def _check_where(link: Link, entity: str, path: KeyPath, known: Known, findings: Findings) -> None:
    try:
        # A field whose type is wrong goes with everything here: its own problem is enough.
        where_of(link, known.fields.get(entity, {}), dict.fromkeys(known.entities[entity], "any"))
    except ExpressionInvalid as error:
        findings.error((*path, "where"), str(error), error.nearest)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True
