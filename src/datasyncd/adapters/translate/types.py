"""Types: for each type of field the way in, and the way out for each kind of column."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from datasyncd.adapters.contract import Column, Native
from datasyncd.reconcile.rules import CONSENT_OUT, Value

from .choices import (
    choice_form,
    choice_reader,
    spoken,
    spoken_form,
    spoken_reader,
    spoken_text_form,
    spoken_text_reader,
    words_for,
)
from .country import country_form, country_reader
from .dates import date_form, date_reader, datetime_form, datetime_reader
from .document import document_form, document_reader
from .email import email_reader
from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable, Writer
from .kept import kept
from .language import language_form, language_reader
from .limits import must_be_written, unwritten_of
from .money import money_form, money_reader
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
    "money": FieldType(money_reader, money_form),
    "country": FieldType(country_reader, country_form),
    "language": FieldType(language_reader, language_form),
    "json": FieldType(document_reader, document_form, only_read=frozenset({"list"})),
}
_DECODED = frozenset({"json", "set"})
"""Types that a JSON value is one of by its own type."""
_CODES = frozenset({"country", "language"})
_CHOICES = frozenset({"enum", "boolean", "consent"})
_WITH_VOCABULARY = frozenset({"text", *_CHOICES, *_CODES})


def field_type(options: FieldTypeOptions) -> FieldType:
    """The type that `options` name. Raises `Unusable`."""
    found = TYPES.get(options.name)
    if found is None:
        raise Unusable(f"a field type expected: {', '.join(TYPES)}")
    if not options.native_values:
        return found
    if options.name not in _WITH_VOCABULARY:
        raise Unusable(f"`values` of a map is for {', '.join(sorted(_WITH_VOCABULARY))}")
    if options.name in _CHOICES:
        return found
    return FieldType(spoken_text_reader, spoken_text_form) if options.name == "text" else _spoken(found)


def _spoken(plain: FieldType) -> FieldType:
    """The type with words for some of its values."""

    def form(options: FieldTypeOptions, kind: Kind) -> Form | None:
        found = plain.form(options, kind)
        return None if found is None else spoken_form(options, plain.reader(options), found, kind)

    return FieldType(lambda options: spoken_reader(options, plain.reader(options)), form, plain.only_read)


def reader(options: FieldTypeOptions, kind: Kind | None = None) -> Reader:
    """The way in, of a column of this kind. Raises `Unusable`."""
    if kind == "json" and options.name in _DECODED:
        options = msgspec.structs.replace(options, decoded=True)
    return field_type(options).reader(options)


def form(options: FieldTypeOptions, column: Column, *, text_only: bool) -> Form:
    """The way out, blanks included. Raises `Unusable` where the column cannot hold the type."""
    kind: Kind = "text" if text_only else column.kind
    found = field_type(options).form(options, kind)
    if found is None:
        raise Unusable(f"a column of kind {kind} cannot hold the type {options.name}")
    holding = kept(options, column, kind, found, reader(options, None if text_only else kind))
    if options.name == "consent":
        must_be_written(holding.write, CONSENT_OUT)
    try:
        write = _with_blank(_blank(options, holding, column, text_only), holding.write)
    except Invalid as refusal:
        write = _without_blank(refusal.reason, holding.write)
    limits = "; ".join(filter(None, (holding.limit, unwritten_of(options, column, found.write, write))))
    return msgspec.structs.replace(holding, write=write, limit=limits or None)


def readable(options: FieldTypeOptions, kind: Kind) -> bool:
    """Whether a column that cannot hold the type can be read as one all the same."""
    return kind in field_type(options).only_read


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
        coded = options.name in _CODES
        vocabulary = words_for(options, TYPES[options.name].reader(options)) if coded else spoken(options)
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
        case "json" if options.name == "json":
            pass  # a text is a value of its own there
        case "text" | "json" | "any" if column.takes_empty:
            return ""
        case "bytes":
            return b""
    raise Invalid("a value expected: the column takes no blank")
