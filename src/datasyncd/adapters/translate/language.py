"""Language: a tag of BCP 47, such as de, pt-BR or zh-Hant-TW.

Letters have the case that the standard recommends, and codes that were replaced are. A tag says what its author said:
nothing that is likely is added, and nothing that is implied is taken away. Extensions and private parts, which say how
to show something and not in which language, are no part of it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import REMEMBERED, FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable
from .text import text_form, text_of

TAG, UNDERSCORE = "tag", "underscore"
FORMS = (TAG, UNDERSCORE)

_TAG = re.compile(
    r"([a-z]{2,3})"
    r"(?:[-_]([a-z]{4}))?"
    r"(?:[-_]([a-z]{2}|[0-9]{3}))?"
    r"((?:[-_](?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE | re.ASCII,
).fullmatch
_REPLACED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}
"""Of the IANA registry of subtags: languages of two letters with another code that is preferred."""
_UNNAMED = ("bh", "sh", "tl", "tw")
"""Codes of ISO 639-1 that the table of names has others for."""
_LONGEST = 60
_REASON = "the tag of a language expected, such as de or pt-BR"


def _form(options: FieldTypeOptions) -> str:
    if options.form is not None and options.form not in FORMS:
        raise Unusable(f"`form` of a language must be one of {', '.join(FORMS)}")
    return options.form or TAG


def language_reader(options: FieldTypeOptions) -> Reader:
    """Tags in any case, with - or _ between their parts; codes of three letters where there is none of two."""
    _form(options)

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        text = (raw if raw.__class__ is str else text_of(raw, "the tag of a language")).strip()
        if not text:
            return None
        found = _tag(text) if len(text) <= _LONGEST else None
        if found is None:
            raise Invalid(_REASON)
        return found

    return read


@lru_cache(REMEMBERED)
def _tag(text: str) -> str | None:
    """The canonical tag; None: there is none."""
    parts = _TAG(text)
    if parts is None:
        return None
    language, script, region, variants = parts[1].lower(), parts[2], parts[3], parts[4].lower()
    language = _shortened().get(language) or _REPLACED.get(language, language)
    known = _known()
    if language not in known[0] or (script and script.title() not in known[1]):
        return None
    region = region and {"UK": "GB"}.get(region.upper(), region.upper())
    if region and region not in known[2]:
        return None
    tags = [language, *([script.title()] if script else []), *([region] if region else [])]
    rest = re.split("[-_]", variants)[1:]
    return "-".join([*tags, *rest]) if len(set(rest)) == len(rest) else None


@cache
def _shortened() -> dict[str, str]:
    """Three letters -> the two letters of the same language, where it has them."""
    from babel.core import get_global

    aliases = get_global("language_aliases")
    return {code: short for code, short in aliases.items() if len(code) == 3 and len(short) == 2}


@cache
def _known() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Languages, scripts and regions that have a name."""
    from babel.core import Locale

    english = Locale("en")
    return frozenset({*english.languages, *_UNNAMED}), frozenset(english.scripts), frozenset(english.territories)


def language_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    plain = text_form(options, kind)
    if plain is None or _form(options) == TAG:
        return plain
    write_text = plain.write

    def write(value: Any) -> Native:
        return write_text(value.replace("-", "_") if value.__class__ is str else value)

    return Form(write)
