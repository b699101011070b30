"""Integers and decimals: exact, or refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.adapters.translate.translating import no_form, read, refusal, write

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (0, 0),
        (LARGEST, LARGEST),
        (-(2**63), -(2**63)),
        (str(LARGEST), LARGEST),
        ("-9223372036854775808", -(2**63)),
        (" +007 ", 7),
        ("17.0", 17),
        ("17.", 17),
        (17.0, 17),
        (-0.0, 0),
        (2.0**53 - 1, 2**53 - 1),
        (Decimal("17.00"), 17),
        (b"17", 17),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_an_integer(raw: object, canonical: int | None) -> None:
    assert read("integer", raw) == canonical


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (2**63, "an integer of at most 64 bits expected"),
        ("9223372036854775808", "an integer of at most 64 bits expected"),
        ("9" * 5000, "an integer expected"),
        (1.5, "an integer expected, not a number with a fraction"),
        (float("nan"), "an integer expected, not a number with a fraction"),
        (float("inf"), "an integer expected, not a number with a fraction"),
        (2.0**53, "an integer expected, not a binary float too large to be exact"),
        (True, "an integer expected"),
        ("1e3", "an integer expected"),
        ("1,000", "an integer expected"),
        ("١٧", "an integer expected"),
        ([], "an integer expected"),
    ],
)
def test_what_is_no_integer_is_refused(raw: object, reason: str) -> None:
    assert refusal("integer", raw) == reason


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("12.5", "12.5"),
        ("12.50", "12.5"),
        ("1200", "1200"),
        ("+1.", "1"),
        (".5", "0.5"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("00012", "12"),
        ("1E3", "1000"),
        ("1.25e-3", "0.00125"),
        (" 7 ", "7"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (5e-7, "0.0000005"),
        (-0.0, "0"),
        (17, "17"),
        (10**99, "1" + "0" * 99),
        (Decimal("1.10"), "1.1"),
        (Decimal("1." + "1" * 60), "1." + "1" * 60),
        ("1." + "1" * 60 + "0", "1." + "1" * 60),
        (b"1.0", "1"),
        ("", None),
        (None, None),
    ],
)
def test_a_decimal_has_one_normal_form(raw: object, canonical: str | None) -> None:
    assert read("decimal", raw) == canonical
    assert read("decimal", canonical) == canonical


@pytest.mark.parametrize(
    "raw", ["1,5", "1.2.3", "1 000", "0x1F", "NaN", "inf", "١", "1e9999", True, [], "9" * 301, "-", "."]
)
def test_what_is_no_decimal_is_refused(raw: object) -> None:
    assert refusal("decimal", raw) == "a decimal number such as -12.5 expected"


@pytest.mark.parametrize(
    "raw", [10**100, "1e100", "1e-101", 1e300, 5e-324, pytest.param(10**5000, id="wide"), "1e-999", Decimal("1e-99999")]
)
def test_a_decimal_of_too_many_digits_is_refused(raw: object) -> None:
    assert refusal("decimal", raw).startswith("a decimal number of at most 100 digits")


def test_what_is_not_finite_is_no_decimal() -> None:
    assert refusal("decimal", Decimal("NaN")) == "a decimal number expected, not infinity or NaN"
    assert refusal("decimal", float("inf")) == "a decimal number such as -12.5 expected"


@pytest.mark.parametrize(
    ("value", "kind", "native"),
    [
        ("12.5", "text", "12.5"),
        ("12.5", "json", 12.5),
        ("12", "json", 12),
        ("0.1", "any", 0.1),
        ("0.12345678901234567890", "json", "0.12345678901234567890"),
        ("9007199254740993", "json", "9007199254740993"),
        ("12", "integer", 12),
        ("12.5", "float", 12.5),
    ],
)
def test_a_decimal_is_written_as_a_number_where_that_is_exact(value: str, kind: str, native: object) -> None:
    value = read("decimal", value)
    written = write("decimal", value, kind)

    assert (written, type(written)) == (read("decimal", native) if isinstance(native, str) else native, type(native))


def test_a_column_of_floats_rounds() -> None:
    assert read("decimal", write("decimal", "0.12345678901234567891", "float")) == "0.12345678901234568"
    assert no_form("decimal", "9" * 100, "float") == "a decimal number of at most 100 digits expected"


@pytest.mark.parametrize(
    ("value", "kind", "native"), [(5, "text", "5"), (5, "float", 5.0), (5, "json", 5), (-5, "bytes", b"-5")]
)
def test_an_integer_in_each_kind_of_column(value: int, kind: str, native: Any) -> None:
    assert write("integer", value, kind) == native


def test_what_a_column_cannot_hold_exactly_is_refused() -> None:
    assert no_form("integer", 2**53, "float") == "an integer below 2^53 expected by a column of floats"
    assert no_form("decimal", "0.5", "integer") == "a whole number of at most 64 bits expected by an integer column"
    assert no_form("decimal", str(2**63), "integer").startswith("a whole number of at most 64 bits")
    assert no_form("integer", "5") == "an integer expected"
    assert no_form("decimal", 5) == "a decimal number expected"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**90), max_value=10**90, places=9))
def test_a_decimal_keeps_its_worth(number: Decimal) -> None:
    canonical = read("decimal", str(number))

    assert Decimal(canonical) == number
    assert read("decimal", canonical) == canonical


@given(st.floats(min_value=-1e90, max_value=1e90))
def test_a_float_is_read_as_its_shortest_text(number: float) -> None:
    if abs(number) > 1e-80 or number == 0:
        assert float(read("decimal", number)) == number
