"""Entities: whether what `[entities.E]` says goes together, and whether the names in it exist."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from datasyncd.adapters.translate import Invalid, Unusable
from datasyncd.adapters.translate.types import reader
from datasyncd.reconcile.rules import OnDelete, Policy

from .derived import check_derived
from .fields import AnyField, Consent, Enum, Json, Money, Phone, Set
from .grammar import Entity
from .known import Known, check_known
from .lines import KeyPath
from .problems import Findings, nearest
from .translation import options_of

FIRST_CONTACT = ("newest", "report", "fill_blanks")
"""What `first_contact` may say beside the name of a system."""

_OF_GROUPS = (Policy.LATEST, Policy.AUTHORITY, Policy.MANUAL)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


def check_names(known: Known, findings: Findings) -> None:
    """The names that the file gives must be such that commands, expressions and other tables can use them."""
    for system in known.systems:
        if not NAME.fullmatch(system):
            findings.error(("systems", system), "expected a name of letters, digits, dashes and underscores")
        elif system in FIRST_CONTACT:
            findings.error(("systems", system), "a word that `first_contact` has another meaning for; choose another")
    for entity, fields in known.entities.items():
        if not NAME.fullmatch(entity):
            findings.error(("entities", entity), "expected a name of letters, digits, dashes and underscores")
        for field in fields:
            if not field.isidentifier() or unicodedata.normalize("NFKC", field) != field:
                path = ("entities", entity, "fields", field)
                findings.error(path, "expected a name of letters, digits and underscores that begins with no digit")


def check_entity(name: str, entity: Entity, known: Known, findings: Findings) -> None:
    path: KeyPath = ("entities", name)
    if not known.entities[name] and findings.clean((*path, "fields")):
        findings.error((*path, "fields"), "expected one field or more; found an empty table")
    _check_identify(name, entity, known, findings)
    _check_archive(name, entity, known, findings)
    _check_first_contact(name, entity, known, findings)
    for field_name, field in entity.fields.items():
        _check_field(field, (*path, "fields", field_name), known, findings)
    _check_groups(name, entity, findings)
    check_derived(name, entity, findings)


def _check_identify(name: str, entity: Entity, known: Known, findings: Findings) -> None:
    path: KeyPath = ("entities", name, "identify")
    for place, key in enumerate(entity.identify):
        parts = [key] if isinstance(key, str) else list(key)
        if not parts:
            findings.error((*path, place), "expected the names of fields; found an empty list")
        if entity.keys[place] in entity.keys[:place] or len(set(parts)) < len(parts):
            findings.error((*path, place), "named twice")
        for part in parts:
            if check_known(part, known.entities[name], "field", (*path, place), findings):
                field = entity.fields.get(part)
                if isinstance(field, Consent | Set | Money | Json):
                    findings.error((*path, place), f'"{part}" is of type {field.type}, which identifies nothing')


def _check_groups(name: str, entity: Entity, findings: Findings) -> None:
    """Members of a group agree on all that decides about their value, for they have one."""
    identifying = {part for key in entity.keys for part in key}
    for group, members in entity.groups.items():
        first = entity.fields[members[0]]
        for member in members:
            path: KeyPath = ("entities", name, "fields", member, "group")
            field = entity.fields[member]
            if group in entity.fields or not group.isidentifier():
                text = f'"{group}" found; expected a name of letters, digits and underscores that no field has'
                findings.error(path, text)
            elif isinstance(field, Consent | Set) or field.policy not in _OF_GROUPS:
                what = f"type {field.type}" if isinstance(field, Consent | Set) else f"policy {field.policy}"
                findings.error(path, f"{what} goes field by field, not in a group")
            elif member in identifying:
                findings.error(path, "a field that identifies is no member of a group")
            elif entity.archive is not None and entity.archive.field == member:
                findings.error(path, "the field that `archive` sets is no member of a group")
            elif field.derive:
                findings.error(path, "what is computed is no member of a group")
            elif _rule_of(field) != _rule_of(first):
                text = f'policy, authority and never_clear expected as in "{members[0]}": they are one value'
                findings.error(path, text)


def _rule_of(field: AnyField) -> tuple[object, ...]:
    return field.policy, field.authority, field.never_clear


def _check_archive(name: str, entity: Entity, known: Known, findings: Findings) -> None:
    path: KeyPath = ("entities", name, "archive")
    if not findings.clean(path) or not findings.clean((*path[:2], "on_delete")):
        return
    archive = entity.archive
    if archive is None:
        if entity.on_delete is OnDelete.ARCHIVE:
            findings.error(path, 'missing; on_delete = "archive" needs { field = "...", value = ... }')
        return
    if entity.on_delete is not OnDelete.ARCHIVE:
        findings.error(path, 'goes with on_delete = "archive" only')
    if not check_known(archive.field, known.entities[name], "field", (*path, "field"), findings):
        return
    field = entity.fields.get(archive.field)
    if isinstance(field, Consent):
        findings.error((*path, "field"), "a consent is set by the person's own act only, never by a delete")
    elif field is not None and findings.clean((*path[:2], "fields", archive.field)):
        try:
            blank = reader(options_of(field))(archive.value) is None
        except Unusable:
            return  # said of the field itself
        except Invalid as refusal:
            findings.error((*path, "value"), refusal.reason)
        else:
            if blank:
                findings.error((*path, "value"), "expected a value; found a blank")


def _check_first_contact(name: str, entity: Entity, known: Known, findings: Findings) -> None:
    path: KeyPath = ("entities", name, "first_contact")
    said = entity.first_contact
    if said in FIRST_CONTACT:
        return
    if said not in known.systems:
        choice = ", ".join(FIRST_CONTACT)
        findings.error(path, f"expected {choice} or a system", nearest(said, [*FIRST_CONTACT, *known.systems]))
    elif (said, name) not in known.links:
        findings.error(path, f'the system "{said}" has no link to {name}')


def _check_field(field: AnyField, path: KeyPath, known: Known, findings: Findings) -> None:
    _check_policy(field, path, findings)
    _check_systems(field.authority, (*path, "authority"), known, findings)
    if isinstance(field, Consent):
        _check_systems(field.authorised, (*path, "authorised"), known, findings)
    if isinstance(field, Enum) and len(set(field.values)) < len(field.values):
        findings.error((*path, "values"), "the same value is listed twice")
    if findings.clean(path):
        try:
            reader(options_of(field))
        except Unusable as error:
            findings.error((*path, "region") if isinstance(field, Phone) else path, str(error))


def _check_policy(field: AnyField, path: KeyPath, findings: Findings) -> None:
    policy = (*path, "policy")
    authority = (*path, "authority")
    if isinstance(field, Consent) and field.policy not in field.policies:
        findings.error(policy, f"a consent goes by {Policy.MOST_RESTRICTIVE}, so that an opt-out always wins")
    elif field.policy not in field.policies:
        suits = ", ".join(field.policies)
        findings.error(policy, f'policy "{field.policy}" does not go with type "{field.type}"; expected one of {suits}')
    elif findings.clean(policy) and findings.clean(authority):
        if field.policy is Policy.AUTHORITY and not field.authority:
            findings.error(authority, 'missing; policy = "authority" needs a list of systems')
        elif field.policy is not Policy.AUTHORITY and field.authority:
            findings.error(authority, 'goes with policy = "authority" only')


def _check_systems(systems: Sequence[str], path: KeyPath, known: Known, findings: Findings) -> None:
    for place, system in enumerate(systems):
        if system in systems[:place]:
            findings.error((*path, place), "named twice")
        else:
            check_known(system, known.systems, "system", (*path, place), findings)
