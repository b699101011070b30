"""Consent, boolean and enum: few values, in many words."""

from __future__ import annotations

from typing import Any

import pytest

from datasyncd.adapters.translate import FieldTypeOptions, Unusable
from datasyncd.adapters.translate.types import reader
from tests.adapters.translate.translating import no_form, read, refusal, write

STAGES = ("lead", "active", "cancelled")
OPTED_OUT = {"1": False, "0": True}
"""A column that says the opposite."""


@pytest.mark.parametrize("raw", [True, 1, 1.0, "1", "true", "TRUE", "Yes", "in", " IN ", b"true"])
def test_an_opt_in(raw: object) -> None:
    assert read("consent", raw) == "in"


@pytest.mark.parametrize("raw", [False, 0, 0.0, -0.0, "0", "false", "False", "NO", "out", b"0"])
def test_an_opt_out(raw: object) -> None:
    assert read("consent", raw) == "out"


@pytest.mark.parametrize("raw", [None, "", " "])
def test_blank_is_unknown(raw: object) -> None:
    assert read("consent", raw) is None


@pytest.mark.parametrize("raw", ["y", "on", "subscribed", 2, -1, 0.5, [], {}, [True], float("nan"), "\ud800"])
def test_a_consent_is_never_guessed(raw: object) -> None:
    assert refusal("consent", raw) == "one of true, false, 1, 0, yes, no, in, out expected"


@pytest.mark.parametrize(
    ("kind", "opt_in", "opt_out"),
    [
        ("text", "true", "false"),
        ("boolean", True, False),
        ("integer", 1, 0),
        ("float", 1.0, 0.0),
        ("json", True, False),
        ("any", True, False),
        ("bytes", b"true", b"false"),
    ],
)
def test_how_a_consent_is_written(kind: str, opt_in: Any, opt_out: Any) -> None:
    natives = [write("consent", value, kind) for value in ("in", "out", None)]

    assert natives == [opt_in, opt_out, None]
    assert [type(native) for native in natives] == [type(opt_in), type(opt_out), type(None)]


def test_with_words_of_its_own_a_system_is_understood_by_these_only() -> None:
    words: dict[str, Any] = {"native_values": {"Y": True, "N": False}}

    assert [read("consent", raw, **words) for raw in ("Y", "N", "y", " n ", "", None)] == [
        "in",
        "out",
        "in",
        "out",
        None,
        None,
    ]
    assert [write("consent", value, **words) for value in ("in", "out", None)] == ["Y", "N", None]
    assert refusal("consent", "true", **words) == "one of Y, N expected"
    assert refusal("consent", True, **words) == "one of Y, N expected"


@pytest.mark.parametrize("raw", [1, True, 1.0, "1"])
def test_a_column_may_say_the_opposite(raw: object) -> None:
    assert read("consent", raw, native_values=OPTED_OUT) == "out"
    assert write("consent", "out", "integer", native_values=OPTED_OUT) == 1
    assert write("consent", "out", "boolean", native_values=OPTED_OUT) is True
    assert write("consent", "out", "json", native_values=OPTED_OUT) == 1


def test_a_word_for_unknown_and_a_meaning_of_blank() -> None:
    words: dict[str, Any] = {"native_values": {"U": "unknown", "Y": "in", "N": "out"}}
    box: dict[str, Any] = {"native_values": {"X": True, "": False}}

    assert read("consent", "U", **words) is None
    assert write("consent", None, **words) == "U"
    assert [read("consent", raw, **box) for raw in ("X", "", None, " ")] == ["in", "out", "out", "out"]
    assert write("consent", "out", **box) == ""
    assert no_form("consent", None, **box) == "a value expected: `values` gives the blank another meaning"


def test_an_opt_out_must_have_a_form() -> None:
    with pytest.raises(Unusable, match="opt-out"):
        write("consent", "in", native_values={"Y": True})
    with pytest.raises(Unusable, match="opt-out"):
        write("consent", "in", "integer", native_values={"1": True, "N": False})
    with pytest.raises(Unusable, match="may only mean"):
        read("consent", "Y", native_values={"Y": "maybe"})


