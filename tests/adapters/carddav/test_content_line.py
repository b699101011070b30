"""Content lines: what is not changed keeps its bytes, and what is written is read again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.carddav.card import Card, NotACard
from datasyncd.adapters.carddav.content_line import WIDTH, escaped, folded, line_of, lines_of, split, unescaped

ENDS = st.sampled_from(["\r\n", "\n"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=300)
ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
NAMES = st.from_regex(r"(item[0-9]\.)?[A-Z][A-Z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name.rpartition(".")[2] not in ("BEGIN", "END", "VERSION", "KIND", "X-ADDRESSBOOKSERVER-KIND")
)


@st.composite
def content_lines(draw: st.DrawFn) -> str:
    """A line as somebody may have written it: any parameters, folded anywhere or not at all."""
    parameters = draw(st.sampled_from(["", ";TYPE=work", ';X-P="a:b;c,d"', ";TYPE=pref;PREF=1", ";WORK;VOICE", ';X="']))
    end = draw(ENDS)
    text = f"{draw(NAMES)}{parameters}:{draw(ONE_LINE)}"
    at = sorted(draw(st.lists(st.integers(1, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    return f"{end} ".join(pieces) + end


CARDS = st.lists(content_lines(), max_size=12).map(
    lambda lines: "".join(["BEGIN:VCARD\r\n", "VERSION:4.0\r\n", *lines, "END:VCARD\r\n"])
)


@given(st.text(max_size=500))
def test_the_lines_of_any_text_are_the_text(text: str) -> None:
    assert "".join(line.raw for line in lines_of(text)) == text


@given(TEXTS)
def test_a_text_that_is_escaped_is_read_again(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert "\n" not in escaped(text)


@given(st.lists(TEXTS, min_size=1), st.sampled_from(";,"))
def test_parts_that_are_escaped_are_told_apart(parts: list[str], separator: str) -> None:
    assert [unescaped(part) for part in split(separator.join(map(escaped, parts)), separator)] == parts


@given(ONE_LINE, ENDS)
def test_a_line_that_is_folded_is_the_line(value: str, end: str) -> None:
    line = line_of(f"NOTE:{value}", end)

    assert line.value == value
    assert re.sub(r"\r?\n ", "", line.raw) == f"NOTE:{value}{end}"
    assert [read.value for read in lines_of(line.raw)] == [value]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), max_size=400))
def test_no_piece_of_a_line_is_too_long(value: str) -> None:
    assert all(len(piece.encode()) <= WIDTH for piece in folded(f"NOTE:{value}", "\r\n").split("\r\n"))


@given(st.lists(st.text("abcé王", min_size=2, max_size=10), max_size=60))
def test_words_are_folded_within_them_and_no_piece_is_too_long(words: list[str]) -> None:
    pieces = folded(f"NOTE:{' '.join(words)}", "\n").split("\n")

    assert all(len(piece.encode()) <= WIDTH for piece in pieces)


@given(st.text("a \t", max_size=400))
def test_no_piece_of_a_line_begins_or_ends_with_a_blank(value: str) -> None:
    """There are servers that take blank lines out, and then the blanks that they stood for are lost."""
    pieces = folded(f"NOTE:{value}", "\n").split("\n")

    assert all(not piece[1:2].isspace() for piece in pieces[1:])
    assert all(not piece[-1:].isspace() for piece in pieces[:-1])


@given(CARDS, NAMES, TEXTS)
def test_a_change_leaves_every_other_line_as_it_is(text: str, name: str, value: str) -> None:
    """F26."""
    card = Card.read(text)
    property = name.rpartition(".")[2]
    lines = card.named(property)
    before = [line.raw for line in lines_of(text)]

    if lines:
        card.change(lines[0], escaped(value))
    else:
        card.add(property, escaped(value))

    after = [line.raw for line in lines_of(card.text)]
    if lines:
        changed = [place for place, raw in enumerate(before) if raw != after[place]]
        assert len(after) == len(before)
        assert changed in ([], [next(n for n, line in enumerate(lines_of(text)) if line.name == property)])
        assert card.named(property)[0].head == lines[0].head
    else:
        assert [raw for raw in after if raw in before] == before
        assert len(after) == len(before) + 1
    assert unescaped(Card.read(card.text).named(property)[0].value) == value


@given(CARDS)
def test_a_card_that_is_read_is_the_card(text: str) -> None:
    assert Card.read(text).text == text


def test_a_colon_and_a_semicolon_in_quotes_end_nothing() -> None:
    (line,) = lines_of('item1.EMAIL;X-Label="at: home; alone";TYPE="work,pref":ann@example.org\r\n')

    assert (line.name, line.value) == ("EMAIL", "ann@example.org")
    assert line.types == {"WORK", "PREF"}
    assert line.parameter("X-LABEL") == "at: home; alone"


@pytest.mark.parametrize(
    ("text", "meant"),
    [(r"a\nb\Nc", "a\nb\nc"), (r"a\,b\;c\\n\:", "a,b;c\\n:"), (r"a\rb\ ", "a\\rb\\ "), ("a\\", "a\\")],
)
def test_what_stands_behind_a_backslash(text: str, meant: str) -> None:
    assert unescaped(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no vCard"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\n", "it is no vCard"),
        ("BEGIN:VCARD\nVERSION:3.0\n", "it is not one vCard"),
        ("BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n" * 2, "it is not one vCard"),
        ("BEGIN:VCARD\nVERSION:2.1\nN:A;B\nEND:VCARD\n", "its VERSION is none of 3.0, 4.0"),
        ("END:VCARD\nVERSION:3.0\nBEGIN:VCARD\n", "it is no vCard"),
    ],
)
def test_what_is_no_card_is_said_to_be_none(text: str, why: str) -> None:
    with pytest.raises(NotACard, match=f"^{re.escape(why)}$"):
        Card.read(text)
