"""Mapping: records of one system, read and written field by field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from datasyncd.adapters.contract import Column
from datasyncd.adapters.translate import Reading
from tests.adapters.translate.translating import field, record, translation

EMAIL, PHONE, SMS, STAGE, BORN, NAME, SCORE = range(1, 8)

COLUMNS = (
    Column("Id", "integer", writable=False),
    Column("Email", "text", max_length=40),
    Column("Mobile", "text"),
    Column("SMS", "text"),
    Column("State", "integer", nullable=False),
    Column("Born", "text"),
    Column("FirstName", "text", nullable=False),
    Column("Score", "float"),
    Column("Updated", "text"),
)
CONTACT = translation(
    field(EMAIL, "Email", "email"),
    field(PHONE, "Mobile", "phone", region="US"),
    field(SMS, "SMS", "consent", native_values={"Y": True, "N": False}),
    field(STAGE, "State", "enum", values=("lead", "active"), native_values={"1": "lead", "2": "active"}),
    field(BORN, "Born", "date"),
    field(NAME, "FirstName", "text"),
    field(SCORE, "Score", "decimal", lossy=True),
    columns=COLUMNS,
    edited_at="Updated",
)


def test_a_record_is_read_field_by_field() -> None:
    row = record(
        Email="Ada@EXAMPLE.com",
        Mobile="(415) 555-0132",
        SMS="Y",
        State=2,
        Born="1815-12-10",
        FirstName="Ada",
        Score=1.5,
        Updated="2024-02-29T12:00:00Z",
        Other="ignored",
    )

    assert CONTACT.reading(row) == Reading(
        values={
            EMAIL: "Ada@example.com",
            PHONE: "+14155550132",
            SMS: "in",
            STAGE: "active",
            BORN: "1815-12-10",
            NAME: "Ada",
            SCORE: "1.5",
        },
        invalid={},
        edited_at=int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp()) * 1_000_000,
    )


def test_blank_is_a_value_and_absent_is_none() -> None:
    assert CONTACT.reading(record(Email=None, FirstName="")) == Reading({EMAIL: None, NAME: None}, {}, None)


def test_a_broken_field_does_not_stop_its_record() -> None:
    reading = CONTACT.reading(record(Email="ada", State=3, FirstName="Ada", Updated="soon"))

    assert reading == Reading(
        values={NAME: "Ada"},
        invalid={
            EMAIL: ("ada", "an e-mail address (name@domain) expected"),
            STAGE: (3, "one of 1, 2, lead, active expected"),
        },
        edited_at=None,
    )


def test_values_are_written_in_the_words_of_the_system() -> None:
    values = {EMAIL: "ada@example.com", SMS: "out", STAGE: "lead", BORN: None, NAME: None, SCORE: "0.25"}

    assert CONTACT.native(values) == (
        {"Email": "ada@example.com", "SMS": "N", "State": 1, "Born": None, "FirstName": "", "Score": 0.25},
        {},
    )


def test_what_the_system_cannot_hold_is_refused_with_a_reason() -> None:
    """F26."""
    fields, refused = CONTACT.native({EMAIL: "a" * 40 + "@example.com", STAGE: None, NAME: "Ada", 99: "x"})

    assert fields == {"FirstName": "Ada"}
    assert refused == {
        EMAIL: "at most 40 characters expected by the column",
        STAGE: "a value expected: the column takes no blank",
        99: "a field that is mapped here expected",
    }


def test_what_reads_back_after_a_write() -> None:
    assert CONTACT.stored(SCORE, "0.12345678901234567891") == "0.12345678901234568"
    assert CONTACT.stored(SCORE, "0.25") == "0.25"
    assert CONTACT.stored(SCORE, "9" * 100) == "9" * 100
    assert CONTACT.stored(NAME, " Ada ") == " Ada "
    assert [n for n in range(1, 8) if not CONTACT.identity(n)] == [SCORE]
    assert CONTACT.limits() == [
        "Score: the column keeps only numbers of about 15 digits, and rounds the rest",
    ]


def test_names_and_numbers() -> None:
    assert CONTACT.native_name(PHONE) == "Mobile"
    assert CONTACT.number_of("Mobile") == PHONE
    assert CONTACT.number_of("Other") is None
    with pytest.raises(KeyError):
        CONTACT.native_name(99)


def test_a_store_of_texts_has_no_null() -> None:
    cells = translation(
        field(SMS, "SMS", "consent"),
        field(SCORE, "Score", "integer"),
        field(NAME, "Name", "text"),
        columns=(Column("SMS", "text"), Column("Score", "any"), Column("Name", "text")),
        text_only=True,
    )

    assert cells.native({SMS: "in", SCORE: 5, NAME: None}) == ({"SMS": "true", "Score": "5", "Name": ""}, {})
    assert cells.reading(record(SMS="true", Score="5", Name="")).values == {SMS: "in", SCORE: 5, NAME: None}


def test_a_map_that_fits_has_no_problems() -> None:
    assert CONTACT.problems() == []


def test_each_problem_names_its_field_and_what_would_help() -> None:
    broken = translation(
        field(1, "email", "email"),
        field(2, "Id", "text"),
        field(3, "Score", "email"),
        field(4, "State", "phone"),
        field(5, "Born", "datetime", zone="Europe/Atlantis"),
        field(6, "SMS", "consent", native_values={"Y": True}),
        field(7, "Nowhere", "txt"),
        field(8, "FirstName", "text"),
        field(9, "FirstName", "text"),
        columns=COLUMNS,
        edited_at="Updatd",
    )

    assert broken.problems() == [
        "contacts has no field 'email' (did you mean 'Email'?)",
        "Id: is not writable, so its direction can only be pull",
        "Score: a column of kind float cannot hold the type email",
        "State: a column of kind integer cannot hold the type phone",
        "Born: `zone` must be the name of a time zone, such as Europe/Berlin",
        "SMS: `values` has no form of an opt-out that the column can hold",
        "Nowhere: a field type expected: text, email, phone, integer, decimal, boolean, date, datetime, enum, set, "
        "consent, url, money, country, language, json",
        "contacts has no field 'Nowhere'",
        "FirstName: is written by more than one field",
        "edited_at: contacts has no field 'Updatd' (did you mean 'Updated'?)",
    ]


def test_a_map_with_problems_still_does_what_it_can() -> None:
    broken = translation(
        field(1, "email", "email"),
        field(2, "Id", "text"),
        field(3, "Born", "txt"),
        field(4, "FirstName", "text"),
        columns=COLUMNS,
    )

    assert broken.reading(record(Id=7, Born="x", FirstName="Ada")) == Reading(
        {2: "7", 4: "Ada"}, {3: ("x", "a usable type of the field expected")}, None
    )
    assert broken.native({1: "a@b.c", 2: "7", 3: "x", 4: "Ada"}) == (
        {"FirstName": "Ada"},
        {
            1: "a field that the system has expected",
            2: "a field that can be written expected",
            3: "a usable type of the field expected",
        },
    )


def test_what_is_only_pulled_may_come_from_more_kinds_of_columns() -> None:
    pulled = translation(
        field(1, "State", "phone", push=False, region="US"),
        field(2, "Score", "datetime", push=False),
        field(3, "Id", "text", push=False),
        columns=COLUMNS,
    )

    assert pulled.problems() == []
    assert pulled.reading(record(State=4155550132, Score=1_709_208_000.0, Id=7)).values == {
        1: "+14155550132",
        2: "2024-02-29T12:00:00Z",
        3: "7",
    }
    assert pulled.limits() == []


ADDRESS = 8
WITH_ADDRESS = translation(
    field(EMAIL, "Email", "email"),
    field(ADDRESS, "FirstName", "text", member="street"),
    field(ADDRESS, "Score", "decimal", member="zip"),
    columns=COLUMNS,
)


def test_a_group_is_read_as_one_value() -> None:
    read = WITH_ADDRESS.reading(record(Email="a@example.com", FirstName="Old St 1", Score=1.5))
    assert read.values[ADDRESS] == {"street": "Old St 1", "zip": "1.5"}
    assert WITH_ADDRESS.reading(record(FirstName="", Score=None)).values == {ADDRESS: None}


def test_a_group_is_absent_or_invalid_when_a_member_is() -> None:
    assert ADDRESS not in WITH_ADDRESS.reading(record(FirstName="Old St 1")).values
    read = WITH_ADDRESS.reading(record(FirstName="Old St 1", Score="many"))
    assert ADDRESS not in read.values
    assert read.invalid[ADDRESS] == ("many", "zip: a decimal number such as -12.5 expected")


def test_a_group_is_written_whole_or_not_at_all() -> None:
    native, refused = WITH_ADDRESS.native({ADDRESS: {"street": "Old St 1", "zip": "1.5"}})
    assert (native, refused) == ({"FirstName": "Old St 1", "Score": 1.5}, {})
    native, refused = WITH_ADDRESS.native({ADDRESS: {"street": "Old St 1", "zip": "x"}, EMAIL: "a@example.com"})
    assert native == {"Email": "a@example.com"}
    assert refused == {ADDRESS: "zip: a decimal number expected"}


def test_the_stored_form_of_a_group_is_that_of_its_members() -> None:
    assert not WITH_ADDRESS.identity(ADDRESS)
    value = {"street": "Old St 1", "zip": "0.1234567890123456789"}
    assert WITH_ADDRESS.stored(ADDRESS, value) == {"street": "Old St 1", "zip": "0.12345678901234568"}
