"""Country: the two letters of ISO 3166-1, in upper case.

A system may hold the two letters, the three, or a name in some language; either code is understood everywhere. Kosovo,
which the standard has no code for, is XK and XKX, as most systems have it; UK is read as GB.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable
from .text import text_form, text_of

ALPHA_2, ALPHA_3, NAME = "alpha-2", "alpha-3", "name"
FORMS = (ALPHA_2, ALPHA_3, NAME)
DEFAULT_LOCALE = "en"

# What the table of codes has beside those of the standard: reserved, withdrawn, and for private use.
_NOT_ASSIGNED = frozenset({"AA", "AC", "CP", "CQ", "DG", "EU", "QM", "QN", "QP", "QQ", "QR", "QS", "QT", "QV", "QW",
                           "QX", "QY", "QZ", "TA", "ZZ"})  # fmt: skip
_WITHDRAWN = frozenset({"BUR", "DDR", "FXX", "TMP", "YMD", "ZAR"})
_ALSO = {"UK": "GB", "XK": "XK", "XKX": "XK", "XKK": "XK"}


@cache
def codes() -> Mapping[str, str]:
    """Two and three letters -> the two letters."""
    from babel.core import get_global

    known: dict[str, str] = {}
    for code, meant in get_global("territory_aliases").items():
        if len(code) == 3 and code.isalpha() and code not in _WITHDRAWN and len(meant) == 1:
            if meant[0] not in _NOT_ASSIGNED and meant[0][0] != "X":
                known[code] = known[meant[0]] = meant[0]
    return {**known, **_ALSO}


@cache
def _three() -> Mapping[str, str]:
    return {**{two: code for code, two in codes().items() if len(code) == 3}, "XK": "XKX"}


@cache
def _names(locale: str) -> Mapping[str, str]:
    """The two letters -> the name in a language, where no other country has the same.

    Raises `Unusable` for a language that nobody knows.
    """
    from babel.core import Locale, UnknownLocaleError

    try:
        known = Locale.parse(locale.replace("-", "_")).territories
    except (UnknownLocaleError, ValueError, TypeError):
        raise Unusable("`locale` must be the tag of a language, such as en or pt-BR") from None
    named = {code: known[code] for code in set(codes().values()) if code in known}
    count = Counter(map(_folded, named.values()))
    return {code: name for code, name in named.items() if count[_folded(name)] == 1}


@cache
def _by_name(locale: str) -> Mapping[str, str]:
    """Name without case -> the two letters."""
    return {_folded(name): code for code, name in _names(locale).items()}


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _form(options: FieldTypeOptions) -> str:
    if options.form is not None and options.form not in FORMS:
        raise Unusable(f"`form` of a country must be one of {', '.join(FORMS)}")
    if options.locale is not None and options.form != NAME:
        raise Unusable('`locale` goes with `form = "name"` only')
    return options.form or ALPHA_2


def country_reader(options: FieldTypeOptions) -> Reader:
    """Either code in any case, and names where the system holds them."""
    known = codes()
    own = frozenset(known.values())
    by_name = _by_name(options.locale or DEFAULT_LOCALE) if _form(options) == NAME else {}
    expected = "a country of ISO 3166 expected, such as DE or DEU" + (", or its name" if by_name else "")

    def read(raw: Native) -> Value:
        if raw.__class__ is str and raw in own:
            return raw
        if raw is None:
            return None
        text = text_of(raw, "a country").strip()
        if not text:
            return None
        found = by_name.get(_folded(text)) if by_name and len(text) < 100 else None
        found = found or (known.get(text.upper()) if len(text) <= 3 else None)
        if found is None:
            raise Invalid(expected)
        return found

    return read


def country_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    plain = text_form(options, kind)
    written = _form(options)
    if plain is None or written == ALPHA_2:
        return plain
    words = _three() if written == ALPHA_3 else _names(options.locale or DEFAULT_LOCALE)
    write_text = plain.write

    def write(value: Any) -> Native:
        try:
            return write_text(words[value])
        except (KeyError, TypeError):
            raise Invalid("a country that the system has a word for expected") from None

    return Form(write)
