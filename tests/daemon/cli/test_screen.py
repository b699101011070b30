"""Screen: values of people as a terminal shows them."""

from __future__ import annotations

from datasyncd.daemon.cli.screen import plain, text_of


def test_what_would_steer_the_terminal_is_spelled_out() -> None:
    assert text_of("\x1b[2J\x1b]0;evil\x07x") == r"\x1b[2J\x1b]0;evil\x07x"
    assert text_of("two\nlines") == r"two\nlines"
    assert plain("a\u202eb\x9b") == r"a\u202eb\x9b"


def test_names_of_people_stay_as_they_are() -> None:
    for name in ("Zoë Müller", "山田 太郎", "👩\u200d💻 Ann", "O\u2019Neill"):
        assert text_of(name) == name
