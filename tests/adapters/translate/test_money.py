"""Money: exact in every form, and refused where it would not be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasyncd.adapters.translate import Unusable
from tests.adapters.translate.translating import no_form, read, refusal, write

unhurried = settings(deadline=None)
"""Libraries are loaded when the first value needs them, which may take a while on a busy machine."""

EUR: dict[str, Any] = {"currency": "EUR"}
CENTS: dict[str, Any] = {"currency": "EUR", "form": "minor"}


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("12.30 EUR", "12.30 EUR"),
        ("12.3 EUR", "12.30 EUR"),
        ("EUR 12.3", "12.30 EUR"),
        ("eur12.30", "12.30 EUR"),
        (" +012 EUR ", "12.00 EUR"),
        ("-0.00 EUR", "0.00 EUR"),
        ("-0.50 USD", "-0.50 USD"),
        ("12 JPY", "12 JPY"),
        ("12.0 JPY", "12 JPY"),
        ("1.5 KWD", "1.500 KWD"),
        ("1 CLF", "1.0000 CLF"),
        (b"1 EUR", "1.00 EUR"),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(raw: object, canonical: str | None) -> None:
    """F85."""
    assert read("money", raw) == canonical
    assert read("money", canonical) == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (12, "12.00 EUR"),
        (12.3, "12.30 EUR"),
        (0.1, "0.10 EUR"),
        (Decimal("12.300"), "12.30 EUR"),
        ("12.3", "12.30 EUR"),
        ("12.30 EUR", "12.30 EUR"),
    ],
)
def test_an_amount_alone_is_in_the_currency_that_the_config_names(raw: object, canonical: str) -> None:
    assert read("money", raw, currency="EUR") == canonical
    assert read("money", raw, native_currency="EUR", form="decimal") == canonical


@pytest.mark.parametrize(
    ("raw", "options", "canonical"),
    [
        (1230, CENTS, "12.30 EUR"),
        (-5, CENTS, "-0.05 EUR"),
        ("7", CENTS, "0.07 EUR"),
        (1230.0, CENTS, "12.30 EUR"),
        (1230, {**CENTS, "currency": "JPY"}, "1230 JPY"),
        (1230, {**CENTS, "currency": "KWD"}, "1.230 KWD"),
        (123000, {**CENTS, "native_digits": {"EUR": 4}}, "12.30 EUR"),
        (12345, {**CENTS, "digits": {"EUR": 4}}, "1.2345 EUR"),
        (500, {"native_currency": "UGX", "form": "minor", "native_digits": {"UGX": 2}}, "5 UGX"),
        ({"amount": "12.3", "currency": "EUR"}, {"form": "object"}, "12.30 EUR"),
        ('{"amount": 12.30, "currency": "eur"}', {"form": "object"}, "12.30 EUR"),
        ({"amount": 1230, "currency": "EUR"}, {"form": "minor-object"}, "12.30 EUR"),
        ({"amount": None, "currency": None}, {"form": "object"}, None),
        ("null", {"form": "object"}, None),
        ("", {"form": "object"}, None),
        (" ", CENTS, None),
    ],
)
def test_each_form_of_a_system_is_read(raw: object, options: dict[str, Any], canonical: str | None) -> None:
    assert read("money", raw, **options) == canonical


@pytest.mark.parametrize(
    ("raw", "options", "reason"),
    [
        ("12.30", {}, "an amount and its currency expected, such as 12.30 EUR"),
        (12, {}, "an amount and its currency expected, such as 12.30 EUR"),
        ("EUR 12 EUR", {}, "an amount and its currency expected, such as 12.30 EUR"),
        ("12,30 EUR", {}, "an amount and its currency expected, such as 12.30 EUR"),
        ("€12", {}, "an amount and its currency expected, such as 12.30 EUR"),
        ("1.2.3 EUR", {}, "a decimal number such as -12.5 expected"),
        ("12.345 EUR", {}, "an amount of at most 2 digits after its point expected"),
        ("1.5 JPY", {}, "an amount of at most 0 digits after its point expected"),
        (0.125, EUR, "an amount of at most 2 digits after its point expected"),
        (0.1 + 0.2, EUR, "an amount expected, not a binary float of more than 15 digits"),
        (90071992547409.94, EUR, "an amount expected, not a binary float of more than 15 digits"),
        ("1 ABC", {}, "a currency of ISO 4217 expected, such as EUR"),
        ("1 XAU", {}, "a currency of ISO 4217 expected, such as EUR"),
        ("1.00 USD", EUR, "an amount in EUR expected"),
        (True, EUR, "a decimal number such as -12.5 expected"),
        (float("nan"), EUR, "a decimal number such as -12.5 expected"),
        (12.5, CENTS, "an integer expected, not a number with a fraction"),
        (2.0**53, CENTS, "an integer expected, not a binary float too large to be exact"),
        (12345, {**CENTS, "native_digits": {"EUR": 4}}, "an amount of at most 2 digits after its point expected"),
        ({"amount": 1}, {"form": "object"}, "an object of amount and currency expected"),
        ({"amount": 1, "currency": "EUR", "tax": 0}, {"form": "object"}, "an object of amount and currency expected"),
        ("[1", {"form": "object"}, "an object of amount and currency expected"),
        ('"' + "9" * 999 + '"', {"form": "object"}, "an object of amount and currency expected"),
        ({"amount": 1, "currency": 978}, {"form": "object"}, "the three letters of a currency expected"),
        ({"amount": None, "currency": "EUR"}, {"form": "minor-object"}, "a whole number of the smallest unit expected"),
    ],
)
def test_what_is_not_exact_or_no_money_is_refused(raw: object, options: dict[str, Any], reason: str) -> None:
    assert refusal("money", raw, **options) == reason


@pytest.mark.parametrize(
    ("value", "kind", "options", "native"),
    [
        ("12.30 EUR", "text", {}, "12.30 EUR"),
        ("12.30 EUR", "json", {}, "12.30 EUR"),
        ("12.30 EUR", "text", EUR, "12.30"),
        ("12.30 EUR", "json", EUR, 12.3),
        ("12.00 EUR", "json", EUR, 12),
        ("12.00 EUR", "integer", EUR, 12),
        ("0.10 EUR", "float", EUR, 0.1),
        ("9007199254740.93 EUR", "json", EUR, 9007199254740.93),
        ("90071992547409.93 EUR", "json", EUR, "90071992547409.93"),
        ("12.30 EUR", "integer", CENTS, 1230),
        ("-0.05 EUR", "text", CENTS, "-5"),
        ("12.30 EUR", "float", CENTS, 1230.0),
        ("1.230 KWD", "integer", {**CENTS, "currency": "KWD"}, 1230),
        ("12 JPY", "integer", {**CENTS, "currency": "JPY"}, 12),
        ("12.30 EUR", "integer", {**CENTS, "native_digits": {"EUR": 4}}, 123000),
        ("12.00 EUR", "integer", {**CENTS, "native_digits": {"EUR": 0}}, 12),
        ("12.30 EUR", "json", {"form": "object"}, {"amount": "12.30", "currency": "EUR"}),
        ("12.30 EUR", "json", {"form": "minor-object"}, {"amount": 1230, "currency": "EUR"}),
        ("12.30 EUR", "text", {"form": "object"}, '{"amount":"12.30","currency":"EUR"}'),
    ],
)
def test_each_form_of_a_system_is_written(value: str, kind: str, options: dict[str, Any], native: object) -> None:
    written = write("money", value, kind, **options)

    assert (written, type(written)) == (native, type(native))
    assert read("money", written, **options) == value


@pytest.mark.parametrize(
    ("value", "kind", "options", "reason"),
    [
        ("1.00 USD", "text", {"native_currency": "EUR", "form": "decimal"}, "an amount in EUR expected"),
        ("1.00 USD", "integer", {"native_currency": "EUR", "form": "minor"}, "an amount in EUR expected"),
        ("12.30 EUR", "integer", EUR, "a whole amount of at most 64 bits expected by an integer column"),
        ("1000000000000001.00 EUR", "float", EUR, "an amount of at most 15 digits expected by a column of floats"),
        ("12.30 EUR", "integer", {**CENTS, "native_digits": {"EUR": 1, "USD": 1}}, None),
        (
            "12.34 EUR",
            "integer",
            {**CENTS, "native_digits": {"EUR": 1}},
            "an amount of at most 1 digits after its point expected by the system",
        ),
        ("9" * 40 + ".00 EUR", "integer", CENTS, "an amount whose smallest unit fits 64 bits expected"),
        ("12.3456 EUR", "text", {}, "an amount of at most 2 digits after its point expected"),
        ("a lot", "text", {}, "an amount and its currency expected, such as 12.30 EUR"),
    ],
)
def test_what_a_system_cannot_hold_exactly_is_refused(
    value: str, kind: str, options: dict[str, Any], reason: str | None
) -> None:
    if reason is None:
        assert write("money", value, kind, **options) == 123
    else:
        assert no_form("money", value, kind, **options) == reason


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"currency": "ABC"}, "`currency` must be a code of ISO 4217"),
        ({"currency": "XAU"}, "`currency` must be a code of ISO 4217"),
        ({"currency": "EUR", "native_currency": "USD"}, "`currency` must be EUR, that of the field"),
        ({"form": "minor"}, "needs `currency`"),
        ({"form": "cents"}, "`form` of money must be one of text, decimal, minor, object, minor-object"),
        ({"digits": {"EUR": 9}}, "`digits` must give currencies 0 to 8 digits"),
        ({"native_digits": {"euro": 2}, "currency": "EUR"}, "`digits` must give currencies 0 to 8 digits"),
    ],
)
def test_options_that_mean_nothing_are_unusable(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Unusable, match=said):
        read("money", "1.00 EUR", **options)


@given(st.integers(-(10**17), 10**17), st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]))
@unhurried
def test_no_unit_is_lost_between_systems_that_count_and_systems_that_write(units: int, known: tuple[str, int]) -> None:
    """F85."""
    currency, places = known
    value = read("money", units, currency=currency, form="minor")

    assert Decimal(str(value).split()[0]).scaleb(places) == units
    assert read("money", write("money", value, "json", form="object"), form="object") == value
    assert write("money", value, "integer", currency=currency, form="minor") == units
