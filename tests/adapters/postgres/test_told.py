"""PostgreSQL: what the messages of a stream come to, without a server."""

from __future__ import annotations

import struct

import pytest

from datasyncd.adapters.postgres import told as told_of
from datasyncd.adapters.postgres.feed import is_running
from datasyncd.adapters.postgres.told import Told, Transaction

PEOPLE, OTHER = 7, 8
COLUMNS = ("id", "note", "shop")


@pytest.fixture
def told() -> Told:
    known = Told({PEOPLE: ("shop", "id")})
    known.hear(relation(PEOPLE, *COLUMNS))
    return known


def test_a_transaction_is_told_at_its_end_with_the_keys_of_its_rows(told: Told) -> None:
    assert hear(told, 5, 100, insert(PEOPLE, "1", "x", "a"), update(PEOPLE, None, ("2", "x", "b"))) == Transaction(
        5, 100, {PEOPLE: {("a", "1"): False, ("b", "2"): False}}
    )
    assert hear(told, 6, 200, delete(PEOPLE, "1", None, "a"), insert(OTHER, "9")) == Transaction(
        6, 200, {PEOPLE: {("a", "1"): True}}
    )
    assert hear(told, 7, 300, insert(OTHER, "9")) is None
    assert [transaction.end for transaction in told.transactions] == [100, 200]
    assert told.end == 300


def test_a_key_that_changes_is_told_twice(told: Told) -> None:
    found = hear(told, 5, 100, update(PEOPLE, ("1", None, "a"), ("2", "x", "a")))

    assert found is not None
    assert found.keys == {PEOPLE: {("a", "1"): True, ("a", "2"): False}}


def test_the_last_thing_that_is_done_to_a_row_counts(told: Told) -> None:
    found = hear(told, 5, 100, delete(PEOPLE, "1", None, "a"), insert(PEOPLE, "1", "x", "a"))
    assert found is not None
    assert found.keys == {PEOPLE: {("a", "1"): False}}
    found = hear(told, 6, 200, insert(PEOPLE, "1", "x", "a"), delete(PEOPLE, "1", None, "a"))
    assert found is not None
    assert found.keys == {PEOPLE: {("a", "1"): True}}


def test_a_part_of_a_key_that_is_not_sent_again_is_taken_from_the_old_row(told: Told) -> None:
    found = hear(told, 5, 100, update(PEOPLE, ("1", None, "long"), ("2", "x", ...)))

    assert found is not None
    assert found.keys == {PEOPLE: {("long", "1"): True, ("long", "2"): False}}


def test_a_row_that_cannot_be_told_apart_means_that_all_are_read(told: Told) -> None:
    for n, message in enumerate(
        (truncate(PEOPLE, OTHER), delete(PEOPLE, "1", None, None), update(PEOPLE, None, ("1", "x", ...)))
    ):
        found = hear(told, n, 100 + n, message)
        assert found is not None
        assert found.anything == {PEOPLE}

    told.hear(relation(PEOPLE, "id", "note"))
    found = hear(told, 9, 200, insert(PEOPLE, "1", "x"))
    assert found is not None
    assert found.anything == {PEOPLE}


def test_a_row_without_a_key_is_nobodys_record(told: Told) -> None:
    found = hear(told, 5, 100, insert(PEOPLE, "1", "x", None), insert(PEOPLE, "2", "x", "a"))

    assert found is not None
    assert (found.keys, found.anything) == ({PEOPLE: {("a", "2"): False}}, set())


def test_columns_are_found_where_they_are_by_then(told: Told) -> None:
    told.hear(relation(PEOPLE, "shop", "id"))
    found = hear(told, 5, 100, insert(PEOPLE, "a", "1"))

    assert found is not None
    assert found.keys == {PEOPLE: {("a", "1"): False}}


def test_our_own_transaction_is_no_news_but_for_rows_that_ended_otherwise() -> None:
    told = Told({PEOPLE: ("id",), OTHER: ("id",)})
    told.hear(relation(PEOPLE, "id"))
    told.hear(relation(OTHER, "id"))
    told.ours(5, PEOPLE, {"1": False, "2": True})
    own = hear(told, 5, 100, insert(PEOPLE, "1"), delete(PEOPLE, "2"))
    assert own is not None
    assert not told.has_news(own, PEOPLE)

    for xid, message in enumerate((insert(PEOPLE, "3"), insert(PEOPLE, "2"), delete(PEOPLE, "1"), truncate(PEOPLE)), 6):
        told.ours(xid, PEOPLE, {"1": False, "2": True})
        found = hear(told, xid, 100 + xid, message)
        assert found is not None
        assert told.has_news(found, PEOPLE), message
    told.ours(20, PEOPLE, {"1": False})
    found = hear(told, 20, 200, insert(OTHER, "1"))
    assert found is not None
    assert told.has_news(found, OTHER)
    other = hear(told, 21, 300, insert(PEOPLE, "1"))
    assert other is not None
    assert told.has_news(other, PEOPLE)


