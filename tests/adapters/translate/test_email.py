"""E-mail addresses: what is valid is kept, what is not is refused."""

from __future__ import annotations

import json
import string

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.translate import Invalid
from tests.adapters.translate.translating import published, read, refusal

SYNTAX = {int(row["id"]): (json.loads(f'"{row["address"]}"'), row["category"]) for row in published("email_syntax.csv")}

ACCEPTED_BETWEEN = {
    **dict.fromkeys((12, 13, 27, 33, 37, 38, 167, 168), "the domain is not in the DNS, which is no question of syntax"),
    **dict.fromkeys((23, 24, 166), "a host name may end with a number, or have one label"),
    26: "local parts of more than 64 characters are seen, and email-validator lets them pass",
    **dict.fromkeys((157, 158), "spaces around an address are not part of it"),
}
"""Addresses that is_email neither calls valid nor an error, and that are accepted."""

REFUSED_BETWEEN = {
    **dict.fromkeys((42, 43, 45, 46, 48, 55, 59, 60), "a quoted local part"),
    **dict.fromkeys((54, 56, 58, 124, 125, 134, 138, 139), "a quoted local part, in forms that RFC 5322 has withdrawn"),
    **dict.fromkeys((61, *range(63, 70), *range(70, 85), 159), "an address literal instead of a domain"),
    **dict.fromkeys((112, 115, 116, 117, 120, 121), "an address literal instead of a domain"),
    **dict.fromkeys((28, 39, 40, 41), "longer than the DNS and SMTP allow"),
    **dict.fromkeys((85, 86, 87, 88, 89, 144, 148, 149, 153), "white space inside, or line ends around"),
    **dict.fromkeys((90, 92, 93, 95, 96, 97, 98, 126, 140, 165), "a comment"),
    161: "a domain that is no host name",
}
"""Addresses that is_email neither calls valid nor an error, and that no mailing system takes."""


def accepted(address: str) -> bool:
    try:
        return read("email", address) is not None
    except Invalid:
        return False


def test_what_is_valid_is_accepted_and_what_is_an_error_is_refused() -> None:
    verdicts = {"ISEMAIL_VALID_CATEGORY": True, "ISEMAIL_ERR": False}
    expected = {n: verdicts[category] for n, (_, category) in SYNTAX.items() if category in verdicts}

    assert {n: accepted(SYNTAX[n][0]) for n in expected} == expected
    assert len(expected) == 80


def test_what_is_neither_is_decided_with_a_reason() -> None:
    between = {n for n, (_, c) in SYNTAX.items() if c not in ("ISEMAIL_VALID_CATEGORY", "ISEMAIL_ERR")}

    assert {n for n in between if accepted(SYNTAX[n][0])} == set(ACCEPTED_BETWEEN)
    assert between == set(ACCEPTED_BETWEEN) | set(REFUSED_BETWEEN)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("Ada.Lovelace@EXAMPLE.com", "Ada.Lovelace@example.com"),
        ("Info@example.com", "Info@example.com"),
        (" ada@example.com\t", "ada@example.com"),
        ("ada@Bücher.Example", "ada@bücher.example"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ADA@XN--BCHER-KVA.example", "ADA@bücher.example"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("ada@crm.test", "ada@crm.test"),
        (b"ada@example.com", "ada@example.com"),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_only_the_domain_is_folded(raw: object, canonical: str | None) -> None:
    assert read("email", raw) == canonical


@pytest.mark.parametrize(
    "raw", ["ada", "ada@", "@example.com", "a b@example.com", "ada@ab--cd.example", "ada@-a.example"]
)
def test_an_invalid_address_is_not_repeated_in_the_reason(raw: str) -> None:
    assert refusal("email", raw) == "an e-mail address (name@domain) expected"


def test_lengths_are_bounded() -> None:
    longest = "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".cc"

    assert len(longest) == 253
    assert read("email", longest) == longest
    assert refusal("email", longest + "cc") == "longer than 254 characters"
    assert refusal("email", "ada@example.com", max_length=14) == "longer than 14 characters"


def test_what_is_no_text_is_refused() -> None:
    assert refusal("email", True) == "an e-mail address expected, not true or false"
    assert refusal("email", ["ada@example.com"]).startswith("an e-mail address expected, not a list")
    assert refusal("email", "ada\ud800@example.com") == "an e-mail address (name@domain) expected"


ATOMS = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-."
RESERVED = ("arpa", "invalid", "local", "localhost", "onion", "test")


@given(st.text(ATOMS + "@ ", max_size=12), st.text("ABabx01-.nN", max_size=70))
def test_plain_addresses_are_judged_as_the_library_judges_them(local: str, domain: str) -> None:
    address = f"{local}@{domain}".strip(" ")
    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
        expected = f"{address.rpartition('@')[0]}@{found.domain}"
    except EmailNotValidError:
        assert not accepted(address) or domain.lower().endswith(RESERVED)
        return
    assert read("email", address) == expected
