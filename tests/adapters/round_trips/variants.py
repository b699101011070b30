"""Variants: every type of field, as the config may write it, with values that have been lost or changed somewhere.

Values are given as somebody writes them and read as every adapter's are, so that they are canonical.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.translate import FieldTypeOptions, Invalid
from datasyncd.adapters.translate.types import reader
from datasyncd.reconcile.rules import Value
from tests.adapters.translate.translating import published

LARGEST = 2**63 - 1

TEXTS = [
    "Zoë Łukasiewicz 王小明 🎉", "👩‍👩‍👧‍👦", "e\u0301 is not \u00e9", "\u202eright to left\u202c שלום",
    " leading", "trailing ", "   ", "\u00a0", "tab\t", "two\nlines", "carriage\r\nreturn", "old\rmac",
    "'both' kinds of \"quotes\"; a|b\\c", "\\n", "{a,b}", "%s %", "\ufeffmark", "\x00nul", "\x1fcontrol", "x" * 300,
    "0012", "17", "-3", "12.50", "12.5", "1e3", ".5", "-0", "+4930123456", "0x10", "9223372036854775808", "Infinity",
    "NULL", "null", "true", "F", "-", "#hash", "=1+1", "١٢", "550E8400-E29B-41D4-A716-446655440000",
    "550e8400-e29b-41d4-a716-446655440000", "tel:+49 30", "1 day 24:00", "24:00", "::1", "::FFFF", "10.0.0.1",
    "17:30", "17:30:00", "17:30:00.5",
    "2024-02-29", "20240229", "2024-2-9", "2024-02-30", "2025-01-01T00:30:00+14:00", "2024-02-29 12:00:00",
    "2024-02-29T12:00:00Z", "2024-02-29T12:00:00", "2024-02-29T12:00:00.999999", "10.0.0.1/24", "happy", "HAPPY", "DE",
]  # fmt: skip
MOMENTS = [
    "2025-01-01T00:30:00+14:00", "2024-12-31T23:30:00-12:00", "2025-01-01T00:00:00+14:00", "2024-12-31T23:59:59-12:00",
    # Berlin: 02:30 comes twice, and not at all; the same in New York.
    "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z",
    "2024-03-31T02:30:00+01:00", "2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z", "2024-03-10T06:59:59Z",
    "2024-03-10T07:00:00Z", "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2016-12-31T23:59:59.999999Z",
    "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000001Z", "2024-02-29T12:00:00.250000Z",
    "2024-02-29T12:00:00.500000Z", "2038-01-19T03:14:08Z", "1582-10-10T12:00:00Z", "1000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
]  # fmt: skip
DATES = ["2024-02-29", "2023-02-28", "1970-01-01", "1900-01-01", "2024-12-31", "2025-01-01", "2024-03-31", "1582-10-10",
         "0001-01-01", "9999-12-31"]  # fmt: skip
INTEGERS = [0, -1, 42, 2**24 + 1, 2**31, -(2**31), 2**53 + 1, -(2**53) - 1, LARGEST, -LARGEST - 1]
DECIMALS = ["0", "0.1", "-12.5", "1234567.89", "0.005", "-0.005", "0.015", "16777217", "16777.217", "9007199254740993",
            "12345678901234567.89", "123456789012345678901234567890", "0.123456789012345678901234567891", "1e20",
            "-99999999999999.999999", "0.30000000000000004"]  # fmt: skip
EUROS = [
    "0 EUR",
    "12.30 EUR",
    "-0.05 EUR",
    "0.07 EUR",
    "9999999999.99 EUR",
    "-99999999999999.99 EUR",
    "16777217.25 EUR",
]
YEN = ["0 JPY", "1624 JPY", "-1 JPY", "16777217 JPY", "9007199254740993 JPY"]
DINARS = ["1.234 KWD", "-0.005 KWD", "0.070 KWD", "123456789.999 KWD"]
SETS = [["a", "b"], ["a;b", "c,d"], ['e"f', "g\\h", "{x}"], ["007"], ["1", "2"], ["10", "9"], ["ä", "🎉", "e\u0301"],
        ["NULL"], ["true"], ["x|y"], ["two\nlines", "z"], ["a", "sad"], ["12.50"]]  # fmt: skip
DOCUMENTS: list[Any] = [
    {"a": [1, 2.5, None, {"ü": "🎉"}], "n": 2**60 + 1, "t": "1e3"}, "text", "12", "12.50", "2024-02-29", "nul\x00",
    "CR\r\nLF", 12, 12.5, True, [], {}, ["b", "a", "b"], 12345678901234567890, {"": 0}, -0.0, 1e90,
]  # fmt: skip
LONG_NUMBERS = ["0.12345678901234567891", '{"x":[0.1234567890123456789,1e40]}']
LANDS = ["DE", "US", "TR", "CI", "XK", "GB"]
TAGS = ["de", "pt-BR", "zh-Hant-TW", "es-419", "en-GB"]
URLS = ["https://example.org/?q=1&r=ü#x", "http://a.example/1e3", "https://example.org/" + "y" * 250]


class Variant(msgspec.Struct, frozen=True):
    """One type with what a link says of its native form."""

    name: str
    type: FieldTypeOptions
    values: tuple[Value, ...]


def variant(name: str, type: str, raw: Sequence[Native], **options: Any) -> Variant:
    """`raw`: values in any form that is understood whatever the options say of the native one."""
    plain = {key: value for key, value in options.items() if key in ("region", "values", "currency", "digits")}
    read = reader(FieldTypeOptions(name=type, **plain))
    values = tuple(dict.fromkeys(msgspec.json.encode(read(one)).decode() for one in raw))
    return Variant(name, FieldTypeOptions(name=type, **options), tuple(map(msgspec.json.decode, values)))


@cache
def variants() -> list[Variant]:
    """All of them; the address tables are apart."""
    moods = ("happy", "sad", "1", "01", "Ünder")
    documents = [*map(json.dumps, DOCUMENTS), *LONG_NUMBERS]
    return [
        variant("text", "text", TEXTS),
        variant("text:words", "text", ["active", "x", "0"], native_values={"A": "active", "17": "x"}),
        variant("email", "email", ["Zoe@Example.ORG", "o'neil+x@example.org", "1e5@example.org", "用户@例え.jp"]),
        variant("phone", "phone", ["+49 30 1234567", "+1 415-555-2671", "+39 06 12345678"]),
        variant("integer", "integer", INTEGERS),
        variant("decimal", "decimal", DECIMALS),
        variant("money", "money", [*EUROS, *YEN, *DINARS]),
        variant("money:EUR", "money", EUROS, currency="EUR"),
        variant("money:JPY", "money", YEN, currency="JPY"),
        variant("money:KWD", "money", DINARS, currency="KWD"),
        variant("money:cents", "money", EUROS, currency="EUR", form="minor"),
        variant("money:yen", "money", YEN, currency="JPY", form="minor"),
        variant("money:fils", "money", DINARS, currency="KWD", form="minor"),
        variant("money:object", "money", [*EUROS, *YEN, *DINARS], form="object"),
        variant("money:minor-object", "money", [*EUROS, *YEN, *DINARS], form="minor-object"),
        variant("boolean", "boolean", [True, False]),
        variant("boolean:words", "boolean", [True, False], native_values={"J": True, "N": False}),
        variant("date", "date", DATES),
        variant("datetime", "datetime", MOMENTS),
        variant("datetime:Berlin", "datetime", MOMENTS, zone="Europe/Berlin"),
        variant("datetime:New_York", "datetime", MOMENTS, zone="America/New_York"),
        variant("datetime:+14", "datetime", MOMENTS, zone="Pacific/Kiritimati"),
        variant("datetime:-12", "datetime", MOMENTS, zone="Etc/GMT+12"),
        variant("enum", "enum", moods, values=moods),
        variant("enum:numbers", "enum", ["gold", "silver"], values=("gold", "silver"),
                native_values={"1": "gold", "2": "silver"}),
        variant("set", "set", SETS),
        variant("set:|", "set", SETS, separator="|"),
        variant("set:json", "set", SETS, separator="json"),
        variant("json", "json", documents),
        variant("consent", "consent", ["in", "out"]),
        variant("consent:words", "consent", ["in", "out"], native_values={"Y": True, "N": False, "?": "unknown"}),
        variant("consent:numbers", "consent", ["in", "out"], native_values={"0": True, "1": False}),
        variant("url", "url", URLS),
        variant("country", "country", LANDS),
        variant("country:three", "country", LANDS, form="alpha-3"),
        variant("country:name", "country", LANDS, form="name"),
        variant("language", "language", TAGS),
        variant("language:_", "language", TAGS, form="underscore"),
    ]  # fmt: skip


@cache
def addresses() -> list[Variant]:
    """The published tables: every phone number, and every address that is one."""
    numbers = [row["e164"] for row in published("phone_examples.csv")]
    read = reader(FieldTypeOptions(name="email"))
    texts = [json.loads(f'"{row["address"]}"') for row in published("email_syntax.csv")]
    return [
        variant("phones", "phone", numbers),
        variant("emails", "email", [text for text in texts if _is_read(read, text)]),
    ]


def _is_read(read: Any, text: str) -> bool:
    try:
        return read(text) is not None
    except Invalid:
        return False
