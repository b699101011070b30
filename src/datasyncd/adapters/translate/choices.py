"""Choices: consent, boolean and enum, which have few values, and what else a vocabulary stands for.

Consent is "in", "out", or None, which is unknown and never "in". Once the config gives a vocabulary for a
consent or a boolean, nothing else is understood: of a column that is 1 for "opted out", no guess may remain.
For an enum, a text, a country and a language, what the vocabulary leaves out stands for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import CONSENT_IN, CONSENT_OUT, Value

from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable
from .text import text_form, text_reader
from .vocabulary import Vocabulary, native_forms, vocabulary

_CONSENT_WORDS = {
    "true": CONSENT_IN,
    "false": CONSENT_OUT,
    "1": CONSENT_IN,
    "0": CONSENT_OUT,
    "yes": CONSENT_IN,
    "no": CONSENT_OUT,
    "in": CONSENT_IN,
    "out": CONSENT_OUT,
}
_BOOLEAN_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}

_CONSENT_MEANINGS: Mapping[bool | int | str, Value] = {
    True: CONSENT_IN,
    False: CONSENT_OUT,
    CONSENT_IN: CONSENT_IN,
    CONSENT_OUT: CONSENT_OUT,
    "unknown": None,
    "": None,
}


def spoken(options: FieldTypeOptions) -> Vocabulary:
    """What the field's words mean. Raises `Unusable`."""
    match options.name:
        case "consent":
            return vocabulary(options.native_values or _CONSENT_WORDS, _consent)
        case "boolean":
            return vocabulary(options.native_values or _BOOLEAN_WORDS, _truth)
        case "enum":
            return _enum_vocabulary(options)
    return vocabulary(options.native_values, _any_text)


def _enum_vocabulary(options: FieldTypeOptions) -> Vocabulary:
    if not options.values:
        raise Unusable("an enum needs `values`, the list of its values")
    allowed = frozenset(options.values)

    def meaning(canonical: bool | int | str) -> Value:
        value = _any_text(canonical)
        if value is not None and value not in allowed:
            raise Unusable("`values` of the map may only mean values of the enum")
        return value

    own = {value: value for value in options.values if value not in options.native_values}
    return vocabulary({**options.native_values, **own}, meaning)


def _consent(canonical: bool | int | str) -> Value:
    if canonical in _CONSENT_MEANINGS:
        return _CONSENT_MEANINGS[canonical]
    raise Unusable("`values` of a consent may only mean true, false, in, out or unknown")


def _truth(canonical: bool | int | str) -> Value:
    if canonical == "":
        return None
    if isinstance(canonical, bool):
        return canonical
    raise Unusable("`values` of a boolean may only mean true or false")


def _any_text(canonical: bool | int | str) -> Value:
    if isinstance(canonical, bool):
        return "true" if canonical else "false"
    return str(canonical) or None


def choice_reader(options: FieldTypeOptions) -> Reader:
    """Reads a consent, a boolean or an enum."""
    words = spoken(options)
    exact, refusal = words.exact, words.expected

    def read(raw: Native) -> Value:
        try:
            return exact[raw]
        except (KeyError, TypeError):
            pass
        try:
            return words.understand(raw)
        except KeyError:
            raise Invalid(refusal) from None

    return read


def choice_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    """Writes a consent, a boolean or an enum; a blank too, where the vocabulary has a word for it."""
    forms = native_forms(spoken(options).words, kind)
    if options.name == "consent":
        values: tuple[Value, ...] = (CONSENT_IN, CONSENT_OUT)
    else:
        values = options.values if options.name == "enum" else (True, False)
    missing = [value for value in values if value not in forms]
    if len(missing) == len(values):
        return None
    if options.name == "consent" and CONSENT_OUT in missing:
        raise Unusable("`values` has no form of an opt-out that the column can hold")

    def write(value: Any) -> Native:
        try:
            return forms[value]
        except (KeyError, TypeError):
            raise Invalid("a value that the system has a form for expected") from None

    return Form(write, limit=f"{len(missing)} of {len(values)} values have no form there" if missing else None)


def spoken_reader(options: FieldTypeOptions, plain: Reader) -> Reader:
    """Reads what some native words stand for, and all else as `plain` does."""
    words = words_for(options, plain)
    exact = words.exact

    def read(raw: Native) -> Value:
        try:
            return exact[raw]
        except (KeyError, TypeError):
            pass
        try:
            return words.understand(raw)
        except KeyError:
            return plain(raw)

    return read


def spoken_form(options: FieldTypeOptions, plain: Reader, form: Form, kind: Kind) -> Form:
    """Writes the words, and all else as `form` does."""
    words = words_for(options, plain)
    forms = native_forms(words.words, kind)
    read = spoken_reader(options, plain)

    def write(value: Any) -> Native:
        if (value is None or value.__class__ is str) and value in forms:
            return forms[value]
        native = form.write(value)
        if read(native) != value:
            raise Invalid("a value that `values` gives no other meaning expected")
        return native

    return Form(write, form.identity, form.limit)


def words_for(options: FieldTypeOptions, plain: Reader) -> Vocabulary:
    """What the words mean of a type that `plain` reads. Raises `Unusable`."""

    def meaning(canonical: bool | int | str) -> Value:
        if canonical == "":
            return None
        try:
            value = plain(canonical)
        except Invalid as refusal:
            raise Unusable(f"`values` of the map: {refusal.reason}") from None
        return value

    return vocabulary(options.native_values, meaning)


def spoken_text_reader(options: FieldTypeOptions) -> Reader:
    """Reads a text of which some native forms stand for another."""
    exact = spoken(options).exact
    read_text = text_reader(options)

    def read(raw: Native) -> Value:
        if raw.__class__ is bytes:
            raw = read_text(raw)
        try:
            return exact[raw]
        except (KeyError, TypeError):
            return read_text(raw)

    return read


def spoken_text_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    plain = text_form(options, kind)
    if plain is None:
        return None
    words = spoken(options)
    forms = native_forms(words.words, kind)
    write_text = plain.write

    def write(value: Any) -> Native:
        if value is not None and value.__class__ is not str:
            raise Invalid("text expected")
        if value in forms:
            return forms[value]
        if value in words.words or value in words.exact:
            raise Invalid("a text that `values` gives no other meaning expected")
        return write_text(value)

    return Form(write, limit=plain.limit)
