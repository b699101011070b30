"""Catalogue: the kinds of system that a config can name, what each is told, and what it promises.

All of it is taken from what the config is checked with and the reconciler runs on: the struct of the options, and
the capabilities of an adapter that is opened and asks its system nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Capabilities, Context, Moment, ObjectSpec
from datasyncd.adapters.registry import AdapterKind

from .config.docstrings import field_docs
from .config.tables import choices, expected

OBJECT = "records"
CURSOR = 'cursor = "..."'
"""How a link makes pulls incremental."""


class Listed(msgspec.Struct, kw_only=True):
    """One kind of system."""

    name: str
    title: str
    summary: str
    serves: list[str]
    """Rows of the mission."""
    package: str | None
    """Name and version of the package that brings it; None: built in."""
    problem: str | None = None
    """Why it cannot be used, where that is so."""


class Option(msgspec.Struct, kw_only=True):
    """One key of `[systems.NAME]`."""

    name: str
    type: str
    """In words."""
    choices: list[str]
    """All values that it may have, where they are listed."""
    required: bool
    default: Any
    """As in the config; None: nothing."""
    doc: str


class Promise(msgspec.Struct, kw_only=True):
    """One capability."""

    name: str
    value: Any
    doc: str
    changes: dict[str, Any]
    """What the config says -> what the value is then."""


class Sheet(Listed, kw_only=True):
    """All that is known of one kind."""

    options: list[Option]
    capabilities: list[Promise]
    """Empty where they are known only once the system is."""


def catalogue() -> list[Listed]:
    """All kinds, sorted by name."""
    return [_listed(name) for name in registry.names()]


async def sheet(name: str) -> Sheet:
    """One kind. Raises `UnknownAdapter`, `NotBuilt`, and whatever the import of an installed one raises."""
    kind = registry.find(name)
    listed = _of(kind, name)
    return Sheet(
        **{field: getattr(listed, field) for field in Listed.__struct_fields__},
        options=options(kind.options),
        capabilities=await _promises(kind),
    )


def options(struct: type[msgspec.Struct]) -> list[Option]:
    """The options that a struct declares, required ones first."""
    docs = field_docs(struct)
    found = [
        Option(
            name=field.encode_name,
            type=expected(field.type),
            choices=choices(field.type),
            required=field.required,
            default=None if field.required else _default(field),
            doc=docs.get(field.name, ""),
        )
        for field in msgspec.structs.fields(struct)
    ]
    return sorted(found, key=lambda option: not option.required)


def _listed(name: str) -> Listed:
    try:
        return _of(registry.find(name), name)
    except Exception as error:  # of whatever package brings it
        package = registry.package_of(name)
        problem = f"cannot be loaded: {type(error).__name__}: {error}"
        return Listed(name=name, title="", summary="", serves=[], package=package, problem=problem)


def _of(kind: AdapterKind, name: str) -> Listed:
    manifest = kind.manifest
    return Listed(
        name=name,
        title=manifest.title,
        summary=manifest.summary,
        serves=list(manifest.serves),
        package=registry.package_of(name),
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return msgspec.to_builtins(field.default)


def promises(plain: Capabilities, others: Mapping[str, Capabilities]) -> list[Promise]:
    """All capabilities, and what they are where the config says something else."""
    docs = field_docs(Capabilities)
    values, changed = _values(plain), {said: _values(other) for said, other in others.items()}
    return [
        Promise(
            name=name,
            value=value,
            doc=docs.get(name, ""),
            changes={said: other[name] for said, other in changed.items() if other[name] != value},
        )
        for name, value in values.items()
    ]


def _values(capabilities: Capabilities) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(capabilities, name)) for name in Capabilities.__struct_fields__}


async def _promises(kind: AdapterKind) -> list[Promise]:
    """The capabilities with the options as they are, and what each option and a cursor column changes of them."""
    plain = await _capabilities(kind, {}, None)
    if plain is None:
        return []
    others = {f"{name} = true": await _capabilities(kind, {name: True}, None) for name in _switches(kind.options)}
    others[CURSOR] = await _capabilities(kind, {}, "updated_at")
    return promises(plain, {said: other for said, other in others.items() if other is not None})


def _switches(struct: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(struct) if field.type is bool and field.default is False]


def _example(kind: Any) -> Any:
    """A value that an option may have: the first of the examples that its type names, else an empty text."""
    for meta in get_args(kind)[1:]:
        if isinstance(meta, msgspec.Meta) and meta.examples:
            return meta.examples[0]
    return ""


async def _capabilities(kind: AdapterKind, changed: Mapping[str, Any], cursor: str | None) -> Capabilities | None:
    """What a system promises for one object; None where that depends on more than is known without a config."""
    stand_ins = {f.name: _example(f.type) for f in msgspec.structs.fields(kind.options) if f.required}
    spec = ObjectSpec(OBJECT, "id", ("name",), cursor=cursor)
    context = Context(kind.name, Path(), lambda: Moment(0, 0), {OBJECT: spec})
    try:
        adapter = kind.open(context, kind.options(**{**stand_ins, **changed}))
        promised = adapter.capabilities(OBJECT)
        await adapter.aclose()
    except Exception:  # a package's own; the sheet is right without it
        return None
    return promised
