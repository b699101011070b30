"""Dates and instants: two types that never become each other.

A date has no zone and is never moved by one. An instant is kept in UTC; a text without a zone is local time of
the zone that the options name, else UTC. Of a local time that happens twice, when clocks go back, the first is
meant; one that is left out, when they go forward, is read as if the clocks had not been changed yet
(RFC 5545, 3.3.5).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import MICROSECONDS, Value

from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable

_DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_TIME = r"((?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,20})?)?)"
_ZONE = r"(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
_INSTANT = re.compile(rf"{_DAY}[Tt ]{_TIME}(?: ?{_ZONE})?").fullmatch
_MIDNIGHT = re.compile(rf"{_DAY}[Tt ]00:00(?::00(?:[.,]0+)?)?(?: ?{_ZONE})?").fullmatch
_PLAIN_DAY = re.compile(rf"{_DAY}|[0-9]{{8}}").fullmatch
_NUMBER = re.compile(r"[0-9]{9,15}(?:\.[0-9]{1,9})?").fullmatch
_LONGEST_WRITTEN = 64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS_BELOW = 10_000_000_000
"""Seconds since 1970 of the year 2286."""
_MILLISECONDS_FROM = 100_000_000_000
"""Milliseconds since 1970 of March 1973. Between the two, a number may be either."""
_MILLISECONDS_BELOW = 253_402_300_800_000
"""Milliseconds since 1970 of the year 10000."""
_EARLIEST_EDIT = 100_000_000
"""Seconds since 1970 of March 1973: a smaller number is no time of an edit."""

_NO_DATE = "a date such as 2024-02-29 expected"
_NO_INSTANT = "a date with a time such as 2024-02-29T12:00:00Z expected"


def date_reader(options: FieldTypeOptions) -> Reader:
    def read(raw: Native) -> Value:
        if raw.__class__ is str and len(raw) == 10 and raw[4] == raw[7] == "-":
            try:
                date.fromisoformat(raw)
            except ValueError:
                raise Invalid(_NO_DATE) from None
            return raw
        if raw is None:
            return None
        return _date_of(raw)

    return read


def _date_of(raw: Native) -> str | None:
    """A date in another form: with the time midnight, without dashes, or an object."""
    if isinstance(raw, datetime):
        if raw.time().replace(tzinfo=None) != datetime.min.time():
            raise Invalid("a date without a time expected")
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    text = _short_text(raw, _NO_DATE)
    if not text:
        return None
    if match := _MIDNIGHT(text):
        text = match[1]
    elif not _PLAIN_DAY(text):
        raise Invalid("a date without a time expected" if _INSTANT(text) else _NO_DATE)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Invalid(_NO_DATE) from None


def datetime_reader(options: FieldTypeOptions) -> Reader:
    zone = _zone(options)

    def read(raw: Native) -> Value:
        if raw is None:
            return None
        if raw.__class__ is str:
            if _canonical(raw):
                return raw
        else:
            if isinstance(raw, int | float | Decimal) and not isinstance(raw, bool):
                return _text(_from_number(raw))
            if isinstance(raw, datetime):
                return _utc_text(raw, zone)
        text = _short_text(raw, _NO_INSTANT)
        return _utc_text(_parsed(text), zone) if text else None

    return read


def _canonical(raw: str) -> bool:
    """Whether this is an instant in canonical form; found out by making it again."""
    if raw[-1:] != "Z" or len(raw) not in (20, 27):
        return False
    try:
        return _text(datetime.fromisoformat(raw)) == raw
    except ValueError:
        return False


def _zone(options: FieldTypeOptions) -> tzinfo:
    if options.zone is None:
        return UTC
    try:
        return ZoneInfo(options.zone)
    except (ValueError, OSError, LookupError):
        raise Unusable("`zone` must be the name of a time zone, such as Europe/Berlin") from None


def _parsed(text: str) -> datetime:
    match = _INSTANT(text)
    if match is None:
        raise Invalid(_NO_INSTANT)
    day, time, zone = match.groups()
    if zone in ("UTC", "GMT", "z"):
        zone = "Z"
    try:
        return datetime.fromisoformat(f"{day}T{time}{zone or ''}")
    except ValueError:
        raise Invalid(_NO_INSTANT) from None


def _from_number(raw: int | float | Decimal) -> datetime:
    """Seconds or milliseconds since 1970, by magnitude. More than a float holds is finer than a microsecond."""
    if isinstance(raw, Decimal):
        raw = float(raw)
    size = abs(raw)
    if not size < _MILLISECONDS_BELOW:
        raise Invalid("seconds or milliseconds since 1970 expected")
    if _SECONDS_BELOW <= size < _MILLISECONDS_FROM:
        raise Invalid("a number that can be told to be seconds or milliseconds since 1970 expected")
    unit = MICROSECONDS if size < _SECONDS_BELOW else MICROSECONDS // 1_000
    try:
        return _EPOCH + timedelta(microseconds=round(raw * unit))
    except OverflowError:
        raise Invalid(_NO_INSTANT) from None


def _utc_text(moment: datetime, zone: tzinfo) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise Invalid("a date with a time of the years 1 to 9999 in UTC expected") from None
    return _text(moment)


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"


def date_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    match kind:
        case "text" | "json" | "any":
            return Form(_checked_date)
        case "bytes":
            return Form(lambda value: _checked_date(value).encode())
    return None


def _checked_date(value: Any) -> Native:
    if value.__class__ is not str or len(value) != 10:
        raise Invalid(_NO_DATE)
    return value


def datetime_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    """Not into numbers: they do not say their unit."""
    if kind not in ("text", "json", "any", "bytes"):
        return None
    write = _with_z if options.zone is None else _local_writer(_zone(options))
    if kind == "bytes":
        return Form(lambda value: write(value).encode())
    if options.zone is None:
        return Form(write)
    return Form(write, limit=f"moments that {options.zone} has two of, when clocks go back, cannot be written")


def _with_z(value: Any) -> Native:
    if value.__class__ is not str or value[-1:] != "Z":
        raise Invalid(_NO_INSTANT)
    return value


def _local_writer(zone: tzinfo) -> Any:
    def write(value: Any) -> Native:
        try:
            local = _parsed(_with_z(value)).astimezone(zone)
        except OverflowError:
            raise Invalid("a date with a time of the years 1 to 9999 in its zone expected") from None
        naive = local.replace(tzinfo=None, fold=0)
        if naive.replace(tzinfo=zone).astimezone(UTC) != local.astimezone(UTC):
            raise Invalid("a moment that the local time of the system tells from others expected")
        return naive.isoformat()

    return write


def edited_at(raw: Native) -> int | None:
    """Microseconds since 1970 of a system's word for when it edited a record; None where it is unreadable.

    Texts without a zone are UTC; numbers, also as text, are seconds or milliseconds by magnitude. A date alone
    is not precise enough to order edits by.
    """
    try:
        if raw.__class__ is str:
            moment = _edited(raw)
        elif isinstance(raw, bool):
            return None
        elif isinstance(raw, int | float | Decimal):
            moment = _from_number(raw) if raw >= _EARLIEST_EDIT else None
        else:
            moment = raw if isinstance(raw, datetime) else None
        if moment is None:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MICROSECOND
    except (Invalid, OverflowError):
        return None


def _edited(text: str) -> datetime | None:
    text = text.strip()
    return _from_number(float(text)) if _NUMBER(text) else _parsed(text)


def _short_text(raw: Native, expected: str) -> str:
    """The text of a date without blanks around it."""
    if isinstance(raw, bytes):
        raw = raw.decode("ascii", "replace")
    if not isinstance(raw, str) or len(raw) > _LONGEST_WRITTEN:
        raise Invalid(expected)
    return raw.strip()
