"""Kept: values that one column gives back otherwise than they were written.

Decimal numbers and times that a column rounds are a loss of the map: it goes both ways only where the config says so.
What else a column changes, such as blanks at the end of a text, is refused value by value. With `lossy`, either is
written as the column keeps it, and that form is what reads back.
"""

from __future__ import annotations

from collections.abc import Callable

from datasyncd.adapters.contract import Column, Native
from datasyncd.adapters.keeps import Keeps, floats, numbers
from datasyncd.reconcile.rules import Value

from .field_type import FieldTypeOptions, Form, Invalid, Kind, Reader, Unusable, Writer
from .limits import within
from .money import smallest, zero

_WHOLLY: dict[str, tuple[Value, ...]] = {
    "email": ("a@example.org",),
    "phone": ("+14155552671",),
    "url": ("https://example.org/",),
    "date": ("2024-02-29",),
    "datetime": ("2024-01-01T12:00:00Z", "2024-07-01T12:00:00Z"),
    "json": ("{}",),
}
"""Values of types that a column holds all of, or none: none, if it does not hold these."""
_PARTLY: dict[str, tuple[Value, ...]] = {
    "integer": (0, 12),
    "decimal": ("0", "12"),
    "boolean": (True, False),
    "set": (["a"], ["1"], ["2024-02-29"], ["550e8400-e29b-41d4-a716-446655440000"]),
}
"""Values of which a column holds one at least, if it holds any of the type."""


def kept(options: FieldTypeOptions, column: Column, kind: Kind, plain: Form, read: Reader) -> Form:
    """The way out within the limits of the column. Raises `Unusable` where it keeps no value of the type."""
    bounded, keeps = within(column, plain.write), _keeps(column, kind)
    if keeps is None:
        return Form(bounded, plain.identity, plain.limit)
    if keeps.of is None:
        if options.name not in ("text", "set", "json"):
            raise Unusable(f"a column that keeps only {keeps.what} cannot hold the type {options.name}")
        return Form(bounded, plain.identity, plain.limit, f"keeps only {keeps.what}", is_told=False)
    refuses = _refuses(_writer(plain.write, keeps, read, lossy=False))
    partly = (zero(options),) if options.name == "money" else _PARTLY.get(options.name, ())
    if any(map(refuses, _WHOLLY.get(options.name, ()))) or (partly and all(map(refuses, partly))):
        raise Unusable(f"only {keeps.what} fit, and none of them is of the type {options.name}")
    loss = f"keeps only {keeps.what}, and rounds the rest" if keeps.rounds == options.name else None
    limits = [plain.limit]
    if loss is None and _is_worth_a_word(options, refuses):
        limits.append(f"{keeps.what} are kept, and the rest is changed" if options.lossy else f"only {keeps.what} fit")
    write = _writer(bounded, keeps, read, lossy=options.lossy)
    return Form(write, plain.identity and not options.lossy, "; ".join(filter(None, limits)) or None, loss)


def _keeps(column: Column, kind: Kind) -> Keeps | None:
    if column.keeps is not None:
        return column.keeps
    if kind == "text" and column.digits is not None:
        return numbers(column.digits[1])
    return floats() if kind == "float" else None


def _is_worth_a_word(options: FieldTypeOptions, refuses: Callable[[Value], bool]) -> bool:
    """Whether some values of the type are changed: whole numbers are not, in a column of numbers."""
    match options.name:
        case "text" | "set" | "json":
            return True
        case "integer":
            return refuses(2**24 + 1)
        case "money":
            return refuses(smallest(options))
    return False


def _refuses(write: Writer) -> Callable[[Value], bool]:
    def refuses(value: Value) -> bool:
        try:
            write(value)
        except Invalid:
            return True
        return False

    return refuses


def _writer(write: Writer, keeps: Keeps, read: Reader, *, lossy: bool) -> Writer:
    of = keeps.of
    assert of is not None

    def writing(value: Value) -> Native:
        sent = write(value)
        native = of(sent)
        if native.__class__ is sent.__class__ and native == sent:
            return sent
        if native is None or not (_is_same(read, native, value) or (lossy and _is_read(read, native))):
            raise Invalid(f"{keeps.what} expected by the column")
        return native

    return writing


def _is_same(read: Reader, native: Native, value: Value) -> bool:
    try:
        return bool(read(native) == value)
    except Invalid:
        return False


def _is_read(read: Reader, native: Native) -> bool:
    try:
        read(native)
    except Invalid:
        return False
    return True
