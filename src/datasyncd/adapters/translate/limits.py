"""Limits: what one column does not hold of what columns of its kind do.

What is refused here is known before anything is sent, so that a plan counts it, and one field stops nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException

from datasyncd.adapters.contract import Column, Native
from datasyncd.reconcile.rules import CONSENT_IN, Value

from .field_type import FieldTypeOptions, Invalid, Unusable, Writer

_NUL = "\0"
_EXACT = Context(prec=2_000)
"""More digits than any column keeps."""

Check = Callable[[Native], None]
"""Raises `Invalid`."""


def within(column: Column, write: Writer) -> Writer:
    """The way out that refuses what the column cannot hold."""
    checks = _checks(column)
    if not checks:
        return write

    def bounded(value: Value) -> Native:
        native = write(value)
        for check in checks:
            check(native)
        return native

    return bounded


def unwritten_of(options: FieldTypeOptions, column: Column, plain: Writer, write: Writer) -> str | None:
    """What becomes of the values of a few that the column does not take although its kind does, for a person."""
    values: Mapping[str, tuple[Value, ...]] = {
        "enum": options.values,
        "boolean": (True, False),
        "consent": (CONSENT_IN,),
    }
    tried = [value for value in values.get(options.name, ()) if _is_written(plain, value)]
    missing = [value for value in tried if not _is_written(write, value)]
    if not missing:
        return None
    what = "none of its labels" if column.labels else "none that it takes"
    return f"{len(missing)} of {len(values[options.name])} values are {what}"


def must_be_written(write: Writer, value: Value) -> None:
    """Raises `Unusable` for a value without which the field is of no use there."""
    try:
        write(value)
    except Invalid as refusal:
        raise Unusable(f"it could never hold {value!r}: {refusal.reason}") from None


def _is_written(write: Writer, value: Value) -> bool:
    try:
        write(value)
    except Invalid:
        return False
    return True


def _checks(column: Column) -> list[Check]:
    checks: list[Check] = []
    if column.bounds is not None:
        checks.append(_bounds(*column.bounds))
    if column.digits is not None:
        checks.append(_digits(*column.digits))
    texts: list[Callable[[str], None]] = []
    if not column.takes_nul:
        texts.append(_without_nul)
    if column.max_length is not None:
        texts.append(_length(column.max_length))
    if column.labels:
        texts.append(_label(frozenset(column.labels)))
    return checks + [_each(check) for check in texts]


def _each(check: Callable[[str], None]) -> Check:
    """The check of a text, for all texts in a value."""

    def all_texts(native: Native) -> None:
        if native.__class__ is str:
            check(native)
        elif isinstance(native, list):
            for element in native:
                all_texts(element)
        elif isinstance(native, dict):
            for name, element in native.items():
                check(name)
                all_texts(element)

    return all_texts


def _bounds(least: int, greatest: int) -> Check:
    def check(native: Native) -> None:
        if native.__class__ is int and not least <= native <= greatest:
            raise Invalid(f"a whole number from {least} to {greatest} expected by the column")

    return check


def _digits(all_digits: int, after_point: int) -> Check:
    before_point = all_digits - after_point
    last = Decimal(1).scaleb(-after_point)

    def check(native: Native) -> None:
        if native.__class__ is not str:
            return
        try:
            number = Decimal(native)
        except DecimalException:
            raise Invalid("a decimal number expected by the column") from None
        if number.is_finite():
            number = number.quantize(last, ROUND_HALF_UP, _EXACT)
            if number and number.adjusted() + 1 > before_point:
                raise Invalid(f"a number of at most {before_point} digits before the point expected by the column")

    return check


def _without_nul(text: str) -> None:
    if _NUL in text:
        raise Invalid("text without the character U+0000 expected by the column")


def _length(limit: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if len(text) > limit:
            raise Invalid(f"at most {limit} characters expected by the column")

    return check


def _label(labels: frozenset[str]) -> Callable[[str], None]:
    def check(text: str) -> None:
        if text not in labels:
            raise Invalid("one of the labels of the column's type expected")

    return check
