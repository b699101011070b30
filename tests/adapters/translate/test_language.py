"""Languages: one tag for each, and nothing added to what its author said."""

from __future__ import annotations

import pytest

from datasyncd.adapters.translate import Unusable
from tests.adapters.translate.translating import read, refusal, write


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("de", "de"), ("DE", "de"), ("de-ch", "de-CH"), ("de_CH", "de-CH"), ("zh_hant_tw", "zh-Hant-TW"),
        ("es-419", "es-419"), ("sl-Rozaj-biske", "sl-rozaj-biske"), ("de-1996", "de-1996"), ("en-UK", "en-GB"),
        ("ger", "de"), ("deu", "de"), ("iw", "he"), ("no", "no"), ("tl", "tl"), ("fil", "fil"), (b" fr ", "fr"),
        ("", None), (" ", None), (None, None),
    ],
)  # fmt: skip
def test_a_tag_has_one_form(raw: object, canonical: str | None) -> None:
    assert read("language", raw) == canonical
    assert read("language", canonical) == canonical


@pytest.mark.parametrize(
    "raw",
    ["xx", "German", "de-Abcd", "de-XX", "de-", "-de", "de--CH", "en-US-u-ca-gregory", "x-private", "d", "de.UTF-8",
     "de-1996-1996", "de-ch" * 20, 1, True],
)  # fmt: skip
def test_what_is_no_tag_is_refused(raw: object) -> None:
    assert "expected" in refusal("language", raw)
    if isinstance(raw, str):
        assert refusal("language", raw) == "the tag of a language expected, such as de or pt-BR"


def test_a_system_may_write_it_with_underscores_or_in_words_of_its_own() -> None:
    assert write("language", "pt-BR") == "pt-BR"
    assert write("language", "pt-BR", form="underscore") == "pt_BR"
    assert read("language", "pt_BR", form="underscore") == "pt-BR"
    assert write("language", "de", native_values={"German": "de"}) == "German"
    assert read("language", "german", native_values={"German": "de"}) == "de"


def test_a_form_that_means_nothing_is_unusable() -> None:
    with pytest.raises(Unusable, match="`form` of a language must be one of tag, underscore"):
        read("language", "de", form="name")
