"""Keeps: what a column makes of a value is a form that it then keeps."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.contract import Column
from datasyncd.adapters.keeps import (
    ADDRESSES,
    BITS,
    DAYS,
    LINES,
    TRIMMED,
    UUIDS,
    Keeps,
    floats,
    moments,
    numbers,
    padded,
    times,
)
from datasyncd.adapters.mysql.form import keeps_of
from datasyncd.adapters.number import shortest
from datasyncd.adapters.sqlite.table import NUMERIC
from tests.adapters.translate.translating import field, translation

BINARY_JSON = keeps_of("json", None, 0, 0)
assert BINARY_JSON is not None
ALL = [ADDRESSES, BITS, DAYS, LINES, TRIMMED, UUIDS, NUMERIC, BINARY_JSON, padded(8), times(3), numbers(), numbers(2),
       numbers(-2), moments(utc=True), moments(utc=False, places=3), moments(utc=False, places=0), floats(),
       floats(single=True), floats(places=2), floats(single=True, places=1)]  # fmt: skip
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False)
NATIVES = st.one_of(
    st.text(max_size=30), st.binary(max_size=12), st.floats(), st.integers(), st.lists(st.text(max_size=5), max_size=3),
    NUMBERS.map(str), st.datetimes().map(str), st.datetimes().map(lambda at: at.isoformat() + "Z"), st.times().map(str),
    st.dates().map(str), st.uuids().map(lambda known: str(known).upper()), st.ip_addresses().map(str),
    st.dictionaries(st.text(max_size=3), st.integers() | NUMBERS, max_size=3),
)  # fmt: skip


@pytest.mark.parametrize("keeps", ALL, ids=lambda keeps: keeps.what)
@given(native=NATIVES)
def test_what_is_kept_stays_what_it_is(keeps: Keeps, native: Any) -> None:
    assert keeps.of is not None
    kept = keeps.of(native)

    assert kept is None or kept != kept or (type(keeps.of(kept)), keeps.of(kept)) == (type(kept), kept)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_number_is_the_same_one_in_32_bits(value: float) -> None:
    assert struct.pack("f", shortest(value)) == struct.pack("f", value)
    assert len(Decimal(repr(shortest(value))).normalize().as_tuple().digits) <= 9


@pytest.mark.parametrize(
    ("keeps", "native", "kept"),
    [
        (numbers(2), "1.005", "1.01"),
        (numbers(2), "-1.005", "-1.01"),
        (numbers(-2), "1250", "1300"),
        (numbers(), "1e3", "1000"),
        (numbers(), "-0.0", "0"),
        (numbers(), "12 EUR", None),
        (floats(single=True), 16777217.0, 16777216.0),
        (floats(single=True), 1e39, None),
        (floats(places=2), 1.005, 1.01),
        (moments(utc=True), "2024-02-29", "2024-02-29T00:00:00Z"),
        (moments(utc=True, places=0), "2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59Z"),
        (moments(utc=False, places=3), "2024-02-29T12:00:00.123456Z", "2024-02-29T12:00:00.123000"),
        (moments(utc=False), "2024-02-29T12:00:00+02:00", None),
        (moments(utc=False), "2024-02-30T12:00:00", None),
        (padded(4), b"ab", b"ab\0\0"),
        (TRIMMED, ["a ", " b"], ["a", " b"]),
        (ADDRESSES, "::ffff", "::ffff"),
        (ADDRESSES, "::FFFF", None),
        (NUMERIC, "+4930123456", 4930123456),
        (NUMERIC, "1e400", None),
        (BINARY_JSON, {"a": [Decimal("0.12345678901234567891"), 2**64, 2**63]},
         {"a": [0.12345678901234568, float(2**64), 2**63]}),
    ],
)  # fmt: skip
def test_what_becomes_of_a_value(keeps: Keeps, native: Any, kept: Any) -> None:
    assert keeps.of is not None
    assert keeps.of(native) == kept


def test_what_is_changed_is_refused_or_written_as_it_will_be_kept() -> None:
    def into(*, lossy: bool) -> Any:
        fields = [field(1, "code", "text", lossy=lossy), field(2, "price", "decimal", lossy=lossy)]
        columns = (Column("code", "text", keeps=TRIMMED), Column("price", "text", digits=(9, 2)))
        return translation(*fields, columns=columns)

    strict, lossy = into(lossy=False), into(lossy=True)

    assert strict.native({1: "a "}) == ({}, {1: "texts without blanks at their end expected by the column"})
    assert strict.native({1: " a"}) == ({"code": " a"}, {})
    assert (strict.identity(1), strict.stored(1, "a ")) == (True, "a ")
    assert lossy.native({1: "a ", 2: "1.239"}) == ({"code": "a", "price": "1.24"}, {})
    assert (lossy.stored(1, "a "), lossy.stored(2, "1.239")) == ("a", "1.24")
    assert [text.split(":")[0] for text in strict.problems()] == ["price"]
    assert lossy.problems() == []
    assert lossy.limits() == [
        "code: texts without blanks at their end are kept, and the rest is changed",
        "price: the column keeps only numbers of at most 2 digits after the point, and rounds the rest",
    ]


def test_a_consent_whose_opt_out_could_never_be_written_is_refused() -> None:
    narrow = translation(field(1, "sms", "consent"), columns=(Column("sms", "text", max_length=1),))
    spoken = translation(
        field(1, "sms", "consent", native_values={"Y": True, "N": False}),
        columns=(Column("sms", "text", max_length=1),),
    )

    assert narrow.problems() == ["sms: it could never hold 'out': at most 1 characters expected by the column"]
    assert spoken.problems() == []


def test_what_only_the_server_knows_goes_one_way() -> None:
    columns = (Column("span", "text", keeps=Keeps("what is written in its own words")),)
    both = translation(field(1, "span", "text", lossy=True), columns=columns)
    one = translation(field(1, "span", "text", pull=False, lossy=True), columns=columns)
    dated = translation(field(1, "span", "date"), columns=columns)

    assert both.problems() == [
        "span: the column keeps only what is written in its own words, so that a text does not go both ways: what "
        'became of a value there would come back as an edit; say direction = "push" or "pull"'
    ]  # fmt: skip
    assert (one.problems(), one.native({1: "1 day"})) == ([], ({"span": "1 day"}, {}))
    assert "cannot hold the type date" in dated.problems()[0]
