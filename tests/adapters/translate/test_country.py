"""Countries: one code for each, whatever a system calls it."""

from __future__ import annotations

import pytest

from datasyncd.adapters.translate import Unusable
from datasyncd.adapters.translate.country import codes
from tests.adapters.translate.translating import no_form, read, refusal, write

CODE = "a country of ISO 3166 expected, such as DE or DEU"


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("DE", "DE"), ("de", "DE"), (" DEU ", "DE"), ("usa", "US"), (b"FR", "FR"), ("UK", "GB"), ("XK", "XK"),
        ("XKX", "XK"), ("", None), (" ", None), (None, None),
    ],
)  # fmt: skip
def test_either_code_is_read(raw: object, canonical: str | None) -> None:
    assert read("country", raw) == canonical


@pytest.mark.parametrize("raw", ["EU", "ZZ", "XX", "SU", "YUG", "AN", "DDR", "D", "Germany", 276, True, []])
def test_what_is_no_country_is_refused(raw: object) -> None:
    assert "expected" in refusal("country", raw)
    if isinstance(raw, str):
        assert refusal("country", raw) == CODE


def test_the_standard_has_249_countries_and_kosovo_is_known_too() -> None:
    assert len(set(codes().values())) == 249 + 1
    assert len([code for code in codes() if len(code) == 3]) == 249 + 2


@pytest.mark.parametrize(
    ("raw", "locale", "canonical"),
    [
        ("Germany", None, "DE"),
        ("  united   STATES ", None, "US"),
        ("Deutschland", "de", "DE"),
        ("Côte d’Ivoire", "fr", "CI"),
        ("DE", "de", "DE"),
        ("deu", "de", "DE"),
    ],
)
def test_names_are_read_where_a_system_has_them(raw: str, locale: str | None, canonical: str) -> None:
    assert read("country", raw, form="name", locale=locale) == canonical


def test_a_name_in_another_language_is_refused() -> None:
    assert refusal("country", "Deutschland", form="name") == f"{CODE}, or its name"


def test_each_form_is_written() -> None:
    assert write("country", "DE") == "DE"
    assert write("country", "DE", form="alpha-3") == "DEU"
    assert write("country", "XK", form="alpha-3") == "XKX"
    assert write("country", "DE", form="name") == "Germany"
    assert write("country", "DE", form="name", locale="pt-BR") == "Alemanha"
    assert no_form("country", "EU", form="name") == "a country that the system has a word for expected"


@pytest.mark.parametrize("locale", [None, "de", "fr", "es", "ja", "ar", "vi", "zh-Hant"])
def test_all_countries_come_back_from_their_names(locale: str | None) -> None:
    for code in set(codes().values()):
        assert read("country", write("country", code, form="name", locale=locale), form="name", locale=locale) == code
        assert read("country", write("country", code, form="alpha-3")) == code


def test_words_of_a_system_come_before_all_else() -> None:
    words = {"Holland": "NL", "UK": "GB", "abroad": ""}

    assert read("country", "holland", native_values=words) == "NL"
    assert read("country", "abroad", native_values=words) is None
    assert read("country", "DEU", native_values=words) == "DE"
    assert write("country", "GB", native_values=words) == "UK"
    assert write("country", "NL", native_values=words) == "Holland"
    assert write("country", "DE", native_values=words) == "DE"
    assert write("country", None, native_values=words) == "abroad"


def test_a_code_that_means_another_country_there_is_not_written() -> None:
    words = {"FR": "GB"}

    assert no_form("country", "FR", native_values=words) == "a value that `values` gives no other meaning expected"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "numeric"}, "`form` of a country must be one of alpha-2, alpha-3, name"),
        ({"form": "name", "locale": "klingon"}, "`locale` must be the tag of a language"),
        ({"locale": "de"}, '`locale` goes with `form = "name"` only'),
        ({"native_values": {"x": "Atlantis"}}, "`values` of the map: a country of ISO 3166 expected"),
    ],
)
def test_options_that_mean_nothing_are_unusable(options: dict[str, object], said: str) -> None:
    with pytest.raises(Unusable, match=said):
        read("country", "DE", **options)
