"""Match keys: what is the same to a person is the same key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.translate import match_text


@pytest.mark.parametrize(
    ("type_name", "value", "key"),
    [
        ("email", "Ada.Lovelace@example.com", "ada.lovelace@example.com"),
        ("email", "STRASSE@bücher.example", "strasse@bücher.example"),
        ("email", "straße@bücher.example", "strasse@bücher.example"),
        ("phone", "+14155550132", "+14155550132"),
        ("text", " C-0017 ", "c-0017"),
        ("text", "Ｃ－0017", "c-0017"),
        ("text", "ﬁne", "fine"),
        ("text", "e\u0301", "é"),
        ("text", "017", "017"),
        ("integer", 17, "17"),
        ("date", "2024-02-29", "2024-02-29"),
        ("url", "https://Example.com/A", "https://Example.com/A"),
    ],
)
def test_match_keys(type_name: str, value: object, key: str) -> None:
    assert match_text(type_name, value) == key


@given(st.sampled_from(["email", "text"]), st.text(min_size=1))
def test_a_match_key_is_its_own_match_key(type_name: str, value: str) -> None:
    key = match_text(type_name, value)

    assert match_text(type_name, key) == key
