"""Propose: which columns of two stores are the same field, and of what type, as far as names and values tell.

A type is proposed only where nearly all values of the sample can be read as one, and each side can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.registry import find
from datasyncd.adapters.translate import FieldTypeOptions, Invalid, Unusable
from datasyncd.adapters.translate.field_type import Form, Reader
from datasyncd.adapters.translate.types import form, reader

from .survey import Store
from .words import IDENTIFYING, KNOWN, Meaning, identifier, is_id, meaning_of, plain_of, says_when, yes_and_no

NEARLY_ALL = 0.95
ALIKE = 0.82
"""From here on two names are taken for one (difflib's ratio)."""
_TYPED = ("decimal", "datetime", "date")
"""Types of columns whose values are texts, and not any, in the order in which they are tried."""
_WORDS = 4
"""Most different words of a column of consents."""


class Field(msgspec.Struct, frozen=True):
    """One field of the proposal."""

    name: str
    type: str
    columns: Mapping[str, str]
    """Native name by system."""
    values: Mapping[str, Mapping[str, bool]] = {}
    """By system its words for yes and no, where they are not understood by themselves."""
    lossy: frozenset[str] = frozenset()
    """Systems that keep not all of its digits."""
    region: str | None = None
    channel: str | None = None


class Proposal(msgspec.Struct, frozen=True):
    """What two stores have in common."""

    stores: Mapping[str, Store]
    """By the name of the system."""
    keys: Mapping[str, str]
    edited_at: Mapping[str, str]
    fields: Sequence[Field]
    entity: str
    identify: Sequence[str]
    """Fields by which one can tell who is who; empty: there is none."""
    wants_region: bool
    """Phone numbers stand there without a country."""


def propose(first: Store, second: Store, region: str | None = None) -> Proposal:
    """`region`: the country of phone numbers that are written without one."""
    names = _names(first, second)
    stores = dict(zip(names, (first, second), strict=True))
    keys = {name: store.keys[0] for name, store in stores.items()}
    pairs = _pairs(*(_columns(store, keys[name]) for name, store in stores.items()))
    fields, wants_region = [], False
    for meaning, columns in pairs:
        field = _field(meaning, dict(zip(names, columns, strict=True)), stores, region)
        if field is not None:
            wants_region = wants_region or (meaning.type == "phone" and field.type != "phone")
            fields.append(field)
    types = {field.name: field.type for field in fields}
    return Proposal(
        stores=stores,
        keys=keys,
        edited_at={name: column for name, store in stores.items() for column in store.columns if says_when(column)},
        fields=fields,
        entity=identifier(first.object.rpartition(".")[2].strip('"').removesuffix("s")) or "contact",
        identify=[name for name in IDENTIFYING if types.get(name) == KNOWN[name][0]],
        wants_region=wants_region,
    )


def _names(first: Store, second: Store) -> tuple[str, str]:
    one, other = (identifier(store.name) for store in (first, second))
    return (one, other) if one != other else (one, f"{other}_2")


def _columns(store: Store, key: str) -> dict[str, Meaning]:
    """What the columns hold; a key that says no more than which record it is holds nothing."""
    found = {}
    for column in store.columns:
        meaning = meaning_of(column)
        if meaning is not None and not (column == key and is_id(column) and meaning.type is None):
            found[column] = meaning
    return found


def _pairs(first: Mapping[str, Meaning], second: Mapping[str, Meaning]) -> list[tuple[Meaning, tuple[str, str]]]:
    """Columns that hold the same, each once: those of one meaning, then those with names that are much alike."""
    by_field = {meaning.field: column for column, meaning in reversed(list(second.items()))}
    found: dict[str, str] = {}
    for column, meaning in first.items():
        other = by_field.get(meaning.field)
        if other is not None and other not in found.values():
            found[column] = other
    by_name = {plain_of(c): c for c, m in second.items() if c not in found.values() and m.type is None}
    for column, meaning in first.items():
        if column not in found and meaning.type is None:
            near = get_close_matches(plain_of(column), by_name, n=1, cutoff=ALIKE)
            if near:
                found[column] = by_name.pop(near[0])
    return [(first[column], (column, found[column])) for column in first if column in found]


def _field(
    meaning: Meaning, columns: Mapping[str, str], stores: Mapping[str, Store], region: str | None
) -> Field | None:
    """The field with the first type that suits both sides; None where none does."""
    if meaning.type == "consent":
        values = {name: _consent_words(stores[name], column) for name, column in columns.items()}
        options = {name: FieldTypeOptions(name="consent", native_values=dict(words)) for name, words in values.items()}
        if _suits(options, columns, stores):
            words = {name: each for name, each in values.items() if each}
            return Field(meaning.field, "consent", columns, words, channel=meaning.channel)
    for type_ in _types(meaning, columns, stores):
        for country in (None, region) if type_ == "phone" and region else (None,):
            option = FieldTypeOptions(name=type_, region=country)
            if _suits(dict.fromkeys(columns, option), columns, stores):
                lossy = frozenset(name for name, column in columns.items() if _form(option, column, stores[name]).loss)
                return Field(meaning.field, type_, columns, lossy=lossy, region=country)
    return None


def _types(meaning: Meaning, columns: Mapping[str, str], stores: Mapping[str, Store]) -> list[str]:
    """Types to try, the likeliest first."""
    if meaning.type is not None and meaning.type != "consent":
        return [meaning.type, "text"]
    kinds = {stores[name].columns[column].kind for name, column in columns.items()}
    wanted = {"integer": "integer", "float": "decimal", "boolean": "boolean"}
    typed = _TYPED if any(_is_typed(column, stores[name]) for name, column in columns.items()) else ()
    return [*(wanted[kind] for kind in sorted(kinds & wanted.keys())), *typed, "text"]


def _is_typed(column: str, store: Store) -> bool:
    """Whether a column holds texts, and not any: numbers, dates."""
    try:
        found = _form(FieldTypeOptions(name="text"), column, store)
        return store.columns[column].kind == "text" and not _can(found.write, "a b")
    except Unusable:
        return False


def _form(option: FieldTypeOptions, column: str, store: Store) -> Form:
    return form(option, store.columns[column], text_only=find(store.adapter).text_only)


def _suits(options: Mapping[str, FieldTypeOptions], columns: Mapping[str, str], stores: Mapping[str, Store]) -> bool:
    for name, column in columns.items():
        store, option = stores[name], options[name]
        try:
            if not _form(option, column, store).is_told:
                return False
            read = reader(option)
        except Unusable:
            return False
        values = store.values(column)
        readable = sum(_can(read, value) for value in values)
        if readable < NEARLY_ALL * len(values):
            return False
    return True


def _can(step: Reader, value: Native) -> bool:
    try:
        step(value)
    except Invalid:
        return False
    return True


def _consent_words(store: Store, column: str) -> Mapping[str, bool]:
    """The words of a column of consents; empty where they are understood by themselves, or are none."""
    values = store.values(column)
    read = reader(FieldTypeOptions(name="consent"))
    if all(_can(read, value) for value in values):
        return {}
    words = {str(value) for value in values}
    return (yes_and_no(words) or {}) if len(words) <= _WORDS else {}
