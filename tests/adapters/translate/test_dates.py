"""Dates never move; instants are the same moment everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.translate import FieldTypeOptions, Unusable
from datasyncd.adapters.translate.dates import edited_at
from datasyncd.adapters.translate.types import reader
from tests.adapters.translate.translating import no_form, read, refusal, write

EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("2024-02-29", "2024-02-29"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31"),
        (" 1970-01-01 ", "1970-01-01"),
        ("19690720", "1969-07-20"),
        ("2024-03-31T00:00:00", "2024-03-31"),
        ("2024-03-31 00:00:00.000+14:00", "2024-03-31"),
        ("2024-03-31T00:00:00-12:00", "2024-03-31"),
        ("2024-03-31T00:00Z", "2024-03-31"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 3, 31, tzinfo=EAST), "2024-03-31"),
        (datetime(2024, 3, 31, tzinfo=WEST), "2024-03-31"),
        (b"2024-02-29", "2024-02-29"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_date_is_the_day_that_is_written(raw: object, canonical: str | None) -> None:
    assert read("date", raw) == canonical
    assert read("date", raw, zone="Pacific/Kiritimati") == canonical


@pytest.mark.parametrize(
    "raw",
    [
        *("2023-02-29", "1900-02-29", "2024-13-01", "0000-00-00", "2024-1-1", "31.12.2024", "12/31/2024", "2024-W01-1"),
        *("2024-366", "20240230", "24-01-01", "２０２４-01-01", 20240101, 1.5, True, [], "2024-01-01" * 99),
    ],
)
def test_what_is_no_date_is_refused(raw: object) -> None:
    assert refusal("date", raw) == "a date such as 2024-02-29 expected"


@pytest.mark.parametrize("raw", ["2024-03-31T22:00:00Z", "2024-03-31 12:00", datetime(2024, 3, 31, 1, tzinfo=UTC)])
def test_an_instant_is_no_date(raw: object) -> None:
    assert refusal("date", raw) == "a date without a time expected"


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00.500000Z", "2024-02-29T12:00:00.500000Z"),
        ("2024-02-29T12:00:00.5Z", "2024-02-29T12:00:00.500000Z"),
        ("2024-02-29T12:00:00.000Z", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456Z"),
        ("2024-02-29 12:00", "2024-02-29T12:00:00Z"),
        ("2024-02-29 12:00:00 UTC", "2024-02-29T12:00:00Z"),
        ("2024-02-29 12:00:00+00", "2024-02-29T12:00:00Z"),
        ("2024-02-29t12:00:00z", "2024-02-29T12:00:00Z"),
        ("2024-03-01T01:00:00+14:00", "2024-02-29T11:00:00Z"),
        ("2024-02-29T13:00:00-12:00", "2024-03-01T01:00:00Z"),
        ("2024-02-29T12:00:00+0530", "2024-02-29T06:30:00Z"),
        (datetime(2024, 2, 29, 12, tzinfo=EAST), "2024-02-28T22:00:00Z"),
        (datetime(2024, 2, 29, 12), "2024-02-29T12:00:00Z"),
        (1_709_208_000, "2024-02-29T12:00:00Z"),
        (1_709_208_000_500, "2024-02-29T12:00:00.500000Z"),
        (1_709_208_000.5, "2024-02-29T12:00:00.500000Z"),
        (-86_400, "1969-12-31T00:00:00Z"),
        ("", None),
        (None, None),
    ],
)
def test_an_instant_is_kept_in_utc(raw: object, canonical: str | None) -> None:
    assert read("datetime", raw) == canonical
    assert read("datetime", canonical) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        *("2024-02-30T12:00:00Z", "2024-02-29", "2024-02-29T24:00:00Z", "2024-02-29T12:00:60Z", "2024-W09-4T12:00:00Z"),
        *("2024-02-29T12", "20240229T120000Z", "yesterday", "1709208000", "2024-02-29x12:00:00Z", True, [], {}),
    ],
)
def test_what_is_no_instant_is_refused(raw: object) -> None:
    assert refusal("datetime", raw) == "a date with a time such as 2024-02-29T12:00:00Z expected"


@pytest.mark.parametrize("raw", [20_000_000_000, 99_999_999_999.5, 1e300, float("nan"), 253_402_300_800_000])
def test_a_number_that_may_be_two_moments_is_refused(raw: object) -> None:
    assert "seconds or milliseconds since 1970" in refusal("datetime", raw)


@pytest.mark.parametrize("raw", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_refused(raw: str) -> None:
    assert "years 1 to 9999" in refusal("datetime", raw)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-01-15 12:00:00", "2024-01-15T11:00:00Z"),
        ("2024-07-15 12:00:00", "2024-07-15T10:00:00Z"),
        ("2024-03-31 01:59:59", "2024-03-31T00:59:59Z"),
        ("2024-03-31 03:00:00", "2024-03-31T01:00:00Z"),
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
        ("2024-10-27 03:00:00", "2024-10-27T02:00:00Z"),
        ("2024-07-15T12:00:00Z", "2024-07-15T12:00:00Z"),
    ],
)
def test_a_text_without_a_zone_is_local_time_of_the_named_one(local: str, utc: str) -> None:
    assert read("datetime", local, zone=BERLIN) == utc
    assert read("datetime", write("datetime", utc, zone=BERLIN), zone=BERLIN) == utc


def test_local_time_is_written_without_a_zone_and_utc_with_z() -> None:
    assert write("datetime", "2024-07-15T10:00:00Z", zone=BERLIN) == "2024-07-15T12:00:00"
    assert write("datetime", "2024-07-15T10:00:00Z", zone="UTC") == "2024-07-15T10:00:00"
    assert write("datetime", "2024-07-15T10:00:00Z") == "2024-07-15T10:00:00Z"


def test_a_local_time_that_is_left_out_is_read_as_if_clocks_had_not_changed() -> None:
    """F83."""
    assert read("datetime", "2024-03-31 02:30:00", zone=BERLIN) == "2024-03-31T01:30:00Z"


def test_of_a_local_time_that_happens_twice_the_second_cannot_be_written() -> None:
    assert write("datetime", "2024-10-27T00:30:00Z", zone=BERLIN) == "2024-10-27T02:30:00"
    assert no_form("datetime", "2024-10-27T01:30:00Z", zone=BERLIN).startswith("a moment that the local time")


def test_a_zone_must_exist() -> None:
    for zone in ("Europe/Atlantis", "../etc/passwd", "", "Europe"):
        with pytest.raises(Unusable, match="time zone"):
            reader(FieldTypeOptions(name="datetime", zone=zone))


@given(st.dates())
def test_each_day_is_its_own_day_in_every_zone(day: date) -> None:
    """F82."""
    for midnight in (day.isoformat(), f"{day}T00:00:00+14:00", f"{day} 00:00:00-12:00", f"{day:%Y%m%d}".zfill(8)):
        assert read("date", midnight) == day.isoformat()


OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS))
def test_a_moment_is_the_same_from_every_offset(moment: datetime) -> None:
    canonical = read("datetime", moment.isoformat())

    assert datetime.fromisoformat(canonical) == moment
    assert read("datetime", canonical) == canonical


ZONES = st.sampled_from([BERLIN, "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31)), ZONES)
def test_a_round_trip_through_local_time_moves_nothing(moment: datetime, zone: str) -> None:
    """F82."""
    canonical = read("datetime", moment.isoformat(), zone=zone)

    assert read("datetime", write("datetime", canonical, zone=zone), zone=zone) == canonical


NOON = 1_709_208_000_000_000


@pytest.mark.parametrize(
    "raw",
    [
        *("2024-02-29T12:00:00Z", "2024-02-29 12:00:00", "2024-02-29T14:00:00+02:00", " 2024-02-29T12:00Z "),
        *(1_709_208_000, 1_709_208_000_000, 1_709_208_000.0, "1709208000", "1709208000000", "1709208000.0"),
        *(datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2024, 2, 29, 12)),
    ],
)
def test_the_time_of_an_edit_is_found_in_many_forms(raw: object) -> None:
    assert edited_at(raw) == NOON


def test_the_time_of_an_edit_keeps_its_microseconds() -> None:
    assert edited_at("2024-02-29T12:00:00.000001Z") == NOON + 1
    assert edited_at(1_709_208_000_001) == NOON + 1_000


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "soon",
        "2024-02-29",
        "20240229",
        0,
        -1,
        20240229,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        10**30,
        b"1",
    ],
)
def test_what_is_no_time_of_an_edit_is_none(raw: object) -> None:
    assert edited_at(raw) is None
