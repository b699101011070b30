"""Money: an exact amount and its currency, as "12.30 EUR".

An amount has the digits after its point that ISO 4217 gives its currency (two, none for JPY, three for KWD), no more
and no fewer; `digits` gives some currencies others. What has more is refused, never rounded. A float is read by its
shortest text and never calculated with.

A system holds an amount with its currency in one text or one object, or the amount alone, in a currency that the config
names; and it counts in units, or in the smallest unit there is, such as cents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .currency import checked, places
from .field_type import EXACT_FLOAT, LARGEST_INTEGER, FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable
from .numbers import decimal_reader, integer_reader
from .text import text_of

TEXT, AMOUNT, MINOR, OBJECT, MINOR_OBJECT = "text", "decimal", "minor", "object", "minor-object"
FORMS = (TEXT, AMOUNT, MINOR, OBJECT, MINOR_OBJECT)
EXACT_DIGITS = 15
"""So many digits come back from a binary float as they went in, whichever they are."""

_CANONICAL = re.compile(r"(-?(?:0|[1-9][0-9]{0,99}))(?:\.([0-9]{1,8}))? ([A-Z]{3})").fullmatch
_WRITTEN = re.compile(r"([A-Za-z]{3})?\s*([-+]?[0-9.]+)\s*([A-Za-z]{3})?").fullmatch
_LONGEST = 200
_REASON = "an amount and its currency expected, such as 12.30 EUR"


class _Money:
    """What the config says of a field, and of one system."""

    def __init__(self, options: FieldTypeOptions) -> None:
        self.digits = options.digits
        self.native_digits = {**options.digits, **options.native_digits}
        self.fixed = checked(options.currency, self.digits)
        self.native = checked(options.native_currency, self.native_digits) or self.fixed
        if self.fixed is not None and self.native != self.fixed:
            raise Unusable(f"`currency` must be {self.fixed}, that of the field")
        if options.form is not None and options.form not in FORMS:
            raise Unusable(f"`form` of money must be one of {', '.join(FORMS)}")
        self.form = options.form or (AMOUNT if self.native else TEXT)
        if self.form in (AMOUNT, MINOR) and self.native is None:
            raise Unusable(f'`form = "{self.form}"` needs `currency`, the one that amounts there are in')
        self.number = decimal_reader(options)
        self.integer = integer_reader(options)

    def canonical(self, amount: str, currency: str) -> str:
        """Of an amount in normal form. Raises `Invalid`."""
        currency = currency.upper()
        if self.fixed is not None and currency != self.fixed:
            raise Invalid(f"an amount in {self.fixed} expected")
        digits = places(currency, self.digits)
        whole, _point, fraction = amount.partition(".")
        if len(fraction) > digits:
            raise Invalid(f"an amount of at most {digits} digits after its point expected")
        return f"{whole}.{fraction.ljust(digits, '0')} {currency}" if digits else f"{whole} {currency}"

    def amount(self, raw: Native) -> str:
        """An amount in normal form. Raises `Invalid`, also for a float that may have been another amount before."""
        found = self.number(raw)
        if found.__class__ is not str:
            raise Invalid(_REASON)
        amount = str(found)
        if isinstance(raw, float) and not _exact(amount):
            raise Invalid(f"an amount expected, not a binary float of more than {EXACT_DIGITS} digits")
        return amount

    def parts(self, value: Any) -> tuple[str, str]:
        """Amount, with all its digits, and currency of a canonical value. Raises `Invalid`."""
        match = _CANONICAL(value) if value.__class__ is str else None
        if match is None:
            raise Invalid(_REASON)
        amount, _blank, currency = self.canonical(self.amount(value[: match.start(3) - 1]), match[3]).partition(" ")
        return amount, currency

    def minor(self, amount: str, currency: str) -> int:
        """The amount in the smallest unit that the system counts in. Raises `Invalid`."""
        digits = places(currency, self.native_digits)
        whole, _point, fraction = amount.partition(".")
        if fraction[digits:].strip("0"):
            raise Invalid(f"an amount of at most {digits} digits after its point expected by the system")
        number = int(whole + fraction[:digits].ljust(digits, "0"))
        if abs(number) > LARGEST_INTEGER:
            raise Invalid("an amount whose smallest unit fits 64 bits expected")
        return number

    def of_minor(self, raw: Native, currency: str) -> str:
        """Canonical, of an amount in the smallest unit. Raises `Invalid`."""
        number = self.integer(raw)
        if number.__class__ is not int:
            raise Invalid("a whole number of the smallest unit expected")
        digits = places(currency.upper(), self.native_digits)
        written = str(abs(number)).zfill(digits + 1)
        sign = "-" if number < 0 else ""
        point = len(written) - digits
        whole, fraction = written[:point], written[point:].rstrip("0")
        return self.canonical(f"{sign}{whole}" + (f".{fraction}" if fraction else ""), currency)


def money_reader(options: FieldTypeOptions) -> Reader:
    """The form that the system has; what is canonical is understood in each."""
    money = _Money(options)
    fixed, digits = money.fixed, money.digits
    match money.form:
        case "minor":
            read_form = _read_minor(money)
        case "object" | "minor-object":
            read_form = _read_object(money, minor=money.form == MINOR_OBJECT)
        case _:
            read_form = _read_text(money)

    def read(raw: Native) -> Value:
        if raw.__class__ is str and (match := _CANONICAL(raw)):
            currency = match[3]
            if fixed in (None, currency) and len(match[2] or "") == places(currency, digits):
                if raw[0] != "-" or raw.strip("-0. " + currency):
                    return raw
        return read_form(raw)

    return read


def _read_text(money: _Money) -> Reader:
    def read(raw: Native) -> Value:
        if raw is None:
            return None
        if isinstance(raw, bytes):
            raw = text_of(raw, "an amount")
        if not isinstance(raw, str):
            if money.native is None:
                raise Invalid(_REASON)
            return money.canonical(money.amount(raw), money.native)
        text = raw.strip()
        if not text:
            return None
        written = _WRITTEN(text) if len(text) <= _LONGEST else None
        if written is None or (written[1] and written[3]):
            raise Invalid(_REASON)
        currency = written[1] or written[3] or money.native
        if currency is None:
            raise Invalid(_REASON)
        return money.canonical(money.amount(written[2]), currency)

    return read


def _read_minor(money: _Money) -> Reader:
    currency = money.native
    assert currency is not None

    def read(raw: Native) -> Value:
        if raw is None or (isinstance(raw, str | bytes) and not raw.strip()):
            return None
        return money.of_minor(raw, currency)

    return read


def _read_object(money: _Money, *, minor: bool) -> Reader:
    def read(raw: Native) -> Value:
        if isinstance(raw, str | bytes):
            raw = _object(text_of(raw, "an object"))
        if raw is None:
            return None
        if not isinstance(raw, dict) or raw.keys() != {"amount", "currency"}:
            raise Invalid("an object of amount and currency expected")
        amount, currency = raw["amount"], raw["currency"]
        if amount is None and currency is None:
            return None
        if currency.__class__ is not str or len(currency) != 3:
            raise Invalid("the three letters of a currency expected")
        return money.of_minor(amount, currency) if minor else money.canonical(money.amount(amount), currency)

    return read


def _object(text: str) -> Any:
    """The JSON value of a text, None for a blank one. Raises `Invalid`."""
    if not text or text.isspace():
        return None
    if len(text) > _LONGEST:
        raise Invalid("an object of amount and currency expected")
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Invalid("an object of amount and currency expected") from None


def smallest(options: FieldTypeOptions, amount: str = "1") -> str:
    """The smallest amount of this field that is more than none, in its currency if that is known."""
    currency = (options.currency or options.native_currency or "EUR").upper()
    digits = places(currency, options.digits)
    return f"0.{amount.rjust(digits, '0')} {currency}" if digits else f"{amount} {currency}"


def zero(options: FieldTypeOptions) -> str:
    """An amount of nothing."""
    return smallest(options, "0")


def money_form(options: FieldTypeOptions, kind: Kind) -> Form | None:
    money = _Money(options)
    limits = [f"only amounts in {money.native} fit"] if money.fixed is None and money.form in (AMOUNT, MINOR) else []
    write: Callable[[str, str], Native] | None
    match money.form:
        case "text":
            write = _text(kind, lambda amount, currency: f"{amount} {currency}")
        case "decimal":
            write = _amount(money, kind)
            limits += {
                "integer": ["only whole amounts fit"],
                "float": [f"only amounts of {EXACT_DIGITS} digits fit"],
            }.get(kind, [])
        case "minor":
            write = _minor(money, kind)
        case _:
            write = _as_object(money, kind)
    if write is None:
        return None
    to_native, only = write, money.native if money.form in (AMOUNT, MINOR) else None

    def writing(value: Any) -> Native:
        amount, currency = money.parts(value)
        if only is not None and currency != only:
            raise Invalid(f"an amount in {only} expected")
        return to_native(amount, currency)

    return Form(writing, limit="; ".join(limits) or None)


_Write = Callable[[str, str], Native]
"""From an amount and its currency to what the system holds."""


def _text(kind: Kind, write: Callable[[str, str], str]) -> _Write | None:
    """A text, in a column that takes one."""
    if kind in ("text", "json", "any"):
        return write
    return (lambda amount, currency: write(amount, currency).encode()) if kind == "bytes" else None


def _amount(money: _Money, kind: Kind) -> _Write | None:
    match kind:
        case "text" | "bytes":
            return _text(kind, lambda amount, _currency: amount)
        case "json" | "any":
            return lambda amount, _currency: _number(money, amount)
        case "float":
            return lambda amount, _currency: _float_of(money.amount(amount))
        case "integer":
            return lambda amount, _currency: _whole(amount)
    return None


def _exact(plain: str) -> bool:
    """Whether an amount comes back from a binary float, whatever it is."""
    return len(plain.replace(".", "").strip("-0")) <= EXACT_DIGITS


def _number(money: _Money, amount: str) -> Any:
    """The number that is exactly this amount when it is read again, else the text."""
    plain = money.amount(amount)
    if "." not in plain and abs(int(plain)) < EXACT_FLOAT:
        return int(plain)
    return float(plain) if "." in plain and _exact(plain) else amount


def _float_of(plain: str) -> float:
    if not _exact(plain):
        raise Invalid(f"an amount of at most {EXACT_DIGITS} digits expected by a column of floats")
    return float(plain)


def _whole(amount: str) -> int:
    whole, _point, fraction = amount.partition(".")
    if fraction.strip("0") or abs(int(whole)) > LARGEST_INTEGER:
        raise Invalid("a whole amount of at most 64 bits expected by an integer column")
    return int(whole)


def _minor(money: _Money, kind: Kind) -> _Write | None:
    match kind:
        case "integer" | "json" | "any":
            return money.minor
        case "float":
            return lambda amount, currency: _float(money.minor(amount, currency))
        case "text" | "bytes":
            return _text(kind, lambda amount, currency: str(money.minor(amount, currency)))
    return None


def _float(number: int) -> float:
    if abs(number) >= EXACT_FLOAT:
        raise Invalid("an amount that a binary float holds exactly expected")
    return float(number)


def _as_object(money: _Money, kind: Kind) -> _Write | None:
    def whole(amount: str, currency: str) -> dict[str, Native]:
        held: Native = money.minor(amount, currency) if money.form == MINOR_OBJECT else amount
        return {"amount": held, "currency": currency}

    if kind == "json":
        return whole
    return _text(kind, lambda amount, currency: json.dumps(whole(amount, currency), separators=(",", ":")))
