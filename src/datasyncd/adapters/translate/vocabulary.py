"""Vocabulary: the words that a system has for canonical values.

The config gives it as `values = { native = canonical }`. TOML keys are texts, so the key "1" is also the
number 1, and "true" also the truth value; the key "" is the blank, and a canonical "" means blank. Several
words may mean the same: the first is the one that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import EXACT_FLOAT, LARGEST_INTEGER, Kind

Meaning: TypeAlias = Callable[[bool | int | str], Value]
"""From a canonical value as the config writes it to the value itself. Raises `Unusable`."""

MOST_SHOWN = 40
"""Words that a reason lists."""

_TRUTH = {"true": True, "false": False}


class Vocabulary(msgspec.Struct, frozen=True):
    """Words and what they mean."""

    exact: dict[Native, Value]
    """By native value, the blank among them. True and 1 are one key, as they are one number to Python."""
    folded: dict[str, Value]
    """By text without case, for words that are not ambiguous then."""
    words: dict[Value, str]
    """The word that is written for a value."""

    @property
    def expected(self) -> str:
        """What would have been understood: the reason of a refusal."""
        shown = [word for word in self.exact if isinstance(word, str) and word]
        more = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
        return f"one of {', '.join(shown[:MOST_SHOWN])}{more} expected"

    def understand(self, raw: Native) -> Value:
        """The meaning of a native value that is not in `exact` as it is. Raises `KeyError`."""
        if isinstance(raw, bytes):
            raw = raw.decode(errors="replace")
        if not isinstance(raw, str):
            raise KeyError
        word = raw.strip()
        return self.exact[word] if word in self.exact else self.folded[word.casefold()]


def vocabulary(native_values: Mapping[str, bool | int | str], meaning: Meaning) -> Vocabulary:
    """What the config's `values` says. Raises `Unusable` for a canonical value that `meaning` refuses."""
    exact: dict[Native, Value] = {}
    folded: dict[str, set[Value]] = {}
    words: dict[Value, str] = {}
    for word, canonical in native_values.items():
        value = meaning(canonical)
        exact[word] = value
        folded.setdefault(word.casefold(), set()).add(value)
        words.setdefault(value, word)
    for word in native_values:
        for form in _other_forms(word):
            exact.setdefault(form, exact[word])
    exact.setdefault(None, None)
    exact.setdefault("", exact[None])
    return Vocabulary(
        exact=exact,
        folded={word: values.pop() for word, values in folded.items() if len(values) == 1},
        words=words,
    )


def _other_forms(word: str) -> list[Native]:
    """What is not text and has the same name in the config."""
    if word == "":
        return [None]
    if word in _TRUTH:
        return [_TRUTH[word]]
    number = _integer(word)
    return [] if number is None else [number]


def native_forms(words: Mapping[Value, str], kind: Kind) -> dict[Value, Native]:
    """By value, its word as a column of this kind holds it; values without such a form are left out.

    Where any kind of value may stand, the words are numbers if all of them can be.
    """
    numbers = all(_integer(word) is not None for word in words.values() if word)
    forms: dict[Value, Native] = {}
    for value, word in words.items():
        for form in _forms_of(word, kind, numbers):
            forms[value] = form
    return forms


def _forms_of(word: str, kind: Kind, numbers: bool) -> list[Native]:
    """None or one form."""
    if kind == "text":
        return [word]
    if kind == "bytes":
        return [word.encode()]
    if word == "" and kind != "list":
        return [None]
    number = _integer(word)
    if kind in ("json", "any"):
        return [number if numbers else _TRUTH.get(word, word)]
    if word in _TRUTH:
        number = int(_TRUTH[word])
    if number is None:
        return []
    match kind:
        case "boolean":
            return [number == 1] if number in (0, 1) else []
        case "integer":
            return [number]
        case "float":
            return [float(number)] if abs(number) < EXACT_FLOAT else []
    return []


def _integer(word: str) -> int | None:
    if len(word) > 20 or not (word.isascii() and word.removeprefix("-").isdigit()):
        return None
    number = int(word)
    return number if str(number) == word and abs(number) <= LARGEST_INTEGER else None
