"""A card: one vCard as its lines, of which single ones are changed, added and taken out, and all others stay."""

from __future__ import annotations

import re

from .content_line import ContentLine, line_of, lines_of

VERSIONS = ("3.0", "4.0")
NEW = "3.0"
"""What every CardDAV server takes (RFC 6352, 5.1)."""
CRLF = "\r\n"

_BREAK = re.compile(r"\r?\n")
_GROUP_OF_CARDS = ("KIND", "X-ADDRESSBOOKSERVER-KIND")


class NotACard(ValueError):
    """A text is no card that can be read. The message says why and quotes nothing of it."""


class Card:
    """One vCard. It changes; `text` is what it is now."""

    def __init__(self, lines: list[ContentLine]) -> None:
        """`lines`: those of a whole card, from its BEGIN to its END, and what stands around them."""
        self._lines = lines
        named = [line.name for line in lines]
        if named.count("BEGIN") != 1 or named.count("END") != 1:
            raise NotACard("it is not one vCard" if "BEGIN" in named else "it is no vCard")
        begin, end = named.index("BEGIN"), named.index("END")
        if begin > end or lines[begin].value.strip().upper() != "VCARD":
            raise NotACard("it is no vCard")
        self._end = CRLF if lines[begin].raw.endswith(CRLF) else "\n"
        self.version = next((line.value.strip() for line in lines if line.name == "VERSION"), "")
        if self.version not in VERSIONS:
            raise NotACard(f"its VERSION is none of {', '.join(VERSIONS)}")

    @classmethod
    def read(cls, text: str) -> Card:
        """Raises `NotACard`."""
        return cls(list(lines_of(text.removeprefix("\ufeff"))))

    @classmethod
    def new(cls, uid: str) -> Card:
        """A card with nothing but its UID, which is escaped."""
        return cls.read(CRLF.join(["BEGIN:VCARD", f"VERSION:{NEW}", f"UID:{uid}", "END:VCARD", ""]))

    @property
    def text(self) -> str:
        return "".join(line.raw for line in self._lines)

    @property
    def is_group(self) -> bool:
        """It is no person but a list of other cards (RFC 6350, 6.1.4)."""
        return any(line.name in _GROUP_OF_CARDS and line.value.strip().lower() == "group" for line in self._lines)

    def named(self, name: str) -> list[ContentLine]:
        """The lines of a property, in order."""
        return [line for line in self._lines if line.name == name]

    def change(self, line: ContentLine, value: str, without: tuple[str, ...] = ()) -> None:
        """Give a line another value, which is escaped."""
        self._lines[self._place(line)] = line.saying(value, self._end, without)

    def take_out(self, line: ContentLine) -> None:
        del self._lines[self._place(line)]

    def add(self, head: str, value: str) -> None:
        """A new line behind the last one of its name, else as the last of the card. The value is escaped."""
        made = line_of(f"{head}:{value}", self._end)
        places = [place for place, line in enumerate(self._lines) if line.name in (made.name, "END")]
        self._lines.insert(places[-2] + 1 if len(places) > 1 else places[-1], made)

    def _place(self, line: ContentLine) -> int:
        return next(place for place, known in enumerate(self._lines) if known is line)


def sent(text: str) -> bytes:
    """A card as it is sent: XML, in which servers answer, leaves of a line's end only the line feed."""
    return _BREAK.sub(CRLF, text).encode()
