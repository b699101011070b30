"""Fields of a card: what they say, and that writing one changes no other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.carddav.card import Card
from datasyncd.adapters.carddav.names import NativeName, columns, doubles, name_of
from datasyncd.adapters.carddav.values import fields_of, new_card, write

APPLE = """BEGIN:VCARD
VERSION:3.0
PRODID:-//Apple Inc.//iOS 18.0//EN
N:Łukasiewicz;Zoë;Maria,Anna;Dr.;
FN:Dr. Zoë Łukasiewicz
ORG:Acme\\, Inc.;Research;Optics
item1.EMAIL;type=INTERNET;type=pref:zoe@example.org
item1.X-ABLabel:_$!<Other>!$_
EMAIL;type=INTERNET;type=WORK:zl@acme.example
TEL;type=CELL;type=VOICE:+1 (555) 010-0123
item2.ADR;type=HOME;type=pref:;;1 Elm St\\nApt 2;Springfield;IL;62701;USA
item2.X-ABADR:us
NOTE:likes tea\\; not
  coffee
BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29
PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBA
 QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/2wBDAQEBAQEBAQ==
CATEGORIES:friends,tea\\, coffee
X-SOCIALPROFILE;type=mastodon:https://example.social/@zoe
UID:2F6A
REV:2024-05-06T07:08:09Z
END:VCARD
""".replace("\n", "\r\n")
V4 = """BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:1
FN;PREF=2:Ann B.
FN;PREF=1:Ann Bell
EMAIL;PREF=50:old@example.org
EMAIL;PREF=1;TYPE="work,home":ann@example.org
TEL;VALUE=uri;TYPE="voice,cell":tel:+1-555-0100
BDAY:19900517
END:VCARD
"""
ALL = (
    "FN", "N.family", "N.given", "N.additional", "EMAIL", "EMAIL;TYPE=work", "TEL;TYPE=cell", "ADR.street;TYPE=home",
    "ADR.city;TYPE=home", "ORG", "ORG.unit", "NOTE", "BDAY", "CATEGORIES", "REV", "X-SOCIALPROFILE", "TITLE",
)  # fmt: skip

NEVER_MAPPED = ("PRODID", "VERSION", "UID", "PHOTO", " QEBAQ", "item1.X-AB", "item2.X-AB")


def names(*natives: str) -> list[NativeName]:
    found = [name_of(native) for native in natives]
    assert None not in found
    return [name for name in found if name is not None]


def said(text: str, *natives: str) -> dict[str, Any]:
    return fields_of(Card.read(text), names(*natives))


def written(text: str, fields: dict[str, Any], mapped: tuple[str, ...] = ALL) -> str:
    card = Card.read(text)
    refused = write(card, names(*mapped), {name: fields[name.native] for name in names(*fields)})
    assert refused == {}
    return card.text


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came; the others are the same, in the same order."""
    old, new = before.splitlines(), after.splitlines()
    went, came = [line for line in old if line not in new], [line for line in new if line not in old]
    assert [line for line in old if line not in went] == [line for line in new if line not in came]
    return went, came


def test_what_a_card_of_a_telephone_says() -> None:
    assert said(APPLE, *ALL) == {
        "FN": "Dr. Zoë Łukasiewicz", "N.family": "Łukasiewicz", "N.given": "Zoë", "N.additional": "Maria,Anna",
        "EMAIL": "zoe@example.org", "EMAIL;TYPE=work": "zl@acme.example", "TEL;TYPE=cell": "+1 (555) 010-0123",
        "ADR.street;TYPE=home": "1 Elm St\nApt 2", "ADR.city;TYPE=home": "Springfield", "ORG": "Acme, Inc.",
        "ORG.unit": "Research", "NOTE": "likes tea; not coffee", "BDAY": "--02-29",
        "CATEGORIES": ["friends", "tea, coffee"], "REV": "2024-05-06T07:08:09Z",
        "X-SOCIALPROFILE": "https://example.social/@zoe", "TITLE": "",
    }  # fmt: skip


