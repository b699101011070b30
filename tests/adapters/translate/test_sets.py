"""Sets: unique, sorted, and blank when empty."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.adapters.translate import FieldTypeOptions, Invalid, Unusable
from datasyncd.adapters.translate.types import reader
from tests.adapters.translate.translating import no_form, read, refusal, write


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (["vip", "beta", "vip"], ["beta", "vip"]),
        ("vip;beta;;vip", ["beta", "vip"]),
        (" vip ; beta ", ["beta", "vip"]),
        ([" vip", "", None, "VIP"], ["VIP", "vip"]),
        ([1, "2"], ["1", "2"]),
        (("b", "a"), ["a", "b"]),
        ("👋;é", ["é", "👋"]),
        (b"b;a", ["a", "b"]),
        (7, ["7"]),
        ([], None),
        ("", None),
        (" ; ;", None),
        (None, None),
    ],
)
def test_elements_are_unique_sorted_and_trimmed(raw: object, canonical: list[str] | None) -> None:
    assert read("set", raw) == canonical
    assert read("set", canonical) == canonical


def test_another_separator_or_a_json_array() -> None:
    assert read("set", "a, b;c", separator=",") == ["a", "b;c"]
    assert write("set", ["a", "b;c"], separator=",") == "a,b;c"
    assert read("set", '["b", "a;c"]', separator="json") == ["a;c", "b"]
    assert write("set", ["a;c", "é"], separator="json") == '["a;c","é"]'
    assert read("set", " ", separator="json") is None
    assert refusal("set", "a;b", separator="json") == "a JSON array of texts expected"
    assert refusal("set", "[" * 100_000, separator="json") == "a JSON array of texts expected"


def test_how_a_set_is_written() -> None:
    value = ["a", "b"]

    assert [write("set", value, kind) for kind in ("list", "json", "text", "any")] == [value, value, "a;b", "a;b"]
    assert write("set", value, "bytes") == b"a;b"
    assert write("set", value, "list") is not value
    assert [write("set", None, kind, nullable=False) for kind in ("list", "json", "text")] == [[], [], ""]
    assert [write("set", None, kind) for kind in ("list", "json", "text")] == [None, None, None]


def test_a_blank_is_a_new_list_each_time() -> None:
    written = write("set", None, "list", nullable=False)
    written.append("x")

    assert write("set", None, "list", nullable=False) == []


def test_what_would_come_back_as_two_elements_is_not_written() -> None:
    assert no_form("set", ["a;b", "c"]) == "elements that do not contain the separator expected"
    assert no_form("set", "a;b") == "a list of texts expected"
    assert no_form("set", [1], "list") == "a list of texts expected"


@pytest.mark.parametrize("raw", [{"a": 1}, [["a"]], [{"a": 1}], True, [True], b"\xff", ["\ud800"]])
def test_what_is_no_list_of_texts_is_refused(raw: object) -> None:
    assert "expected" in refusal("set", raw)


def test_sizes_are_bounded() -> None:
    assert len(read("set", [str(n) for n in range(1_000)] * 2)) == 1_000
    assert refusal("set", [str(n) for n in range(1_001)]) == "at most 1000 elements expected"
    assert refusal("set", ["a" * 40_000, "b" * 40_000]) == "longer than 65536 characters"
    assert refusal("set", "a" * 300_000) == "longer than 65536 characters"
    assert refusal("set", ["abc", "abcd"], max_length=3) == "longer than 3 characters"


@pytest.mark.parametrize("raw", [5, 1.5, True, "a", "a;b", "", {"a": 1}, [1, None, "a"], [None], [1], [["a"]], [{}]])
def test_of_json_only_an_array_of_texts_is_a_set(raw: object) -> None:
    assert from_json(raw) == "a JSON array of texts expected"


def test_a_set_in_json_is_an_array_or_null() -> None:
    assert [from_json(raw) for raw in (["b", " a", "b", ""], [], None)] == [["a", "b"], None, None]


def test_a_separator_makes_texts_in_json_sets_too() -> None:
    assert from_json("b,a", separator=",") == from_json(["b", "a"], separator=",") == ["a", "b"]
    assert from_json('["b","a"]', separator="json") == ["a", "b"]
    assert from_json(write("set", ["a"], "json", separator=","), separator=",") == ["a"]
    assert from_json(write("set", None, "json", nullable=False, separator=","), separator=",") is None
    wrongs: tuple[object, ...] = (5, [1], [None], {})
    for wrong in wrongs:
        assert from_json(wrong, separator=",") == "a JSON array of texts expected"


@pytest.mark.parametrize("raw", ["5", '"a"', '["a",1]', '["a",null]', "{}"])
def test_a_json_array_in_a_text_is_one_of_texts(raw: str) -> None:
    assert refusal("set", raw, separator="json") == "a JSON array of texts expected"


def from_json(raw: object, **options: Any) -> object:
    """What is read from a JSON value, or why nothing is."""
    try:
        return reader(FieldTypeOptions(name="set", **options), "json")(raw)
    except Invalid as refused:
        return refused.reason


def test_a_separator_must_be_something() -> None:
    with pytest.raises(Unusable, match="separator"):
        reader(FieldTypeOptions(name="set", separator=""))
