"""What was written comes back: every type in every kind of column that can hold it."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasyncd.adapters.contract import Column, Undecodable
from datasyncd.adapters.translate import TYPES, FieldTypeOptions, Invalid, Unusable
from datasyncd.adapters.translate.dates import edited_at
from datasyncd.adapters.translate.field_type import Form, Kind
from datasyncd.adapters.translate.types import form, reader
from tests.adapters.translate.translating import field, published, record, translation

unhurried = settings(deadline=None)
"""Libraries are loaded when the first value needs them, which may take a while on a busy machine."""

KINDS = get_args(Kind)
ADDRESSES = [row["address"] for row in published("email_syntax.csv") if "\\" not in row["address"]]
NUMBERS = [row["national"] for row in published("phone_examples.csv") if row["region"] == "US"] + [
    row["international"] for row in published("phone_examples.csv")
]
TEXTS = st.one_of(st.text(), st.sampled_from(["", "0", "17", "-3", "017", "a;b", "A", "👩‍👩‍👧", "é", "e\u0301", " x "]))

OPTIONS: dict[str, dict[str, Any]] = {
    "phone": {"region": "US"},
    "enum": {"values": ("lead", "active", "1", "2")},
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, OPTIONS.get(name, {})) for name in TYPES),
    ("text", {"native_values": {"A": "active", "0": "none", "": "?"}}),
    ("text", {"native_values": {"Unknown": "", "17": "x"}}),
    ("enum", {"values": ("gold", "silver"), "native_values": {"1": "gold", "2": "silver"}}),
    ("consent", {"native_values": {"Y": True, "N": False, "U": "unknown"}}),
    ("consent", {"native_values": {"1": False, "0": True}}),
    ("consent", {"native_values": {"x": True, "": False}}),
    ("boolean", {"native_values": {"true": False, "false": True}}),
    ("datetime", {"zone": "Europe/Berlin"}),
    ("datetime", {"zone": "UTC"}),
    ("set", {"separator": ","}),
    ("set", {"separator": "json"}),
    ("country", {"form": "alpha-3"}),
    ("country", {"form": "name"}),
    ("country", {"form": "name", "locale": "de"}),
    ("country", {"native_values": {"Deutschland": "DE", "EU": "", "FR": "GB"}}),
    ("language", {"form": "underscore"}),
    ("language", {"native_values": {"1": "de", "2": "en-GB", "": "fr"}}),
    ("money", {"currency": "EUR"}),
    ("money", {"currency": "JPY", "form": "minor"}),
    ("money", {"currency": "KWD", "form": "minor"}),
    ("money", {"currency": "EUR", "form": "minor", "native_digits": {"EUR": 4}}),
    ("money", {"native_currency": "USD", "form": "minor"}),
    ("money", {"native_currency": "USD", "form": "decimal"}),
    ("money", {"digits": {"EUR": 4}, "form": "object"}),
    ("money", {"form": "minor-object"}),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF", "XAU", "eur", "EU"])


def encoded(value: Any) -> str:
    """The text of a JSON value, as somebody may have written it."""
    return json.dumps(value, default=repr, indent=1)


NATIVES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS | st.integers(-(2**63) + 1, 2**63 - 1),
    "url": st.text(string.ascii_letters + "é/?#&=. ").map(lambda rest: "https://h" + rest),
    "email": st.emails() | st.sampled_from(ADDRESSES) | st.text("aÉ@.xn-bücher", max_size=16),
    "phone": st.sampled_from(NUMBERS) | st.text("+0123456789 ()", max_size=18),
    "integer": st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**53), 2**53).map(float) | st.integers().map(str),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.floats() | st.integers(),
    "boolean": st.booleans() | st.sampled_from([0, 1, "yes", "No", ""]),
    "date": st.dates().map(str) | st.datetimes().map(str),
    "datetime": st.datetimes().map(str) | st.datetimes(timezones=st.timezones()) | st.integers(0, 2**42),
    "enum": st.sampled_from(["lead", "ACTIVE", 1, "2", "1", "gold", "Silver", 2.0, ""]),
    "set": st.lists(TEXTS) | st.lists(st.sampled_from(["a", "b", "c;d"])) | TEXTS,
    "country": st.sampled_from(
        ["DE", "de", "DEU", "fra", "UK", "XK", "Germany", "deutschland", "Türkiye", "EU", "FR", ""]
    ),
    "language": st.sampled_from(["de", "DE-ch", "zh_hant_tw", "en-UK", "ger", "iw", "es-419", "de-1996", "x", "1", ""]),
    "money": st.builds("{} {}".format, st.decimals(allow_nan=False, allow_infinity=False, places=2), CURRENCIES)
    | st.builds("{} {}".format, st.integers(), CURRENCIES)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.integers()
    | st.floats()
    | st.fixed_dictionaries({"amount": st.integers() | st.decimals().map(str) | st.floats(), "currency": CURRENCIES}),
    "json": JSON | JSON.map(encoded),
    "consent": st.sampled_from(["in", "out", True, False, 1, 0, "Y", "n", "U", "x", "", None]),
}


def holding(name: str, options: dict[str, Any], kind: Kind, *, nullable: bool, text_only: bool) -> Form | None:
    try:
        return form(FieldTypeOptions(name=name, **options), Column("c", kind, nullable=nullable), text_only=text_only)
    except Unusable:
        return None


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@given(data=st.data())
@unhurried
def test_a_round_trip_is_the_identity_or_is_declared(name: str, options: dict[str, Any], data: st.DataObject) -> None:
    known = FieldTypeOptions(name=name, **options)
    raw = data.draw(NATIVES[name] | JSON)
    try:
        value = reader(known)(raw)
    except Invalid:
        return
    for kind in KINDS:
        for nullable, text_only in ((True, False), (False, False), (False, True)):
            read = reader(known, "text" if text_only else kind)
            found = holding(name, options, kind, nullable=nullable, text_only=text_only)
            if found is None:
                continue
            native = written(found, value)
            if native is REFUSED:
                assert found.limit is not None or value is None or options, kind
                continue
            back = read(native)
            if found.identity:
                assert (back, type(back)) == (value, type(value)), kind
            assert read(found.write(back)) == back, "the stored form is stable"
            assert fits(native, "text" if text_only else kind, nullable and not text_only)


REFUSED = object()


def written(found: Form, value: Any) -> Any:
    """The native value, or `REFUSED`."""
    return REFUSED if reason_of(found.write, value) is not None else found.write(value)


def fits(native: Any, kind: str, nullable: bool) -> bool:
    if native is None:
        return nullable or kind in ("boolean", "integer", "float", "json", "any")
    types = {"text": str, "integer": int, "float": float, "boolean": bool, "list": list, "bytes": bytes}
    return kind not in types or type(native) is types[kind]


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@given(raw=JSON)
@unhurried
def test_anything_is_read_or_refused_without_being_named(name: str, options: dict[str, Any], raw: Any) -> None:
    read = reader(FieldTypeOptions(name=name, **options))
    reason = reason_of(read, raw)
    if reason is not None:
        assert "expected" in reason or "longer than" in reason
        assert not isinstance(raw, str) or len(raw) < 12 or raw not in reason
        return
    value = read(raw)
    assert value is None or isinstance(value, bool | int | str | list)
    assert value not in ("", [])
    assert "native_values" in options or read(value) == value


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize("data", [b"\xff", "é".encode(), b"", b"true", b"0"])
def test_bytes_that_could_not_be_decoded_are_a_value_of_no_type(
    name: str, options: dict[str, Any], data: bytes
) -> None:
    raw = Undecodable(data, "utf-8")
    found = translation(
        field(1, "one", name, **options),
        field(2, "two", "text"),
        columns=(Column("one", "text"), Column("two", "text")),
    ).reading(record(one=raw, two="x"))

    assert (found.values, found.invalid) == ({2: "x"}, {1: (raw, "text in utf-8 expected, not bytes that are none")})
    assert edited_at(raw) is None


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@given(value=JSON)
@unhurried
def test_anything_is_written_or_refused(name: str, options: dict[str, Any], value: Any) -> None:
    for kind in KINDS:
        found = holding(name, options, kind, nullable=True, text_only=False)
        reason = None if found is None else reason_of(found.write, value)
        assert reason is None or "expected" in reason


def reason_of(step: Callable[[Any], Any], value: Any) -> str | None:
    """Why the value is refused; None if it is not. Nothing else may be raised."""
    try:
        step(value)
    except Invalid as refused:
        return refused.reason
    return None


HOLDS = {
    "text": {"text", "json", "any", "bytes", "integer"},
    "email": {"text", "json", "any", "bytes"},
    "phone": {"text", "json", "any", "bytes"},
    "integer": {"text", "json", "any", "bytes", "integer", "float"},
    "decimal": {"text", "json", "any", "bytes", "integer", "float"},
    "boolean": {"text", "json", "any", "bytes", "integer", "float", "boolean"},
    "date": {"text", "json", "any", "bytes"},
    "datetime": {"text", "json", "any", "bytes"},
    "enum": {"text", "json", "any", "bytes", "integer", "float", "boolean"},
    "set": {"text", "json", "any", "bytes", "list"},
    "consent": {"text", "json", "any", "bytes", "integer", "float", "boolean"},
    "url": {"text", "json", "any", "bytes"},
    "money": {"text", "json", "any", "bytes"},
    "country": {"text", "json", "any", "bytes"},
    "language": {"text", "json", "any", "bytes"},
    "json": {"text", "json", "any", "bytes"},
}


@pytest.mark.parametrize("name", TYPES)
def test_which_columns_can_hold_a_type(name: str) -> None:
    kinds = {k for k in KINDS if holding(name, OPTIONS.get(name, {}), k, nullable=True, text_only=False)}

    assert kinds == HOLDS[name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_is_null_or_what_the_column_has_for_it(kind: Kind) -> None:
    name = "set" if kind == "list" else "boolean" if kind == "boolean" else "integer" if kind == "float" else "text"
    nullable = holding(name, {}, kind, nullable=True, text_only=False)
    strict = holding(name, {}, kind, nullable=False, text_only=False)
    cell = holding(name, {}, kind, nullable=True, text_only=True)

    assert nullable is not None
    assert strict is not None
    assert cell is not None
    assert (nullable.write(None), cell.write(None)) == (None, "")
    if kind in ("integer", "float", "boolean"):
        with pytest.raises(Invalid, match="the column takes no blank"):
            strict.write(None)
    else:
        assert strict.write(None) == {"list": [], "bytes": b""}.get(kind, "")
