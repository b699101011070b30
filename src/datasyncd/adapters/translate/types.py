"""Types: for each type of field the way in, and the way out for each kind of column."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from datasyncd.adapters.contract import Column, Native
from datasyncd.reconcile.rules import Value

from .choices import choice_form, choice_reader, spoken, spoken_text_form, spoken_text_reader
from .dates import date_form, date_reader, datetime_form, datetime_reader
from .email import email_reader
from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable, Writer
from .numbers import decimal_form, decimal_reader, integer_form, integer_reader
from .phone import phone_reader
from .sets import set_form, set_reader
from .text import text_form, text_reader, url_reader


class FieldType(msgspec.Struct, frozen=True):
    """One type: how it is read from anything, how it is written, and what can be read but not written."""

    reader: Callable[[FieldTypeOptions], Reader]
    form: Callable[[FieldTypeOptions, Kind], Form | None]
    only_read: frozenset[Kind] = frozenset()


TYPES: dict[str, FieldType] = {
    "text": FieldType(text_reader, text_form, only_read=frozenset({"float"})),
    "email": FieldType(email_reader, text_form),
    "phone": FieldType(phone_reader, text_form, only_read=frozenset({"integer"})),
    "integer": FieldType(integer_reader, integer_form),
    "decimal": FieldType(decimal_reader, decimal_form),
    "boolean": FieldType(choice_reader, choice_form),
    "date": FieldType(date_reader, date_form),
    "datetime": FieldType(datetime_reader, datetime_form, only_read=frozenset({"integer", "float"})),
    "enum": FieldType(choice_reader, choice_form),
    "set": FieldType(set_reader, set_form),
    "consent": FieldType(choice_reader, choice_form),
    "url": FieldType(url_reader, text_form),
}
_SPOKEN_TEXT = FieldType(spoken_text_reader, spoken_text_form)
_WITH_VOCABULARY = frozenset({"text", "enum", "boolean", "consent"})


def field_type(options: FieldTypeOptions) -> FieldType:
    """The type that `options` name. Raises `Unusable`."""
    found = TYPES.get(options.name)
    if found is None:
        raise Unusable(f"a field type expected: {', '.join(TYPES)}")
    if not options.native_values:
        return found
    if options.name not in _WITH_VOCABULARY:
        raise Unusable(f"`values` of a map is for {', '.join(sorted(_WITH_VOCABULARY))}")
    return _SPOKEN_TEXT if options.name == "text" else found


def reader(options: FieldTypeOptions) -> Reader:
    """The way in. Raises `Unusable`."""
    return field_type(options).reader(options)


def form(options: FieldTypeOptions, column: Column, *, text_only: bool) -> Form:
    """The way out, blanks included. Raises `Unusable` where the column cannot hold the type."""
    kind: Kind = "text" if text_only else column.kind
    found = field_type(options).form(options, kind)
    if found is None:
        raise Unusable(f"a column of kind {kind} cannot hold the type {options.name}")
    write = found.write if column.max_length is None else _within(column.max_length, found.write)
    try:
        write = _with_blank(_blank(options, found, column, text_only), write)
    except Invalid as refusal:
        write = _without_blank(refusal.reason, write)
    return Form(write, found.identity, found.limit)


def readable(options: FieldTypeOptions, kind: Kind) -> bool:
    """Whether a column that cannot hold the type can be read as one all the same."""
    return kind in field_type(options).only_read


def _within(limit: int, write: Writer) -> Writer:
    def bounded(value: Value) -> Native:
        native = write(value)
        if native.__class__ is str and len(native) > limit:
            raise Invalid(f"at most {limit} characters expected by the column")
        return native

    return bounded


def _with_blank(blank: Native, write: Writer) -> Writer:
    # An empty array is made anew: whoever receives it may fill it.
    empty = blank.__class__ is list

    def writing(value: Value) -> Native:
        if value is None:
            return [] if empty else blank
        return write(value)

    return writing


def _without_blank(reason: str, write: Writer) -> Writer:
    def refusing(value: Value) -> Native:
        if value is None:
            raise Invalid(reason)
        return write(value)

    return refusing


def _blank(options: FieldTypeOptions, found: Form, column: Column, text_only: bool) -> Native:
    """What stands for a blank in this column; raises `Invalid` where nothing does."""
    if options.name in _WITH_VOCABULARY:
        vocabulary = spoken(options)
        if None in vocabulary.words:
            return found.write(None)
        if vocabulary.exact[None] is not None:
            raise Invalid("a value expected: `values` gives the blank another meaning")
    if text_only:
        return ""
    if column.nullable:
        return None
    if options.name == "set" and column.kind in ("list", "json"):
        return []
    match column.kind:
        case "text" | "json" | "any":
            return ""
        case "bytes":
            return b""
    raise Invalid("a value expected: the column takes no blank")
