"""Compile: a config as the rules that the reconciler reads, and as what adapters and translation are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from typing import TypeAlias

import msgspec

from datasyncd import __version__
from datasyncd.adapters.contract import Capabilities, ObjectSpec
from datasyncd.adapters.translate import MappedField
from datasyncd.adapters.translate.types import reader
from datasyncd.reconcile.rules import (
    MICROSECONDS,
    Derived,
    EntityRule,
    FieldNumber,
    FieldRule,
    LinkRule,
    OptIn,
    Value,
    WriteClass,
)

from .derived import derived_of
from .fields import AnyField, Consent
from .grammar import Guard, Link
from .links import where_of
from .load import Config
from .translation import options_of

NumberOf: TypeAlias = Callable[[str, str], FieldNumber]
"""From the name of an entity and of its field to the field's number, which never changes."""

_NORMALISERS = {
    "phone": ("phonenumberslite",),
    "email": ("email-validator", "idna"),
    "country": ("babel",),
    "language": ("babel",),
    "money": ("babel",),
}
"""Packages that decide what the canonical form of a type is."""


def compile_rules(
    config: Config, number_of: NumberOf, capabilities: Mapping[tuple[str, str], Capabilities]
) -> dict[str, EntityRule]:
    """The rules of each entity; `capabilities` has what each link's system promises, by system and entity."""
    return {name: _entity(config, name, number_of, capabilities) for name in config.entities}


def objects_of(config: Config, system: str) -> dict[str, ObjectSpec]:
    """What the config uses of each object of a system, by the object's name."""
    return {
        link.object: ObjectSpec(
            object=link.object,
            key=link.keys[0],
            more_keys=link.keys[1:],
            fields=tuple(dict.fromkeys(mapped.field for mapped in link.mapped.values())),
            edited_at=link.edited_at,
            cursor=link.cursor,
        )
        for link in config.links.get(system, {}).values()
    }


def mapped_fields(config: Config, system: str, entity: str, number_of: NumberOf) -> list[MappedField]:
    """The map of a link as the translation of its records reads it, in the order of the file."""
    link = config.links[system][entity]
    fields, groups = config.entities[entity].fields, config.entities[entity].groups
    return [
        MappedField(
            number=number_of(entity, fields[name].group or name),
            native=mapped.field,
            type=options_of(fields[name], mapped),
            pull=link.pulls(name) and not fields[name].derive,
            push=link.pushes(name),
            member=name if fields[name].group else "",
            whole=all(member in link.map for member in groups.get(fields[name].group or "", ())),
            name=name,
        )
        for name, mapped in link.mapped.items()
    ]


def mapping_digest(link: Link, mapped: list[MappedField]) -> bytes:
    """Eight bytes that change when the same native row may mean something else than before.

    That is with the map, its directions, the types and their options, and with the versions of what normalises.
    """
    packages = sorted({package for field in mapped for package in _NORMALISERS.get(field.type.name, ())})
    parts = (
        __version__,
        [(package, _version(package)) for package in packages],
        (link.object, link.key),
        sorted((msgspec.structs.replace(field, name="") for field in mapped), key=lambda field: field.number),
    )
    return blake2b(msgspec.json.encode(parts), digest_size=8).digest()


def _entity(
    config: Config, name: str, number_of: NumberOf, capabilities: Mapping[tuple[str, str], Capabilities]
) -> EntityRule:
    entity = config.entities[name]
    ranks = {system: rank for rank, system in enumerate(config.systems)}
    archive: tuple[FieldNumber, Value] | None = None
    if entity.archive is not None:
        value = reader(options_of(entity.fields[entity.archive.field]))(entity.archive.value)
        archive = (number_of(name, entity.archive.field), value)
    rules = [
        _field(number_of(name, field_name), field_name, field)
        for field_name, field in entity.fields.items()
        if field.group is None
    ]
    for group, members in entity.groups.items():
        rules.append(_group(number_of(name, group), group, members, entity.fields[members[0]]))
    return EntityRule(
        name=name,
        fields={rule.number: rule for rule in rules},
        identify=tuple(tuple(number_of(name, part) for part in key) for key in entity.keys),
        links={
            system: _link(config, system, name, ranks[system], number_of, capabilities[system, name])
            for system in config.links_of(name)
        },
        on_delete=entity.on_delete,
        archive=archive,
        first_contact=entity.first_contact,
        derived=tuple(
            Derived(number_of(name, field_name), *derived_of(field_name, entity))
            for field_name, field in entity.fields.items()
            if field.derive
        ),
    )


def _field(number: FieldNumber, name: str, field: AnyField) -> FieldRule:
    return FieldRule(
        number=number,
        name=name,
        type=field.type,
        policy=field.policy,
        authority=field.authority,
        authorised=field.authorised if isinstance(field, Consent) else (),
        never_clear=field.never_clear,
        derive=field.derive or "",
    )


def _group(number: FieldNumber, name: str, members: tuple[str, ...], first: AnyField) -> FieldRule:
    """The rule of a group; its members agree on all that it says."""
    return FieldRule(
        number=number,
        name=name,
        type="group",
        policy=first.policy,
        authority=first.authority,
        never_clear=first.never_clear,
        members=members,
    )


def _link(config: Config, system: str, entity: str, rank: int, number_of: NumberOf, promised: Capabilities) -> LinkRule:
    link = config.links[system][entity]
    mapped = mapped_fields(config, system, entity, number_of)
    return LinkRule(
        system=system,
        entity=entity,
        object=link.object,
        rank=rank,
        fields=frozenset(field.number for field in mapped),
        pulls=frozenset(field.number for field in mapped if field.pull),
        pushes=frozenset(field.number for field in mapped if field.push),
        key_field=next((field.number for field in mapped if (field.native,) == link.keys), None),
        mapping_digest=mapping_digest(link, mapped),
        condition=promised.condition.value,
        version_order=promised.version_order.value,
        returns_image=promised.returns_image,
        create_key=promised.create_key,
        assigns_key=promised.assigns_key,
        unique=frozenset(field.number for field in mapped if field.native in promised.unique),
        forward=promised.forward,
        late_us=_microseconds(promised.late_s),
        search_lag_us=_microseconds(promised.search_lag_s),
        read_max_us=_microseconds(promised.read_max_s),
        stale_us=_microseconds(promised.stale_s),
        pull_is_reading=promised.pull_is_reading,
        whole_record=promised.whole_record,
        opt_in=OptIn(link.opt_in) if link.opt_in else OptIn.BLANK,
        has_edited_at=link.edited_at is not None,
        where=where_of(link, config.entities[entity].fields),
        guards=_guards(link.guard),
        at_least=link.guard.at_least,
    )


def _guards(guard: Guard) -> dict[WriteClass, float]:
    """The limits by class; one that is off is left out."""
    limits = {
        WriteClass.CREATE: guard.create,
        WriteClass.UPDATE: guard.update,
        WriteClass.CLEAR: guard.clear,
        WriteClass.DELETE: guard.delete,
        WriteClass.CONSENT: guard.consent,
    }
    return {kind: float(share) for kind, share in limits.items() if share.limits}


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


@cache
def _version(package: str) -> str:
    return version(package)
