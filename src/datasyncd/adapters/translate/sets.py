"""Sets of texts: each element once, without blanks around it, sorted by code point. The empty set is blank.

A system with arrays holds an array; elsewhere a set is one text with a separator, or a JSON array in a text. Where JSON
says which type a value has, a set is an array of texts: anything else in its place is a mistake, and no set of one or
fewer elements that would replace the one that was meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import (
    LARGEST_SET,
    LONGEST_VALUE,
    FieldTypeOptions,
    Form,
    Invalid,
    Kind,
    Reader,
    Unusable,
    longest,
    too_long,
)
from .text import text_of, well_formed

DEFAULT_SEPARATOR = ";"
JSON_ARRAY = "json"
"""The separator that means: a JSON array in a text."""

_ARRAY = "a JSON array of texts expected"


def set_reader(options: FieldTypeOptions) -> Reader:
    separator = _separator(options)
    limit = longest(options)
    if options.decoded:
        return _json_reader(options.separator, limit)

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        if raw.__class__ is not list:
            if isinstance(raw, dict):
                raise Invalid("a list of texts expected, not an object")
            raw = raw if isinstance(raw, list | tuple | set | frozenset) else _split(raw, separator)
        return _elements(raw, limit)

    return read


def _json_reader(separator: str | None, limit: int) -> Reader:
    """The way in from JSON values: arrays, and texts where a separator says how they are cut."""

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        if separator is not None and isinstance(raw, str):
            return _elements(_split(raw, separator), limit)
        return _elements(_texts(raw), limit)

    return read


def _texts(raw: Any) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(element, str) for element in raw):
        raise Invalid(_ARRAY)
    return raw


def _separator(options: FieldTypeOptions) -> str:
    separator = DEFAULT_SEPARATOR if options.separator is None else options.separator
    if not separator:
        raise Unusable("`separator` must be a text of at least one character, or json")
    return separator


def _split(raw: Native, separator: str) -> list[Any]:
    text = text_of(raw, "a list of texts")
    if len(text) > 4 * LONGEST_VALUE:
        raise too_long(LONGEST_VALUE)
    if separator != JSON_ARRAY:
        return text.split(separator)
    if not text or text.isspace():
        return []
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Invalid(_ARRAY) from None


def _elements(raw: Iterable[Any], limit: int) -> Value:
    found: set[str] = set()
    total = 0
    for element in raw:
        if element.__class__ is not str:
            if element is None:
                continue
            element = text_of(element, "a list of texts")
        element = element.strip()
        if not element or element in found:
            continue
        total += len(element)
        if len(element) > limit:
            raise too_long(limit)
        if len(found) == LARGEST_SET:
            raise Invalid(f"at most {LARGEST_SET} elements expected")
        if total > LONGEST_VALUE:
            raise too_long(LONGEST_VALUE)
        found.add(element if element.isascii() else well_formed(element))
    return sorted(found) or None


def set_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    separator = _separator(options)
    if kind == "list" or (kind == "json" and options.separator is None):
        return Form(_as_list)
    if kind not in ("text", "bytes", "json", "any"):
        return None
    if separator == JSON_ARRAY:
        return Form(_encoded(_as_json, kind))

    def join(value: Any) -> str:
        elements = _as_list(value)
        if any(separator in element for element in elements):
            raise Invalid("elements that do not contain the separator expected")
        return separator.join(elements)

    return Form(_encoded(join, kind), limit="elements that contain the separator do not fit")


def _encoded(write: Any, kind: Kind) -> Any:
    return (lambda value: write(value).encode()) if kind == "bytes" else write


def _as_list(value: Any) -> list[str]:
    if value.__class__ is not list or not all(element.__class__ is str for element in value):
        raise Invalid("a list of texts expected")
    return list(value)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(_as_list(value)).decode()
