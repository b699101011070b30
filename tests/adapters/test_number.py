"""Numbers of JSON: none is rounded on its way in or out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasyncd.adapters.number import json_text, number

unhurried = settings(deadline=None)
"""Libraries are loaded when the first value needs them, which may take a while on a busy machine."""

DIGITS = st.builds(
    "{}.{}{}".format,
    st.integers(-(10**30), 10**30),
    st.text("0123456789", min_size=1, max_size=30),
    st.sampled_from(["", "e5", "E-20", "e+300", "e-400"]),
)


@pytest.mark.parametrize("text", ["0.1", "1e2", "-0.0", "1.50", "5e-324", "1.7976931348623157e308"])
def test_a_number_that_a_float_holds_is_a_float(text: str) -> None:
    assert (number(text), type(number(text))) == (float(text), float)


@pytest.mark.parametrize("text", ["0.12345678901234567890", "1e400", "-1e-400", "9007199254740993.0"])
def test_a_number_that_no_float_holds_keeps_its_digits(text: str) -> None:
    assert (number(text), type(number(text))) == (Decimal(text), Decimal)


@given(DIGITS)
@unhurried
def test_a_number_is_what_was_written(text: str) -> None:
    found = number(text)

    assert Decimal(repr(found) if isinstance(found, float) else found) == Decimal(text)
    assert json.loads(json_text([found]), parse_float=Decimal) == [Decimal(text)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, "ü"]}, '{"a":[1,2.5,null,"ü"]}'),
        ({"a": [Decimal("0.10"), True], "b\n": {"c": "d"}}, '{"a":[0.10,true],"b\\n":{"c":"d"}}'),
        (Decimal("1E+30"), "1E+30"),
        (2**80, "1208925819614629174706176"),
    ],
)
def test_a_value_is_written_with_all_its_digits(value: Any, text: str) -> None:
    assert json_text(value) == text
    assert msgspec.json.decode(text) is not None


@pytest.mark.parametrize(
    "value",
    [b"x", float("nan"), [Decimal("NaN")], [Decimal(1), b"x"], [Decimal(1), float("inf")], {1: Decimal(2)}],
)
def test_what_json_has_no_form_for_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_text(value)
