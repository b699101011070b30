"""Keeps: which values a column gives back as they were written, where it takes others, too, and changes them.

A server that rounds, cuts, trims or respells does so without a word. What it will make of a value is said here, so
that it is known before anything is sent: then the value is refused, or it is sent as it will be kept, as the config
wants it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from functools import lru_cache
from ipaddress import ip_interface
from typing import Any, Literal, TypeAlias

import msgspec

from .number import shortest

Native: TypeAlias = Any
Kept: TypeAlias = Callable[[Native], Native]


class Keeps(msgspec.Struct, frozen=True):
    """What a column keeps as it is, and what it makes of the rest."""

    what: str
    """What it keeps as it is, in words, as in "only ... fit"."""
    of: Kept | None = None
    """What it gives back of a native value; None for one that nobody can tell of. Without it, that is all of them."""
    rounds: Literal["decimal", "datetime", ""] = ""
    """The type whose values it changes at their ends, if it does."""


_EXACT = Context(prec=2_000)
"""More digits than any column keeps."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE).fullmatch
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?)?(Z)?"
).fullmatch
_TIME = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?").fullmatch


def _texts(of: Callable[[str], str | None]) -> Kept:
    """What is said of a text, for each text of a list, too; anything else stays as it is."""

    def kept(native: Native) -> Native:
        if isinstance(native, str):
            return of(native)
        if isinstance(native, list):
            parts = [of(part) if isinstance(part, str) else part for part in native]
            return None if None in parts else parts
        return native

    return kept


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if _DAY(text) else None
    except ValueError:
        return None


def _is_shortest(text: str) -> bool:
    try:
        known = ip_interface(text)
    except ValueError:
        return False
    whole = str(known.ip) if known.network.prefixlen == known.max_prefixlen else known.with_prefixlen
    return text == whole and not (":" in text and "." in text) and "%" not in text


TRIMMED = Keeps("texts without blanks at their end", _texts(lambda text: text.rstrip(" ")))
LINES = Keeps("texts without carriage returns", _texts(lambda text: text.replace("\r\n", "\n").replace("\r", "\n")))
UUIDS = Keeps("UUIDs in small letters", _texts(lambda text: text.lower() if _UUID(text) else None))
BITS = Keeps("bits such as 0101", _texts(lambda text: text if text and not text.strip("01") else None))
ADDRESSES = Keeps("IP addresses in their shortest form", _texts(lambda text: text if _is_shortest(text) else None))
DAYS = Keeps("dates such as 2024-02-29", _texts(_day))
ITS_OWN = Keeps("what is written in its own words")
"""Of a type with a grammar of its own, such as an interval: what it makes of a text, only the server knows."""


@lru_cache
def numbers(places: int | None = None) -> Keeps:
    """Decimal numbers as text, in normal form; rounded to so many digits after the point, half away from zero."""

    def of(text: str) -> str | None:
        return _plain(Decimal(text), places) if _NUMBER(text) else None

    if places is None:
        return Keeps("decimal numbers such as -12.5", _texts(of))
    return Keeps(_places(places), _texts(of), "decimal")


def _places(places: int) -> str:
    return f"numbers of at most {places} digits after the point" if places > 0 else "whole numbers"


def _plain(number: Decimal, places: int | None) -> str:
    """Without an exponent, and without zeros that say nothing."""
    if places is not None:
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if number else "0"


def floats(*, single: bool = False, places: int | None = None) -> Keeps:
    """Binary numbers of 64 bits, or of 32; rounded to so many digits after the point."""
    return _floats(single, places)


@lru_cache
def _floats(single: bool, places: int | None) -> Keeps:
    def of(native: Native) -> Native:
        if not isinstance(native, float):
            return native
        try:
            kept = native if places is None else float(_plain(Decimal(repr(native)), places))
            return shortest(struct.unpack("<f", struct.pack("<f", kept))[0]) if single else kept
        except (OverflowError, DecimalException):
            return None

    digits = f"numbers of about {6 if single else 15} digits"
    what = digits if places is None else f"{digits}, {places} of them after the point"
    return Keeps(what, of, "decimal")


def moments(*, utc: bool, places: int = 6) -> Keeps:
    """Dates with a time in ISO 8601, in UTC with a Z or without a zone; a fraction of a second is cut to so many digits
    and, unless it is zero, read with six of them at least."""
    return _moments(utc, places)


@lru_cache
def _moments(utc: bool, places: int) -> Keeps:
    def of(text: str) -> str | None:
        found = _MOMENT(text)
        if found is None or _day(found[1]) is None:
            return None
        fraction = (found[4] or "")[:places].rstrip("0")
        point = f".{fraction.ljust(6, '0')}" if fraction else ""
        return f"{found[1]}T{found[2] or '00:00'}:{found[3] or '00'}{point}{'Z' if utc else ''}"

    kind = "dates with a time in UTC" if utc else "dates with a time and without a zone"
    what = kind if places >= 6 else f"{kind} {f'of at most {places} digits' if places else 'of whole seconds'}"
    return Keeps(what, _texts(of), "datetime" if places < 6 else "")


@lru_cache
def times(places: int) -> Keeps:
    """Times of a day, cut to so many digits of a second."""

    def of(text: str) -> str | None:
        found = _TIME(text)
        if found is None:
            return None
        fraction = (found[3] or "")[:places].rstrip("0")
        return f"{found[1]}:{found[2]}{f'.{fraction}' if fraction else ''}"

    return Keeps("times such as 17:30:00", _texts(of))


@lru_cache
def padded(width: int) -> Keeps:
    """Bytes, filled up with zeros to so many."""
    return Keeps(
        f"values of {width} bytes", lambda native: native.ljust(width, b"\0") if isinstance(native, bytes) else native
    )