def test_what_a_card_of_version_4_says() -> None:
    assert said(V4, "FN", "EMAIL", "TEL;TYPE=cell", "BDAY", "CATEGORIES") == {
        "FN": "Ann Bell", "EMAIL": "ann@example.org", "TEL;TYPE=cell": "+1-555-0100", "BDAY": "1990-05-17",
        "CATEGORIES": [],
    }  # fmt: skip


def test_a_line_is_what_one_name_says_and_no_other() -> None:
    """The preferred address is that for work, so `EMAIL` is the other one, if the one for work is mapped."""
    assert said(V4, "EMAIL", "EMAIL;TYPE=work") == {"EMAIL": "old@example.org", "EMAIL;TYPE=work": "ann@example.org"}
    assert said(V4, "EMAIL;TYPE=home", "EMAIL;TYPE=work") == {
        "EMAIL;TYPE=home": "ann@example.org",
        "EMAIL;TYPE=work": "",
    }


@pytest.mark.parametrize(
    ("field", "value", "went", "came"),
    [
        ("EMAIL", "z@example.org", "item1.EMAIL;type=INTERNET;type=pref:zoe@example.org",
         "item1.EMAIL;type=INTERNET;type=pref:z@example.org"),
        ("N.given", "Zo;e", "N:Łukasiewicz;Zoë;Maria,Anna;Dr.;", "N:Łukasiewicz;Zo\\;e;Maria,Anna;Dr.;"),
        ("ADR.city;TYPE=home", "", "item2.ADR;type=HOME;type=pref:;;1 Elm St\\nApt 2;Springfield;IL;62701;USA",
         "item2.ADR;type=HOME;type=pref:;;1 Elm St\\nApt 2;;IL;62701;USA"),
        ("ORG.unit", "R, D", "ORG:Acme\\, Inc.;Research;Optics", "ORG:Acme\\, Inc.;R\\, D;Optics"),
        ("BDAY", "1990-02-28", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29", "BDAY:1990-02-28"),
        ("CATEGORIES", ["new", "friends"], "CATEGORIES:friends,tea\\, coffee", "CATEGORIES:friends,new"),
        ("TEL;TYPE=cell", "", "TEL;type=CELL;type=VOICE:+1 (555) 010-0123", None),
        ("TITLE", "Head", None, "TITLE:Head"),
        ("FN", "", "FN:Dr. Zoë Łukasiewicz", "FN:"),
    ],
)  # fmt: skip
def test_a_write_changes_its_line_and_no_other(field: str, value: Any, went: str | None, came: str | None) -> None:
    """F25, F26."""
    after = written(APPLE, {field: value})

    assert difference(APPLE, after) == ([went] if went else [], [came] if came else [])
    assert said(after, *ALL) == {**said(APPLE, *ALL), field: value if field != "CATEGORIES" else ["friends", "new"]}


def test_what_a_card_says_already_is_not_written_anew() -> None:
    """F04: whatever it is folded and escaped like."""
    text = APPLE.replace("CATEGORIES:friends,tea\\, coffee", "CATEGORIES:friends\r\nCATEGORIES:tea\\, coffee")

    assert written(text, said(text, *ALL)) == text


@given(
    st.dictionaries(
        st.sampled_from([name for name in ALL if name not in ("CATEGORIES", "BDAY", "REV", "X-SOCIALPROFILE")]),
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=120),
    ),
    st.sampled_from([APPLE, V4]),
)
def test_whatever_is_written_is_said_and_the_rest_stays(fields: dict[str, str], text: str) -> None:
    after = written(text, fields)

    assert said(after, *ALL) == {**said(text, *ALL), **fields}
    assert [line for line in after.splitlines() if line.startswith(NEVER_MAPPED)] == [
        line for line in text.splitlines() if line.startswith(NEVER_MAPPED)
    ]


def test_a_cleared_address_stays_clear_where_there_is_another_one() -> None:
    """F79: the other one is not mapped, and does not come up in its place."""
    after = written(V4, {"EMAIL": ""}, ("EMAIL",))

    assert said(after, "EMAIL") == {"EMAIL": ""}
    assert difference(V4, after) == (
        ['EMAIL;PREF=1;TYPE="work,home":ann@example.org'],
        ['EMAIL;PREF=1;TYPE="work,home":'],
    )
    assert said(written(after, {"EMAIL": "new@example.org"}, ("EMAIL",)), "EMAIL") == {"EMAIL": "new@example.org"}