def test_a_commit_of_ours_that_failed_is_news() -> None:
    told = Told({PEOPLE: ("id",)})
    told.hear(relation(PEOPLE, "id"))
    told.ours(5, PEOPLE, {"1": False})
    told.not_ours(5)

    found = hear(told, 5, 100, insert(PEOPLE, "1"))

    assert found is not None
    assert told.has_news(found, PEOPLE)


def test_what_is_committed_here_is_forgotten_and_its_number_may_come_again(told: Told) -> None:
    told.ours(5, PEOPLE, {'["a","1"]': False})
    for n in range(3):
        hear(told, 5 + n, 100 + n, insert(PEOPLE, "1", "x", "a"))
    told.forget(101)

    assert [transaction.end for transaction in told.transactions] == [102]
    again = hear(told, 5, 500, insert(PEOPLE, "1", "x", "a"))
    assert again is not None
    assert told.has_news(again, PEOPLE)


def test_more_keys_than_are_kept_mean_that_all_rows_are_read(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_of, "MOST_KEYS", 5)
    for n in range(8):
        hear(told, n, 100 + n, insert(PEOPLE, str(n), "x", "a"))

    first, *rest = told.transactions
    assert (first.keys, first.anything, first.end) == ({}, {PEOPLE}, 105)
    assert [transaction.end for transaction in rest] == [106, 107]
    assert set(told.unseen) == set(range(8))
    told.are_seen({0, 1, 2})
    assert set(told.unseen) == {3, 4, 5, 6, 7}


def test_a_transaction_of_more_keys_than_are_kept_keeps_none(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_of, "MOST_KEYS", 5)
    found = hear(told, 5, 100, *(insert(PEOPLE, str(n), "x", "a") for n in range(8)))

    assert found is not None
    assert (found.keys, found.anything) == ({PEOPLE: {}}, {PEOPLE})


@pytest.mark.parametrize(
    ("xid", "snapshot", "running"),
    [
        (99, "100:103:101,102", False),
        (100, "100:103:101,102", False),
        (101, "100:103:101,102", True),
        (103, "100:103:101,102", True),
        (102, "102:103:102", True),
        (2**32 - 1, f"{2**32 + 5}:{2**32 + 9}:{2**32 + 7}", False),
        (2**32 - 1, f"{2**32 - 1}:{2**32 + 9}:{2**32 - 1}", True),
        (7, f"{2**32 + 5}:{2**32 + 9}:{2**32 + 7}", True),
        (3, f"{2**32 - 5}:{2**32 - 1}:", True),
        (7, "10:10:", False),
    ],
)
def test_a_transaction_runs_by_its_number_of_32_bits(xid: int, snapshot: str, running: bool) -> None:
    assert is_running(xid, snapshot) is running


# Messages ----------------------------------------------------------------------------------------------------------


def hear(told: Told, xid: int, end: int, *messages: bytes) -> Transaction | None:
    """What a transaction comes to."""
    assert told.hear(b"B" + struct.pack(">QqI", end - 1, 0, xid)) is None
    assert told.is_inside
    for message in messages:
        assert told.hear(message) is None
    found = told.hear(b"C" + struct.pack(">BQQq", 0, end - 1, end, 0))
    assert not told.is_inside
    return found


def relation(id: int, *columns: str) -> bytes:
    named = b"".join(b"\1" + name.encode() + b"\0" + bytes(8) for name in columns)
    return b"R" + struct.pack(">I", id) + b"public\0table\0d" + struct.pack(">H", len(columns)) + named


def row(values: tuple[object, ...]) -> bytes:
    """Texts; None is NULL, ... is not sent."""
    parts = []
    for value in values:
        if isinstance(value, str):
            parts.append(b"t" + struct.pack(">I", len(value)) + value.encode())
        else:
            parts.append(b"n" if value is None else b"u")
    return struct.pack(">H", len(values)) + b"".join(parts)


def insert(id: int, *values: object) -> bytes:
    return b"I" + struct.pack(">I", id) + b"N" + row(values)


def update(id: int, old: tuple[object, ...] | None, new: tuple[object, ...]) -> bytes:
    before = b"" if old is None else b"K" + row(old)
    return b"U" + struct.pack(">I", id) + before + b"N" + row(new)


def delete(id: int, *values: object) -> bytes:
    return b"D" + struct.pack(">I", id) + b"K" + row(values)


def truncate(*ids: int) -> bytes:
    return b"T" + struct.pack(f">IB{len(ids)}I", len(ids), 0, *ids)
