"""Native names: what a map can say of a card, and which of its lines and parts that is.

FN   NOTE   BDAY   X-ACCOUNT          a property
EMAIL;TYPE=work   TEL;TYPE=cell       one of its lines, by its type
N.family   ADR.city;TYPE=home         a part of a value that has several
CATEGORIES   NICKNAME                 a list of texts
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from datasyncd.adapters.contract import Column, Native
from datasyncd.adapters.keeps import LINES, Keeps

KEY = "href"
"""The record's own id: the last part of its address in the address book."""
UID = "UID"

PARTS = {
    "N": ("family", "given", "additional", "prefix", "suffix"),
    "ADR": ("pobox", "extended", "street", "city", "region", "code", "country"),
    "ORG": ("name", "unit"),
}
"""Properties whose values have parts, in order."""
LISTS = frozenset({"CATEGORIES", "NICKNAME"})
BARRED = frozenset({"BEGIN", "END", "VERSION", "PHOTO", "LOGO", "SOUND", "KEY", "AGENT"})
"""Properties that frame the card, or hold files."""
SEVERAL = frozenset({"EMAIL", "TEL", "ADR", "URL", "IMPP"})
"""Properties that are listed by type."""

_NAME = re.compile(r"([A-Za-z0-9-]+)(?:\.([A-Za-z]+))?(?:;TYPE=([A-Za-z0-9-]+))?", re.IGNORECASE).fullmatch
_TYPES = {"EMAIL": ("work", "home"), "TEL": ("cell", "work", "home", "fax"), "ADR": ("work", "home")}
_PLAIN = ("FN", "NICKNAME", "EMAIL", "TEL", "TITLE", "ROLE", "BDAY", "NOTE", "URL", "CATEGORIES", "REV", UID)


DATES = frozenset({"BDAY", "ANNIVERSARY", "DEATHDATE"})
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})").fullmatch
_TIME = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})T([0-9]{2}):?([0-9]{2}):?([0-9]{2})(?:[.,][0-9]+)?(.*)"
).fullmatch
_TEL = "tel:"


def shown(property: str, text: str) -> str:
    """What the text of a whole property means: a number without `tel:`, a date with dashes, a time in one form."""
    if property == "TEL" and text[: len(_TEL)].lower() == _TEL:
        return text[len(_TEL) :]
    if property in DATES and (day := _DATE(text)):
        return "-".join(day.groups())
    if property == "REV" and (time := _TIME(text)):
        return f"{'-'.join(time.groups()[:3])}T{':'.join(time.groups()[3:6])}{time[7]}"
    return text


def _keeps(property: str, what: str, rounds: Literal["datetime", ""] = "") -> Keeps:
    def of(native: Native) -> Native:
        assert LINES.of is not None
        plain = LINES.of(native)
        return shown(property, plain) if isinstance(plain, str) else plain

    return Keeps(f"{what}, and other {LINES.what}", of, rounds)


_KEEPS = {
    "TEL": _keeps("TEL", "numbers without tel:"),
    "REV": _keeps("REV", "times of whole seconds", "datetime"),
    **{name: _keeps(name, "dates such as 2024-02-29") for name in DATES},
}


class Lines(msgspec.Struct, frozen=True):
    """Which lines of a card a name is about."""

    property: str
    """In capitals."""
    type: str | None = None
    """In capitals; None: whatever type they have."""


class NativeName(msgspec.Struct, frozen=True):
    """One name, taken apart."""

    native: str
    """As the map says it."""
    lines: Lines
    part: int | None = None
    """Place of the part of the value; None: the whole of it."""

    @property
    def is_list(self) -> bool:
        return self.lines.property in LISTS

    @property
    def head(self) -> str:
        """What a new line of it begins with."""
        typed = f";TYPE={self.lines.type.lower()}" if self.lines.type else ""
        return f"{self.lines.property}{typed}"

    @property
    def column(self) -> Column:
        """What it holds: blank is the empty text, or the empty list."""
        kind: Literal["list", "text"] = "list" if self.is_list else "text"
        return Column(self.native, kind, nullable=False, takes_nul=False, keeps=_KEEPS.get(self.lines.property, LINES))


def name_of(native: str) -> NativeName | None:
    """A name taken apart; None: no card has such a field."""
    found = _NAME(native)
    if found is None or native.lower() == KEY:
        return None
    name, part, kind = found[1].upper(), found[2], found[3]
    parts = PARTS.get(name, ())
    if name in BARRED or (part is not None and part.lower() not in parts) or (name in LISTS and kind):
        return None
    if name == "ORG" and part is None:
        part = "name"
    if parts and part is None:
        return None
    place = None if part is None else parts.index(part.lower())
    return NativeName(native, Lines(name, None if kind is None else kind.upper()), place)


def doubles(mapped: Sequence[str]) -> tuple[str, ...]:
    """Names of which each means the same; (): there are none."""
    meant: dict[tuple[Lines, int | None], list[str]] = {}
    for name in (name_of(native) for native in dict.fromkeys(mapped)):
        if name is not None:
            meant.setdefault((name.lines, name.part), []).append(name.native)
    return next((tuple(natives) for natives in meant.values() if len(natives) > 1), ())


def columns(mapped: Sequence[str]) -> tuple[Column, ...]:
    """What a card can hold: the names that are mapped, and the most usual ones besides."""
    usual = [f"{name}.{part}" for name in ("N", "ADR", "ORG") for part in PARTS[name]]
    typed = [f"{name};TYPE={kind}" for name in ("EMAIL", "TEL") for kind in _TYPES[name]]
    typed += [f"ADR.{part};TYPE={kind}" for kind in _TYPES["ADR"] for part in PARTS["ADR"]]
    names = (name_of(native) for native in dict.fromkeys((*mapped, *_PLAIN, *usual, *typed)))
    return (Column(KEY, "text", nullable=False), *(name.column for name in names if name is not None))
