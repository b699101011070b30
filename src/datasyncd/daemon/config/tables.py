"""Tables: raw TOML made into structs, with everything that is wrong reported and not only the first.

msgspec's own `convert` stops at the first error, so tables are taken apart here and only single values are left to
it. A wrong value stands as its default for the checks that follow, and of a required key as what the struct names in
`stand_ins`; the file is refused anyhow.
"""

from __future__ import annotations

import datetime
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

import msgspec

from datasyncd.adapters.errors import OptionError

from .lines import KeyPath
from .problems import Findings, nearest
from .quantities import Duration, Share

Form: TypeAlias = Any
"""A type as written in an annotation: a class, `Annotated`, `Literal`, a union, a generic."""

INVALID: Final = object()
"""Stands for a value that could not be made; a problem says why."""

_QUANTITIES = (Duration, Share)
_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    datetime.date: "a date",
    datetime.datetime: "a date and time",
    datetime.time: "a time",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


class Reader:
    """Reads tables, and reports what is wrong to `findings`.

    Of a table with `secrets`, whose names are given by their places, neither a struct's own words about its values are
    reported nor what a value resembles, but for the words of an `OptionError`, which quote nothing.
    """

    def __init__(self, findings: Findings, secrets: Mapping[KeyPath, str] = {}) -> None:
        self._findings = findings
        self._secrets = secrets
        self._quote = not secrets

    def read(self, form: Form, raw: object, path: KeyPath) -> Any:
        """`raw` as a value of `form`, or `INVALID`."""
        forms = alternatives(form)
        if isinstance(raw, dict):
            if structs := [plain for plain in forms if is_struct(plain)]:
                return self._struct(structs, raw, path)
            for plain in forms:
                if origin_of(plain) is dict:
                    return self._dict(get_args(plain)[1], raw, path)
        if isinstance(raw, list):
            for plain in forms:
                if origin_of(plain) in (list, tuple):
                    return self._list(form, plain, raw, path)
        return self._value(form, raw, path)

    def _struct(self, structs: Sequence[type[msgspec.Struct]], raw: dict[str, Any], path: KeyPath) -> Any:
        tag_field = structs[0].__struct_config__.tag_field
        struct = structs[0] if tag_field is None else self._tagged(tag_field, structs, raw, path)
        if struct is None:
            return INVALID
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        for key in raw:
            if key not in fields and key != tag_field:
                self._unknown(key, struct, structs, path)
        values: dict[str, Any] = dict(getattr(struct, "stand_ins", {}))
        for key, field in fields.items():
            if key in raw:
                value = self.read(field.type, raw[key], (*path, key))
                if value is not INVALID:
                    values[field.name] = value
            elif field.required:
                self._findings.error((*path, key), f"missing; expected {expected(field.type)}")
        if any(field.required and field.name not in values for field in fields.values()):
            return INVALID
        clean = self._findings.clean(path)
        try:
            return struct(**values)
        except OptionError as error:
            if clean:
                place = (*path, error.option)
                secret = self._secrets.get(place)
                text = error.text if secret is None else f'the credential "{secret}" is not right: {error.text}'
                self._findings.error(place if secret is None else (*place, "credential"), text)
            return INVALID
        except (ValueError, TypeError) as error:  # of an adapter's options that do not go together
            if clean:
                self._findings.error(path, str(error) if self._quote else "these options do not go together")
            return INVALID

    def _tagged(
        self, tag_field: str, structs: Sequence[type[msgspec.Struct]], raw: dict[str, Any], path: KeyPath
    ) -> type[msgspec.Struct] | None:
        """The struct that the table says it is."""
        by_tag = {str(struct.__struct_config__.tag): struct for struct in structs}
        choice = f"expected one of {', '.join(sorted(by_tag))}"
        tag = raw.get(tag_field)
        if tag_field not in raw:
            self._findings.error((*path, tag_field), f"missing; {choice}")
        elif not isinstance(tag, str):
            self._findings.error((*path, tag_field), f"{choice}; found {found(tag)}")
        elif tag not in by_tag:
            self._findings.error(
                (*path, tag_field), f"unknown {tag_field}; {choice}", nearest(tag, by_tag) if self._quote else None
            )
        else:
            return by_tag[tag]
        return None

    def _unknown(
        self, key: str, struct: type[msgspec.Struct], structs: Sequence[type[msgspec.Struct]], path: KeyPath
    ) -> None:
        not_built: tuple[str, ...] = getattr(struct, "not_built", ())
        others = [other for other in structs if key in (f.encode_name for f in msgspec.structs.fields(other))]
        if key in not_built:
            text, near = "not built yet in this version", None
        elif others:
            tags = sorted(str(other.__struct_config__.tag) for other in others)
            text, near = f"belongs to fields of type {' or '.join(tags)}", None
        else:
            known = [field.encode_name for field in msgspec.structs.fields(struct)]
            text, near = "unknown key", nearest(key, [*known, *not_built])
        self._findings.error((*path, key), text, near)

    def _dict(self, form: Form, raw: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        """What could be read of a table whose keys are names."""
        values = {key: self.read(form, value, (*path, key)) for key, value in raw.items()}
        return {key: value for key, value in values.items() if value is not INVALID}

    def _list(self, form: Form, plain: Form, raw: list[Any], path: KeyPath) -> Any:
        least = max((meta.min_length or 0 for meta in metas(form)), default=0)
        if len(raw) < least:
            self._findings.error(path, f"expected {expected(form)}; found an empty list")
            return INVALID
        items = [self.read(get_args(plain)[0], item, (*path, place)) for place, item in enumerate(raw)]
        if any(item is INVALID for item in items):
            return INVALID
        return tuple(items) if origin_of(plain) is tuple else items

    def _value(self, form: Form, raw: object, path: KeyPath) -> Any:
        try:
            return msgspec.convert(raw, form, dec_hook=_quantity)
        except (ValueError, TypeError, OverflowError):
            if not self._findings.clean(path):  # a credential that was not found
                return INVALID
            near = nearest(raw, choices(form)) if isinstance(raw, str) and self._quote else None
            same = found(raw) in {kind(plain) for plain in alternatives(form)}
            self._findings.error(path, f"expected {expected(form)}" + ("" if same else f"; found {found(raw)}"), near)
            return INVALID


def _quantity(form: type, raw: object) -> Any:
    if form in _QUANTITIES and isinstance(raw, str):
        return form.parse(raw)
    raise ValueError(form.__name__)


def origin_of(form: Form) -> Any:
    return get_origin(form)


def is_struct(form: Form) -> bool:
    return isinstance(form, type) and issubclass(form, msgspec.Struct)


def alternatives(form: Form) -> list[Form]:
    """The types that a value of `form` may have; None is none of them, since TOML has no null."""
    origin = origin_of(form)
    if origin is Annotated:
        return alternatives(get_args(form)[0])
    if origin in (Union, types.UnionType):
        return [plain for member in get_args(form) for plain in alternatives(member)]
    return [] if form is type(None) else [form]


def metas(form: Form) -> list[msgspec.Meta]:
    """The constraints on a type."""
    return [meta for meta in getattr(form, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]


def choices(form: Form) -> list[str]:
    """The texts that a value of `form` may be, where they are listed."""
    listed: list[str] = []
    for plain in alternatives(form):
        if origin_of(plain) is Literal:
            listed += [choice for choice in get_args(plain) if isinstance(choice, str)]
        elif isinstance(plain, type) and issubclass(plain, enum.StrEnum):
            listed += [member.value for member in plain]
    return listed


def expected(form: Form) -> str:
    """What `form` asks for, in words."""
    if described := [meta.description for meta in metas(form) if meta.description]:
        return described[0]
    if origin_of(form) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(expected(member) for member in get_args(form) if member is not type(None)))
    if listed := choices(form):
        return "one of " + ", ".join(f'"{choice}"' for choice in listed)
    if form in _QUANTITIES:
        return cast(str, form.expected)
    return expected(get_args(form)[0]) if origin_of(form) is Annotated else kind(form)


def kind(plain: Form) -> str:
    """What kind of TOML value `plain` is made of, in words."""
    if plain in _QUANTITIES or choices(plain):
        return _WORDS[str]
    origin = origin_of(plain)
    return _WORDS[dict] if is_struct(plain) else _WORDS.get(plain if origin is None else origin, "another type")


def found(raw: object) -> str:
    """What kind of TOML value it is, in words; never the value."""
    return _WORDS.get(type(raw), "another type")
