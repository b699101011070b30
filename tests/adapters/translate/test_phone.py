"""Phone numbers: national with a region, or international; E.164 comes out."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.translate import FieldTypeOptions, Invalid, Unusable
from datasyncd.adapters.translate.types import reader
from tests.adapters.translate.translating import published, read, refusal

EXAMPLES = published("phone_examples.csv")


@pytest.mark.parametrize("written", ["national", "international", "rfc3966", "e164"])
def test_every_published_number_has_its_normal_form(written: str) -> None:
    expected = [row["e164"] for row in EXAMPLES]

    assert [read("phone", row[written], region=row["region"]) for row in EXAMPLES] == expected
    assert len(expected) == 489


@pytest.mark.parametrize("written", ["international", "rfc3966", "e164"])
def test_an_international_number_needs_no_region(written: str) -> None:
    assert [read("phone", row[written]) for row in EXAMPLES] == [row["e164"] for row in EXAMPLES]


def test_a_national_number_without_a_region_is_never_guessed() -> None:
    """F84."""
    reason = "a phone number with + and country code expected (the field has no region)"

    national = [row["national"] for row in EXAMPLES if not row["national"].startswith("+")]
    assert {refusal("phone", number) for number in national} == {reason}


@pytest.mark.parametrize(
    ("raw", "region", "canonical"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("(415) 555-0132", "us", "+14155550132"),
        (4155550132, "US", "+14155550132"),
        ("011 44 20 7183 8750", "US", "+442071838750"),
        ("+33 6 12 34 56 78", "US", "+33612345678"),
        ("+49 0711 2842222", None, "+497112842222"),
        ("+55 (12) 3923-5555", None, "+551239235555"),
        ("tel:+1-415-555-0132", None, "+14155550132"),
        (" +14155550132\n", None, "+14155550132"),
        ("\uff0b14155550132", None, "+14155550132"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("", "US", None),
        (" ", "US", None),
        (None, "US", None),
    ],
)
def test_what_people_write(raw: object, region: str | None, canonical: str | None) -> None:
    assert read("phone", raw, region=region) == canonical


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("06 12 34 56 78", "a phone number that fits the numbering plan of US expected"),
        ("555-0132", "a phone number with as many digits as its country has expected"),
        ("+1 415 555 013", "a phone number with as many digits as its country has expected"),
        ("+1 415 555 0132 x5", "a phone number without extension expected"),
        ("+999 123 4567", "a phone number with a known country code expected"),
        ("n/a", "a phone number expected"),
        ("office 415 555 0132", "a phone number expected"),
        ("415 555 0132, 415 555 0133", "a phone number expected"),
        ("1" * 251, "a phone number of at most 250 characters expected"),
        (True, "a phone number expected, not true or false"),
    ],
)
def test_what_has_no_normal_form_is_refused(raw: object, reason: str) -> None:
    assert refusal("phone", raw, region="US") == reason


def test_a_region_must_exist() -> None:
    with pytest.raises(Unusable, match="ISO 3166"):
        reader(FieldTypeOptions(name="phone", region="UK"))


E164 = phonenumbers.PhoneNumberFormat.E164
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@given(st.sampled_from(CODES), st.text("0123456789", min_size=4, max_size=12))
def test_a_number_that_is_left_as_it_is_would_be_left_so_by_the_library(code: int, national: str) -> None:
    raw = f"+{code}{national}"
    expected = asked(raw)
    try:
        canonical = read("phone", raw)
    except Invalid:
        canonical = None

    assert canonical == expected
    assert canonical is None or read("phone", canonical) == canonical


def asked(raw: str) -> str | None:
    """The library's normal form of a possible number, if it leaves that as it is."""
    try:
        number = phonenumbers.parse(raw)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(number, E164)
    return e164 if phonenumbers.format_number(phonenumbers.parse(e164), E164) == e164 else None


@given(st.sampled_from([row["region"] for row in EXAMPLES]), st.text("0123456789", min_size=4, max_size=14))
def test_a_normal_form_is_its_own_normal_form(region: str, national: str) -> None:
    try:
        canonical = read("phone", national, region=region)
    except Invalid:
        return
    assert read("phone", canonical) == canonical