def test_a_telephone_number_keeps_the_form_of_its_line() -> None:
    after = written(V4, {"TEL;TYPE=cell": "+1-555-0199", "BDAY": "1991-01-02"})

    assert difference(V4, after)[1] == ['TEL;VALUE=uri;TYPE="voice,cell":tel:+1-555-0199', "BDAY:19910102"]


@pytest.mark.parametrize(
    "parameter", ["VALUE=text:circa 1990", "VALUE=date-time:1990-05-17T10:00:00Z", "VALUE=date:1990-05-17"]
)
def test_a_date_is_written_as_a_date_whatever_was_there(parameter: str) -> None:
    text = V4.replace("BDAY:19900517", f"BDAY;CALSCALE=gregorian;{parameter}")

    assert "BDAY;CALSCALE=gregorian:19910102\n" in written(text, {"BDAY": "1991-01-02"})


def test_a_value_in_an_old_encoding_is_not_known_and_can_be_replaced() -> None:
    text = V4.replace("BDAY:19900517", "NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:caf=C3=A9")

    assert "NOTE" not in said(text, "NOTE", "FN")
    assert said(written(text, {"NOTE": "café"}), "NOTE") == {"NOTE": "café"}


@pytest.mark.parametrize("value", ["a\0b", "a\x1bb", "\ud800", "\ufffe", 5, ["a"]])
def test_what_has_no_form_in_a_card_is_refused_by_its_name(value: Any) -> None:
    """F88."""
    (name,) = names("NOTE")

    assert list(write(Card.read(V4), [name], {name: value})) == ["NOTE"]


def test_a_new_card_has_what_no_card_is_without() -> None:
    given = {"N.given": "Ann", "N.family": "Bell", "EMAIL;TYPE=work": "ann@example.org"}
    mapped = names(*given)

    card, refused = new_card("u,1", mapped, dict(zip(mapped, given.values(), strict=True)))

    assert refused == {}
    assert card.text.split("\r\n") == [
        "BEGIN:VCARD", "VERSION:3.0", "UID:u\\,1", "N:Bell;Ann;;;", "EMAIL;TYPE=work:ann@example.org", "FN:Ann Bell",
        "END:VCARD", "",
    ]  # fmt: skip


def test_a_name_that_is_mapped_and_blank_is_not_filled_in() -> None:
    """F81: nobody takes what we put there for a value."""
    mapped = names("FN", "EMAIL")

    card, _ = new_card("u1", mapped, {mapped[0]: "", mapped[1]: "ann@example.org"})
    other, _ = new_card("u1", mapped, {mapped[1]: "ann@example.org"})

    assert said(card.text, "FN") == said(other.text, "FN") == {"FN": ""}


@pytest.mark.parametrize(
    "native",
    ["", "no_such_field", "PHOTO", "VERSION", "N", "N.nothing", "EMAIL.family", "href", "CATEGORIES;TYPE=work", "A:B"],
)
def test_what_no_card_has_is_no_name(native: str) -> None:
    assert name_of(native) is None


def test_capitals_and_small_letters_are_one_name() -> None:
    assert said(APPLE, "email;type=WORK", "n.Family") == {
        "email;type=WORK": "zl@acme.example",
        "n.Family": "Łukasiewicz",
    }
    assert doubles(["EMAIL", "FN", "email"]) == ("EMAIL", "email")
    assert doubles(["ORG", "ORG.unit", "ORG.name"]) == ("ORG", "ORG.name")
    assert doubles(["EMAIL", "EMAIL;TYPE=work"]) == ()


def test_what_can_be_mapped_is_listed_with_what_is() -> None:
    kinds = {column.name: column.kind for column in columns(["X-Account", "EMAIL;TYPE=other", "no_such_field"])}

    assert {"href", "FN", "N.given", "EMAIL;TYPE=work", "ADR.city;TYPE=home", "X-Account", "EMAIL;TYPE=other"} <= set(
        kinds
    )
    assert (kinds["CATEGORIES"], kinds["FN"]) == ("list", "text")
    assert "no_such_field" not in kinds
