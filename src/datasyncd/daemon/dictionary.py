"""Dictionary: what the fields of a config mean, where each stands and what depends on it. Asks no system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .config.expressions import FUNCTIONS, compile
from .config.fields import AnyField, Consent, Enum, Field
from .config.grammar import Entity
from .config.load import Config

_TOLD = {field.name for field in msgspec.structs.fields(Field)} | {"values"}
"""What has a key of its own; all else that a type of field says is among its options."""


class Place(msgspec.Struct, kw_only=True):
    """Where a field stands in one system."""

    system: str
    object: str
    native: str
    direction: str
    """pull: its edits count; push: it is written; both."""
    values: dict[str, Any]
    """Its words there and what they mean, where the config says so."""


class Use(msgspec.Struct, kw_only=True, frozen=True):
    """What depends on a field."""

    place: str
    """The key of the config."""
    text: str
    """What the field does there."""
    expression: str | None = None


class Described(msgspec.Struct, kw_only=True):
    """One field."""

    name: str
    doc: str
    owner: str
    type: str
    values: list[str]
    """All that are allowed, where they are listed."""
    options: dict[str, Any]
    """What else the config says of the type: region, max_length, channel, ..."""
    policy: str
    authority: list[str]
    group: str | None
    derive: str | None
    required: bool
    never_clear: bool
    mapped: list[Place]
    used: list[Use]


class DescribedEntity(msgspec.Struct, kw_only=True):
    """One kind of thing."""

    name: str
    identify: list[list[str]]
    """In order of trust; a compound key has several names."""
    first_contact: str
    on_delete: str
    fields: list[Described]


class DescribedFunction(msgspec.Struct, kw_only=True):
    """One function of the expressions."""

    name: str
    signature: str
    gives: str | None
    """None: what its arguments are."""
    doc: str


class Dictionary(msgspec.Struct, kw_only=True):
    """The whole of it."""

    entities: list[DescribedEntity]
    functions: list[DescribedFunction]


def dictionary(config: Config) -> Dictionary:
    """Entities and fields in the order of the config, functions by name."""
    return Dictionary(
        entities=[_entity(config, name, entity) for name, entity in config.entities.items()],
        functions=[
            DescribedFunction(name=name, signature=each.signature, gives=each.gives, doc=each.doc)
            for name, each in sorted(FUNCTIONS.items())
        ],
    )


def _entity(config: Config, name: str, entity: Entity) -> DescribedEntity:
    uses = dict(_uses(config, name, entity))
    return DescribedEntity(
        name=name,
        identify=[list(key) for key in entity.keys],
        first_contact=entity.first_contact,
        on_delete=entity.on_delete.value,
        fields=[_field(config, name, known, field, uses) for known, field in entity.fields.items()],
    )


def _field(config: Config, entity: str, name: str, field: AnyField, uses: Mapping[Use, frozenset[str]]) -> Described:
    options = {
        known.encode_name: msgspec.to_builtins(value)
        for known in msgspec.structs.fields(field)
        if known.name not in _TOLD and (value := getattr(field, known.name)) not in (None, (), {})
    }
    if isinstance(field, Consent):
        options.setdefault("authorised", [])
    return Described(
        name=name,
        doc=field.doc,
        owner=field.owner,
        type=field.type,
        values=list(field.values) if isinstance(field, Enum) else [],
        options=options,
        policy=field.policy.value,
        authority=list(field.authority),
        group=field.group,
        derive=field.derive,
        required=field.required,
        never_clear=field.never_clear,
        mapped=list(_places(config, entity, name)),
        used=[use for use, names in uses.items() if name in names],
    )


def _places(config: Config, entity: str, name: str) -> Iterator[Place]:
    for system, link in config.links_of(entity).items():
        if name in link.map:
            mapped = link.mapped[name]
            yield Place(
                system=system,
                object=link.object,
                native=mapped.field,
                direction=mapped.direction or link.direction,
                values=dict(mapped.values or {}),
            )


def _uses(config: Config, name: str, entity: Entity) -> Iterator[tuple[Use, frozenset[str]]]:
    """What the config makes depend on fields, and on which."""
    types = {field: known.type for field, known in entity.fields.items()}
    values = {field: known.values for field, known in entity.fields.items() if isinstance(known, Enum)}
    for rank, key in enumerate(entity.keys):
        text = "tells whose record it is" if len(key) == 1 else f"tells whose record it is, with {' and '.join(key)}"
        yield Use(place=f"entities.{name}.identify[{rank}]", text=text), frozenset(key)
    if entity.archive is not None:
        text = "is set instead of a delete"
        yield Use(place=f"entities.{name}.archive", text=text), frozenset({entity.archive.field})
    for field, known in entity.fields.items():
        if known.derive:
            names = compile(known.derive, types, values).names
            place, text = f"entities.{name}.fields.{field}.derive", f"{field} is computed from it"
            yield Use(place=place, text=text, expression=known.derive), names
    for system, link in config.links_of(name).items():
        if link.where is not None:
            names = compile(link.where, types, values).names
            place, text = f"links.{system}.{name}.where", f"decides which records {system} gets"
            yield Use(place=place, text=text, expression=link.where), names
