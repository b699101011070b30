"""Schema: the grammar of the config file as a JSON Schema, so that editors complete and check it.

It is made of the structs that the file is read with, their docstrings, and the options of the adapters that are
there. Draft 7 is what editors of TOML know. It says what each table and value looks like, and a few of the ways in
which keys go together; names that lead nowhere and what a system has are for `check` to find.
"""

from __future__ import annotations

import datetime
import enum
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args

import msgspec

from datasyncd.reconcile.rules import OnDelete, Policy

from .docstrings import field_docs, summary
from .entities import NAME
from .fields import Field
from .grammar import Daemon, Document, Entity, Link
from .load import LISTEN
from .quantities import DURATION, SHARE, Duration, Share
from .systems import FindAdapter
from .tables import Form, is_struct, metas, origin_of

Schema: TypeAlias = dict[str, Any]

CREDENTIAL: Schema = {
    "type": "object",
    "description": "A secret by its name: from $CREDENTIALS_DIRECTORY, the environment or the secrets file.",
    "properties": {"credential": {"description": "Its name.", "type": "string", "minLength": 1}},
    "required": ["credential"],
    "additionalProperties": False,
}

_SIMPLE: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Duration: {"type": "string", "pattern": f"^{DURATION.pattern}$", "description": f"{Duration.expected}."},
    Share: {"type": "string", "pattern": f"^(off|{SHARE.pattern})$", "description": f"{Share.expected}."},
}
_LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum", "pattern": "pattern"}


def schema(adapters: Iterable[str], find: FindAdapter) -> Schema:
    """The whole file, with the options of each of these adapters; one that cannot be loaded may have any."""
    walk = _Walk()
    document = walk.struct(Document)
    properties = document["properties"]
    properties["systems"]["additionalProperties"] = _system(adapters, find)
    for table in ("systems", "entities", "links"):
        properties[table].update(propertyNames={"pattern": f"^{NAME.pattern}$"}, minProperties=1)
    document["anyOf"] = [{"required": ["systems", "entities", "links"]}, {"required": ["include"]}]
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "The config file of datasyncd", **document}


def _system(adapters: Iterable[str], find: FindAdapter) -> Schema:
    by_name = {name: _options(name, find) for name in adapters}
    adapter = {"description": "The kind of system: what `datasyncd adapters` lists.", "enum": sorted(by_name)}
    return _chosen("adapter", adapter, by_name)


def _options(name: str, find: FindAdapter) -> Schema:
    try:
        return _Walk(credentials=True).struct(find(name).options)
    except Exception:  # of whatever package brings the adapter; `check` says it
        return {}


def _chosen(key: str, choice: Schema, by_value: Mapping[str, Schema]) -> Schema:
    """An object of which one key says what else it has."""
    cases = []
    for value, schema in sorted(by_value.items()):
        case = {**schema, "properties": {key: True, **schema["properties"]}} if schema else {}
        cases.append({"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": case})
    return {"type": "object", "properties": {key: choice}, "required": [key], "allOf": cases}


class _Walk:
    """From types to schemas."""

    def __init__(self, credentials: bool = False) -> None:
        self._credentials = credentials
        """A text may be `{ credential = "name" }`."""

    def struct(self, struct: type[msgspec.Struct]) -> Schema:
        docs = field_docs(struct)
        properties: dict[str, Schema] = {}
        required = []
        for field in msgspec.structs.fields(struct):
            found = self.form(field.type)
            if (text := docs.get(field.name)) is not None:
                found["description"] = text
            if field.required:
                required.append(field.encode_name)
            elif (default := _default(field)) is not None:
                found["default"] = default
            properties[field.encode_name] = found
        schema: Schema = {
            "type": "object",
            "description": summary(struct),
            "properties": properties,
            "additionalProperties": False,
        }
        if required:
            schema["required"] = required
        return {**schema, **_together(struct, properties)}

    def form(self, form: Form) -> Schema:
        """A type as written in an annotation."""
        if origin_of(form) is Annotated:
            found = self.form(get_args(form)[0])
            for meta in metas(form):
                _limit(found.get("anyOf", [found])[0], meta)
                if meta.description is not None:
                    found["description"] = f"{meta.description}."
            return found
        if origin_of(form) in (Union, types.UnionType):
            members = [member for member in get_args(form) if member is not type(None)]
            if is_struct(members[0]) and members[0].__struct_config__.tag_field:
                return self._tagged(members)
            found = self.form(members[0])
            return found if len(members) == 1 else {"anyOf": [found, *(self.form(member) for member in members[1:])]}
        return self._plain(form)

    def _tagged(self, structs: list[type[msgspec.Struct]]) -> Schema:
        key = structs[0].__struct_config__.tag_field
        assert key is not None
        by_tag = {str(struct.__struct_config__.tag): self.struct(struct) for struct in structs}
        return _chosen(key, {"description": "What kind of value it is.", "enum": sorted(by_tag)}, by_tag)

    def _plain(self, form: Form) -> Schema:
        origin, args = origin_of(form), get_args(form)
        if origin is Literal:
            return {"enum": list(args)}
        if origin in (list, tuple, set, frozenset):
            return {"type": "array", "items": self.form(args[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.form(args[1])}
        if is_struct(form):
            return self.struct(form)
        if isinstance(form, type) and issubclass(form, enum.StrEnum):
            return {"enum": [member.value for member in form]}
        if form is str and self._credentials:
            return {"anyOf": [dict(_SIMPLE[str]), CREDENTIAL]}
        if form in (datetime.date, datetime.datetime, datetime.time):
            return {}  # TOML has dates, JSON has none
        return dict(_SIMPLE.get(form, {}))


def _limit(schema: Schema, meta: msgspec.Meta) -> None:
    """Write the limits of a type into its schema."""
    for name, word in _LIMITS.items():
        if (value := getattr(meta, name)) is not None:
            schema[word] = value
    least, most = ("minItems", "maxItems") if schema.get("type") == "array" else ("minLength", "maxLength")
    if meta.min_length is not None:
        schema[least] = meta.min_length
    if meta.max_length is not None:
        schema[most] = meta.max_length


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """The default as the file would say it; None where there is none, or it is a table."""
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, Share | Duration):
        return default.text
    if default is msgspec.NODEFAULT or isinstance(default, msgspec.Struct | dict):
        return None
    return msgspec.json.decode(msgspec.json.encode(default))


def _together(struct: type[msgspec.Struct], properties: Mapping[str, Schema]) -> Schema:
    """How keys of one table go together."""
    if issubclass(struct, Field):
        suits = [policy.value for policy in struct.policies]
        properties["policy"]["enum"] = suits
        return _goes_with("policy", Policy.AUTHORITY, "authority")
    if struct is Entity:
        return _goes_with("on_delete", OnDelete.ARCHIVE, "archive")
    if struct is Daemon:
        properties["listen"]["pattern"] = f"^({LISTEN.pattern})?$"
    if struct is Link:
        properties["map"]["minProperties"] = 1
        return {"not": {"required": ["every", "cron"]}}
    return {}


def _goes_with(key: str, value: str, other: str) -> Schema:
    """`other` is there exactly if `key` has this value."""
    return {
        "if": {"properties": {key: {"const": str(value)}}, "required": [key]},
        "then": {"required": [other]},
        "else": {"not": {"required": [other]}},
    }