def test_what_is_no_consent_is_not_written() -> None:
    strangers: list[Any] = ["yes", True, 1, [], "IN"]
    for value in strangers:
        assert no_form("consent", value) == "a value that the system has a form for expected"


@pytest.mark.parametrize(
    ("raw", "truth"), [(True, True), (0, False), ("Yes", True), ("false", False), ("", None), (None, None)]
)
def test_a_boolean(raw: object, truth: bool | None) -> None:
    assert read("boolean", raw) is truth


def test_how_a_boolean_is_written() -> None:
    assert [write("boolean", True, kind) for kind in ("boolean", "integer", "text", "json")] == [True, 1, "true", True]
    assert refusal("boolean", "in") == "one of true, false, 1, 0, yes, no expected"
    assert [write("boolean", value, native_values={"J": True, "N": False}) for value in (True, False)] == ["J", "N"]


@pytest.mark.parametrize("raw", ["active", "ACTIVE", " Active "])
def test_an_enum_is_compared_exactly_and_then_without_case(raw: str) -> None:
    assert read("enum", raw, values=STAGES) == "active"
    assert read("enum", "a", values=("A", "a")) == "a"
    assert read("enum", "A", values=("A", "a")) == "A"


def test_an_unknown_value_lists_what_is_allowed() -> None:
    """F87."""
    assert refusal("enum", "secret", values=STAGES) == "one of lead, active, cancelled expected"
    assert refusal("enum", True, values=STAGES) == "one of lead, active, cancelled expected"
    assert refusal("enum", "x", values=tuple(f"v{n}" for n in range(50))).endswith("v39 and 10 more expected")


def test_an_enum_in_the_words_of_a_system() -> None:
    words: dict[str, Any] = {"values": STAGES, "native_values": {"A": "active", "AC": "active", "lead": "cancelled"}}

    assert [read("enum", raw, **words) for raw in ("A", "AC", "ac", "active", "lead")] == [*["active"] * 4, "cancelled"]
    assert [write("enum", value, **words) for value in ("active", "cancelled")] == ["A", "lead"]
    assert no_form("enum", "lead", **words) == "a value that the system has a form for expected"


def test_an_enum_of_numbers() -> None:
    words: dict[str, Any] = {"values": ("gold", "silver"), "native_values": {"1": "gold", "2": "silver"}}

    assert [read("enum", raw, **words) for raw in (1, "1", 2.0)] == ["gold", "gold", "silver"]
    assert [write("enum", "gold", kind, **words) for kind in ("integer", "text", "float")] == [1, "1", 1.0]
    assert write("enum", "3", "integer", values=("3", "4")) == 3
    assert refusal("enum", 3, **words) == "one of 1, 2, gold, silver expected"


def test_an_enum_needs_values_that_its_words_may_mean() -> None:
    for options in ({}, {"values": STAGES, "native_values": {"A": "activ"}}):
        with pytest.raises(Unusable, match="values"):
            reader(FieldTypeOptions(name="enum", **options))  # type: ignore[arg-type]


def test_a_text_may_stand_for_another() -> None:
    words: dict[str, Any] = {"native_values": {"DE": "Germany", "Unknown": ""}}

    assert [read("text", raw, **words) for raw in ("DE", "Unknown", "France", None)] == [
        "Germany",
        None,
        "France",
        None,
    ]
    assert [write("text", value, **words) for value in ("Germany", "France", None)] == ["DE", "France", "Unknown"]
    assert no_form("text", "DE", **words) == "a text that `values` gives no other meaning expected"
    assert no_form("text", "Unknown", **words) == "a text that `values` gives no other meaning expected"


def test_words_are_for_few_types_only() -> None:
    with pytest.raises(Unusable, match="boolean, consent, country, enum, language, text"):
        read("phone", "1", native_values={"1": "2"})
