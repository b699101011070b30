"""JSON documents: what has the same content is the same text, exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.translate.translating import no_form, read, refusal, write

unhurried = settings(deadline=None)
"""Libraries are loaded when the first value needs them, which may take a while on a busy machine."""

NUMBERS = st.integers(-(2**80), 2**80) | st.decimals(-(10**20), 10**20, places=12).map(float)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.text() | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ('{"b": 1, "a": [1, 2]}', '{"a":[1,2],"b":1}'),
        ({"b": 1, "a": [1, 2]}, '{"a":[1,2],"b":1}'),
        (["b", "a", "b"], '["b","a","b"]'),
        ('{"é": "\\u00e9", "A": "\\n"}', '{"A":"\\n","é":"é"}'),
        ("[1, 1.0, 10e-1, 1E0, -0, 0.10]", "[1,1,1,1,0,0.1]"),
        ([1, 1.0, True, False, None], "[1,1,true,false,null]"),
        ("[12345678901234567890123]", "[12345678901234567890123]"),
        ("[0.12345678901234567890123]", "[0.12345678901234567890123]"),
        ([2.5e90], "[25" + "0" * 89 + "]"),
        ([10**100 - 1], "[" + "9" * 100 + "]"),
        ([0.1, 1e22], "[0.1,10000000000000000000000]"),
        ('"text"', '"text"'),
        (5, "5"),
        (b"{}", "{}"),
        ("{}", "{}"),
        ("[]", "[]"),
        ("null", None),
        (" null ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_document_has_one_form(raw: object, canonical: str | None) -> None:
    """F08."""
    assert read("json", raw) == canonical
    assert read("json", canonical) == canonical


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("{", "a JSON document expected"),
        ("{'a': 1}", "a JSON document expected"),
        ("[1] [2]", "a JSON document expected"),
        ("[NaN]", "JSON without NaN and infinity expected"),
        ([float("inf")], "a decimal number expected, not infinity or NaN"),
        ('{"a": 1, "a": 2}', "an object with each name once expected"),
        ('["\\ud800"]', "text expected, not half a surrogate pair"),
        ("[1e999]", "a decimal number of at most 100 digits expected"),
        ([10**100], "numbers of at most 100 digits expected"),
        ("[" * 70 + "]" * 70, "JSON of at most 64 levels expected"),
        ("[" * 200_000, "a JSON document expected"),
        ("[" + "9" * 5000 + "]", "a JSON document expected"),
        ([b"x"], "a JSON document expected"),
        ({1: 2}, "a JSON document expected"),
    ],
)
def test_what_is_no_document_is_refused(raw: object, reason: str) -> None:
    assert refusal("json", raw) == reason


def test_a_document_may_have_a_longest_form() -> None:
    assert read("json", '{ "a" :      1 }', max_length=7) == '{"a":1}'
    assert refusal("json", '{"a":12}', max_length=7) == "longer than 7 characters"


def test_where_a_column_holds_values_a_text_is_a_text() -> None:
    assert read("json", '{"a": 1}', decoded=True) == '"{\\"a\\": 1}"'
    assert read("json", "", decoded=True) == '""'
    assert read("json", {"a": 1}, decoded=True) == '{"a":1}'
    assert read("json", None, decoded=True) is None


def test_it_is_written_as_a_value_where_a_column_holds_values_and_as_a_text_elsewhere() -> None:
    value = read("json", {"b": [1.5, 10**20], "a": None})

    assert write("json", value) == '{"a":null,"b":[1.5,100000000000000000000]}'
    assert write("json", value, "bytes") == b'{"a":null,"b":[1.5,100000000000000000000]}'
    assert write("json", value, "json") == {"a": None, "b": [1.5, 10**20]}
    assert write("json", None, "json") is None


def test_all_digits_are_kept_in_each_kind_of_column() -> None:
    value = read("json", "[0.12345678901234567890]")

    assert write("json", value, "json") == [Decimal("0.1234567890123456789")]
    assert read("json", [Decimal("0.12345678901234567890")], decoded=True) == value
    assert write("json", value, "text") == "[0.1234567890123456789]"


def test_what_is_not_canonical_is_not_written() -> None:
    assert no_form("json", "[1, 2]") == "a JSON document expected"


@given(DOCUMENTS)
@unhurried
def test_a_document_keeps_its_content(document: Any) -> None:
    canonical = read("json", document, decoded=True)

    if document is None:
        assert canonical is None
        return
    assert json.loads(str(canonical), parse_float=Decimal) == json.loads(json.dumps(document), parse_float=Decimal)
    assert read("json", write("json", canonical, "json"), decoded=True) == canonical
    assert read("json", json.dumps(document, indent=2)) == canonical
