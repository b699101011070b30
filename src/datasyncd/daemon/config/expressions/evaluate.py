"""Evaluate: the closures that an expression is made of. None of them raises, whatever the record holds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from datasyncd.reconcile.rules import CONSENT_IN, Value

from .functions import calculate
from .kinds import UNKNOWN, Evaluate, Part

Where: TypeAlias = Callable[[Mapping[str, Value]], bool]

_BLANK: tuple[Value, ...] = (None, "", [])
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def truth(part: Part) -> Where:
    evaluate = part.evaluate
    if part.kind == "consent":
        return lambda record: evaluate(record) == CONSENT_IN
    if part.test:
        return evaluate
    return lambda record: bool(evaluate(record))


def spelled(part: Part) -> Evaluate:
    """What is compared: of a consent its word, also for its blank."""
    evaluate = part.evaluate
    return (lambda record: evaluate(record) or UNKNOWN) if part.kind == "consent" else evaluate


def all_(tests: Sequence[Where]) -> Where:
    if len(tests) == 2:
        left, right = tests
        return lambda record: left(record) and right(record)
    return lambda record: all(test(record) for test in tests)


def any_(tests: Sequence[Where]) -> Where:
    if len(tests) == 2:
        left, right = tests
        return lambda record: left(record) or right(record)
    return lambda record: any(test(record) for test in tests)


def chosen(condition: Where, then: Evaluate, otherwise: Evaluate | None = None) -> Evaluate:
    if otherwise is None:
        return lambda record: then(record) if condition(record) else None
    return lambda record: then(record) if condition(record) else otherwise(record)


def first(options: Sequence[Evaluate]) -> Evaluate:
    """The first that is not blank."""

    def found(record: Mapping[str, Value]) -> Any:
        for option in options:
            if (value := option(record)) not in _BLANK:
                return value
        return None

    return found


def compared(sign: str, left: Evaluate, right: Evaluate) -> Where:
    compare = _COMPARE[sign]

    def holds(record: Mapping[str, Value]) -> bool:
        a, b = left(record), right(record)
        if a is None or b is None:
            return False
        try:
            return compare(a, b)
        except (TypeError, RecursionError):
            return False

    return holds


def member(left: Evaluate, container: Evaluate, wanted: bool) -> Where:
    def holds(record: Mapping[str, Value]) -> bool:
        item, items = left(record), container(record)
        if item is None or items is None:
            return False
        try:
            return (item in items) is wanted
        except (TypeError, RecursionError):
            return False

    return holds


def computed(compute: Callable[..., Any], parts: Sequence[Evaluate], *, blanks: bool = False) -> Evaluate:
    """`blanks`: it wants to be asked about blanks, too."""

    def value(record: Mapping[str, Value]) -> Any:
        values = [part(record) for part in parts]
        if not blanks and None in values:
            return None
        return calculate(compute, values)

    return value
