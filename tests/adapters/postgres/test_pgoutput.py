"""PostgreSQL: messages of pgoutput, as servers of 16 and 18 sent them."""

from __future__ import annotations

import pytest

from datasyncd.adapters.postgres.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Malformed,
    Message,
    Origin,
    Other,
    Relation,
    Truncate,
    Update,
    decode,
)

PEOPLE, WHOLE = 16385, 16393
RELATION = (
    "52000040017075626c69630070656f706c65006400030169640000000017ffffffff004e616d650000000019ffffffff"
    "006e6f74650000000019ffffffff"
)

SENT: list[tuple[str, Message]] = [
    ("420000000001afb0f8000304722574cede000002f7", Begin(0x2F7)),
    (RELATION, Relation(PEOPLE, "public", "people", ("id", "Name", "note"), ("id",))),
    (
        "52000040097075626c69630066756c6c5f726f77730066000201610000000017ffffffff01620000000019ffffffff",
        Relation(WHOLE, "public", "full_rows", ("a", "b"), ("a", "b")),
    ),
    ("49000040014e00037400000001326e7400000000", Insert(PEOPLE, ("2", None, ""))),
    ("55000040014e000374000000013174000000016175", Update(PEOPLE, None, ("1", "a", UNCHANGED))),
    (
        "55000040014b00037400000001326e6e4e00037400000001336e7400000000",
        Update(PEOPLE, ("2", None, None), ("3", None, "")),
    ),
    (
        "55000040094f00027400000001317400000001784e0002740000000131740000000179",
        Update(WHOLE, ("1", "x"), ("1", "y")),
    ),
    ("44000040014b00037400000001336e6e", Delete(PEOPLE, ("3", None, None))),
    ("44000040094f0002740000000131740000000179", Delete(WHOLE, ("1", "y"))),
    ("5400000002000000400100004009", Truncate((PEOPLE, WHOLE))),
    ("4f0000000000000000656c7365776865726500", Origin("elsewhere")),
    ("4d010000000001afca8870000000000568656c6c6f", Other("M")),
    ("43000000000001afb0f80000000001afb128000304722574cede", Commit(0x1AFB128)),
]
"""What PostgreSQL 18 sent, one of each kind; the long value of `note` was not touched by the first update."""


@pytest.mark.parametrize(("sent", "message"), SENT, ids=lambda value: type(value).__name__)
def test_a_message_is_read(sent: str, message: Message) -> None:
    assert decode(bytes.fromhex(sent)) == message


def test_text_beyond_ascii_is_read() -> None:
    sent = bytes.fromhex("49000040014e00037400000001317400000004") + "Zoë".encode() + b"n"

    assert decode(sent) == Insert(PEOPLE, ("1", "Zoë", None))


@pytest.mark.parametrize(("sent", "message"), SENT, ids=lambda value: type(value).__name__)
def test_a_message_that_is_cut_is_an_error_and_never_another_message(sent: str, message: Message) -> None:
    whole = bytes.fromhex(sent)
    for end in range(len(whole)):
        try:
            cut = decode(whole[:end])
        except Malformed:
            continue
        # What follows the numbers that are of use may be missing.
        assert cut == message


@pytest.mark.parametrize("sent", ["58", "49000040014e00017a", "55000040015a0000", "ff", ""])
def test_what_is_no_message_is_an_error(sent: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(sent))
