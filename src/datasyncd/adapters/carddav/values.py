"""Values: what the fields of a card say, and how a card is made to say something else.

Each line of a card belongs to one name of the map at most. A name with a type takes the first line of that type, by
preference and then by order; one without takes the first of the lines that are left. So an edit of one field never
changes what another one shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from datasyncd.adapters.contract import Native

from .card import Card
from .content_line import ContentLine, escaped, split, unescaped
from .names import DATES, PARTS, Lines, NativeName, shown

Chosen: TypeAlias = "Mapping[Lines, Sequence[ContentLine]]"
"""The lines that a name may be about; the first is the one that counts."""

_EXTENDED_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_TEL = "tel:"
_OMITTED_YEAR = "X-APPLE-OMIT-YEAR"
_ABOUT_THE_VALUE = ("ENCODING", "CHARSET", _OMITTED_YEAR)
"""Parameters that say how the old value is to be read."""
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
"""Signs that XML has no form for, in which cards are read."""


class Unfit(ValueError):
    """A value has no form in a card."""


def chosen(card: Card, names: Sequence[NativeName]) -> Chosen:
    """Which lines of a card each of the names is about."""
    taken: list[ContentLine] = []
    found: dict[Lines, Sequence[ContentLine]] = {}
    wanted = dict.fromkeys(name.lines for name in names)
    for lines in sorted(wanted, key=lambda lines: lines.type is None):
        those = [
            line
            for line in card.named(lines.property)
            if (lines.type is None or lines.type in line.types) and not any(line is other for other in taken)
        ]
        those.sort(key=lambda line: line.rank)
        found[lines] = those
        if lines.type is not None:
            taken += those[:1]
    return found


def unfit(text: str) -> str:
    """Why a text has no form in a card; "": it has one."""
    return "text without control characters expected by a card" if _UNFIT(text) else ""


def fields_of(card: Card, names: Sequence[NativeName]) -> dict[str, Native]:
    """What a card says. A value in an old encoding is left out: it is not known."""
    lines = chosen(card, names)
    fields: dict[str, Native] = {}
    for name in names:
        those = lines[name.lines]
        if any(line.parameter("ENCODING") is not None for line in those[: None if name.is_list else 1]):
            continue
        if name.is_list:
            fields[name.native] = _elements(those)
        else:
            fields[name.native] = _said(those[0], name) if those else ""
    return fields


def write(card: Card, names: Sequence[NativeName], fields: Mapping[NativeName, Native]) -> dict[str, str]:
    """Make a card say these things, and nothing else that it did not say. `names`: all of the map.

    Returns the reason for each field that has no form in a card; if there is one, the card is of no more use.
    """
    refused: dict[str, str] = {}
    lines = chosen(card, [*names, *fields])
    by_lines: dict[Lines, list[tuple[NativeName, Native]]] = {}
    for name, value in fields.items():
        by_lines.setdefault(name.lines, []).append((name, value))
    for about, changes in by_lines.items():
        made: list[tuple[NativeName, Any]] = []
        for name, value in changes:
            try:
                made.append((name, _checked(name, value)))
            except Unfit as error:
                refused[name.native] = str(error)
        if made:
            _write(card, lines[about], made)
    return refused


def new_card(uid: str, names: Sequence[NativeName], fields: Mapping[NativeName, Native]) -> tuple[Card, dict[str, str]]:
    """A card that says these things, and what no card is without; and why some have no form in one."""
    card = Card.new(escaped(uid))
    refused = write(card, names, fields)
    if not card.named("N"):
        card.add("N", ";;;;")
    if not card.named("FN"):
        # People see it in every list. What is not mapped is never read back, so that nobody takes it for a value.
        mapped = any(name.lines.property == "FN" for name in names)
        card.add("FN", "" if mapped else escaped(_full_name(card)))
    return card, refused


def _full_name(card: Card) -> str:
    parts = [*split(card.named("N")[0].value, ";"), "", ""]
    named = " ".join(filter(None, (unescaped(parts[1]), unescaped(parts[0]))))
    others = (unescaped(split(line.value, ";")[0]) for name in ("ORG", "EMAIL") for line in card.named(name))
    return named or next(filter(None, others), "")


# Reading


def _elements(lines: Sequence[ContentLine]) -> list[str]:
    texts = (unescaped(part).strip() for line in lines for part in split(line.value, ","))
    return [text for text in dict.fromkeys(texts) if text]


def _said(line: ContentLine, name: NativeName) -> str:
    if name.part is not None:
        parts = split(line.value, ";")
        return unescaped(parts[name.part]) if name.part < len(parts) else ""
    text = unescaped(line.value)
    if name.lines.property in DATES and (omitted := line.parameter(_OMITTED_YEAR)):
        day = shown(name.lines.property, text)
        return f"--{day[5:]}" if _EXTENDED_DATE(day) and day[:4] == omitted else day
    return shown(name.lines.property, text)


# Writing


def _checked(name: NativeName, value: Native) -> str | list[str]:
    """A value that a card has a form for."""
    if name.is_list:
        texts = [] if value is None else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Unfit("a list of texts expected")
    else:
        texts = ["" if value is None else value]
        if not isinstance(texts[0], str):
            raise Unfit("a text expected")
    if why := next(filter(None, map(unfit, texts)), ""):
        raise Unfit(why)
    return texts if name.is_list else texts[0]


def _write(card: Card, lines: Sequence[ContentLine], changes: Sequence[tuple[NativeName, Any]]) -> None:
    """Change what some lines say of which the first counts. What they say already stays as it is written."""
    name, value = changes[0]
    if name.is_list:
        _write_list(card, name, lines, value)
    elif name.part is not None:
        _write_parts(card, name, lines, {each.part: text for each, text in changes if each.part is not None})
    else:
        _write_text(card, name, lines, value)


def _write_text(card: Card, name: NativeName, lines: Sequence[ContentLine], text: str) -> None:
    if not lines:
        if text or name.lines.property == "FN":
            card.add(name.head, _value(card, name, text, None))
        return
    line = lines[0]
    if _said(line, name) == stored(text) and line.parameter("ENCODING") is None:
        return
    if not text:
        _blank(card, name, lines)
    else:
        about = (*_ABOUT_THE_VALUE, "VALUE") if name.lines.property in DATES else _ABOUT_THE_VALUE
        card.change(line, _value(card, name, text, line), about)


def _write_parts(card: Card, name: NativeName, lines: Sequence[ContentLine], texts: Mapping[int, str]) -> None:
    count = len(PARTS[name.lines.property]) if name.lines.property != "ORG" else 1
    parts = split(lines[0].value, ";") if lines else [""] * count
    before = list(parts)
    for place, text in texts.items():
        parts += [""] * (place + 1 - len(parts))
        if unescaped(parts[place]) != stored(text):
            parts[place] = escaped(text)
    if not lines:
        if any(parts):
            card.add(name.head, ";".join(parts))
    elif not any(parts) and any(before):
        _blank(card, name, lines, ";".join(parts))
    elif [*before, *[""] * (len(parts) - len(before))] != parts:
        card.change(lines[0], ";".join(parts), _ABOUT_THE_VALUE)


def _write_list(card: Card, name: NativeName, lines: Sequence[ContentLine], texts: Sequence[str]) -> None:
    wanted = dict.fromkeys(text for text in (stored(text).strip() for text in texts) if text)
    held = _elements(lines)
    if set(held) == set(wanted):
        return
    kept = [text for text in held if text in wanted]
    value = ",".join(escaped(text) for text in dict.fromkeys([*kept, *wanted]))
    for line in lines[1:] if value else lines:
        card.take_out(line)
    if value and lines:
        card.change(lines[0], value, _ABOUT_THE_VALUE)
    elif value:
        card.add(name.head, value)


def _blank(card: Card, name: NativeName, lines: Sequence[ContentLine], value: str = "") -> None:
    """Take out the line that counts. It stays, with nothing in it, where another would be taken for it, and where a
    card must have one."""
    if len(lines) > 1 or name.lines.property in ("FN", "N"):
        card.change(lines[0], value, _ABOUT_THE_VALUE)
    else:
        card.take_out(lines[0])


def _value(card: Card, name: NativeName, text: str, line: ContentLine | None) -> str:
    """The value of a property's line that means a text, in the form that the card's version has for it."""
    if name.lines.property == "TEL" and line is not None and line.value[: len(_TEL)].lower() == _TEL:
        return _TEL + escaped(text)
    if name.lines.property in DATES and card.version == "4.0" and _EXTENDED_DATE(text):
        return text.replace("-", "")
    return escaped(text)


def stored(text: str) -> str:
    """A text as a card gives it back."""
    return unescaped(escaped(text)) if "\r" in text else text
