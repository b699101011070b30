"""Text and URLs: kept as they are."""

from __future__ import annotations

import pytest

from tests.adapters.translate.translating import no_form, read, refusal, write

LONG = "長" * 65_536


@pytest.mark.parametrize(
    "text",
    ["Ada", " Ada ", "\t", "a\r\nb", "e\u0301", "é", "👩‍👩‍👧‍👦 🇨🇭", "עברית", "\u200b", "\x00", "NULL", "0017", LONG],
)
def test_a_text_is_kept_to_the_last_character(text: str) -> None:
    assert read("text", text) == text
    assert write("text", text) == text


@pytest.mark.parametrize("blank", [None, "", b""])
def test_no_text_is_blank(blank: object) -> None:
    assert read("text", blank) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (17, "17"),
        (-(2**63) + 1, "-9223372036854775807"),
        (2**53 + 1, "9007199254740993"),
        (17.0, "17"),
        (1.5, "1.5"),
        ("é".encode(), "é"),
    ],
)
def test_an_id_that_is_a_number_becomes_its_text(raw: object, text: str) -> None:
    assert read("text", raw) == text


@pytest.mark.parametrize("raw", [2.0**53, -1e300, float("inf"), float("nan"), 2**63, pytest.param(10**5000, id="wide")])
def test_a_number_that_is_not_exact_any_more_is_no_id(raw: object) -> None:
    """F86."""
    assert refusal("text", raw) == "text expected, not a number too large to be exact"


@pytest.mark.parametrize("raw", [True, ["a"], {"a": 1}, b"\xff", "\ud83d", object()])
def test_what_is_no_text_is_refused(raw: object) -> None:
    assert refusal("text", raw).startswith("text expected")


def test_lengths_are_bounded() -> None:
    assert refusal("text", LONG + "a") == "longer than 65536 characters"
    assert refusal("text", "abcd", max_length=3) == "longer than 3 characters"
    assert read("text", "👩‍👩", max_length=3) == "👩‍👩"


@pytest.mark.parametrize("text", ["0", "17", "-17", "9223372036854775807"])
def test_an_id_fits_an_integer_column_if_it_is_one(text: str) -> None:
    assert write("text", text, "integer") == int(text)
    assert read("text", int(text)) == text


@pytest.mark.parametrize("text", ["017", "-0", "+1", "1.0", " 1", "a", "١٧", "9223372036854775808", "9" * 5000])
def test_an_id_that_would_come_back_different_is_not_written_as_a_number(text: str) -> None:
    assert no_form("text", text, "integer").startswith("a whole number of at most 64 bits")


@pytest.mark.parametrize("url", ["https://example.com", "http://例子.广告/ä?b=c#d", "ftp://h", "HTTPS://Example.com/A"])
def test_a_url_is_kept(url: str) -> None:
    assert read("url", f" {url}\n") == url


@pytest.mark.parametrize("raw", ["example.com", "https://", "javascript:alert(1)", "https://a b", "//example.com", "x"])
def test_what_is_no_absolute_url_is_refused(raw: str) -> None:
    assert refusal("url", raw) == "an absolute URL such as https://example.com expected"


def test_a_blank_url_is_blank() -> None:
    assert [read("url", raw) for raw in (None, "", " ")] == [None, None, None]
