"""Currency: which there are, and how many digits an amount has after its point, by ISO 4217."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from .field_type import Invalid, Unusable

MOST_PLACES = 8
"""That the config may give a currency."""

_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Digits -> the currencies that have them; all others have two."""
_BY_CURRENCY = {currency: places for places, currencies in _PLACES.items() for currency in currencies.split()}
_NO_MONEY = frozenset(
    {"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"},
)
"""Metals, units of account and codes for tests, which have no smallest unit."""


@cache
def _known() -> frozenset[str]:
    """Currencies in use and those that were."""
    from babel.core import get_global

    return frozenset(get_global("all_currencies"))


def places(currency: str, given: Mapping[str, int]) -> int:
    """Digits after the point; `given` comes before the standard. Raises `Invalid` for what is no currency."""
    if currency in given:
        return given[currency]
    if currency in _NO_MONEY or currency not in _known():
        raise Invalid("a currency of ISO 4217 expected, such as EUR")
    return _BY_CURRENCY.get(currency, 2)


def checked(currency: str | None, given: Mapping[str, int]) -> str | None:
    """What a config says of a currency. Raises `Unusable`."""
    for code, digits in given.items():
        if not re.fullmatch("[A-Z]{3}", code) or not 0 <= digits <= MOST_PLACES:
            raise Unusable(f"`digits` must give currencies 0 to {MOST_PLACES} digits, such as {{ EUR = 4 }}")
    if currency is not None:
        try:
            places(currency, given)
        except Invalid:
            raise Unusable("`currency` must be a code of ISO 4217, such as EUR") from None
    return currency
