"""Content lines: what a vCard is made of (RFC 6350, 3.2 and 3.3; RFC 2426, 2.6), with nothing of them lost.

A line stands in the text as one or more physical lines: those that begin with a blank go on with the one before. What
is not changed keeps its bytes, however it is folded and whatever it says. A value is escaped: `\\n` is a line break,
`\\,`, `\\;` and `\\\\` are the signs behind the backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

WIDTH = 75
"""Most octets of a physical line that we write, without its end."""

_PHYSICAL = re.compile(r"[^\n]*\n|[^\n]+").findall
_FOLD = re.compile(r"\r?\n[ \t]")
_END = re.compile(r"\r?\n\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SIGNS = {"n": "\n", "N": "\n", ",": ",", ";": ";", "\\": "\\", ":": ":"}
_TO_ESCAPE = str.maketrans({"\\": "\\\\", ",": "\\,", ";": "\\;", "\n": "\\n"})
_BLANKS = " \t"
_PREFERRED = 1
_LEAST = 101


class ContentLine(msgspec.Struct, frozen=True):
    """One property of a card, as it stands in the text."""

    raw: str
    """The text with its folds and its end."""
    head: str
    """Unfolded, what stands before the value: group, name, parameters."""
    name: str
    """The property's name in capitals, without its group; "": this is no content line."""
    parameters: tuple[tuple[str, str], ...]
    """Names in capitals, and one value each: a name comes as often as it has values."""
    value: str
    """Unfolded, and still escaped."""

    @property
    def types(self) -> frozenset[str]:
        """Values of its parameter TYPE, in capitals."""
        return frozenset(value.upper() for name, value in self.parameters if name == "TYPE")

    @property
    def rank(self) -> int:
        """How much it is preferred among those of its name: 1 most (RFC 6350, 5.3; in vCard 3.0 `TYPE=pref`)."""
        if "PREF" in self.types:
            return _PREFERRED
        said = self.parameter("PREF")
        return int(said) if said and said.isascii() and said.isdigit() else _LEAST

    def parameter(self, name: str) -> str | None:
        """Its first value of a parameter."""
        return next((value for known, value in self.parameters if known == name), None)

    def saying(self, value: str, end: str, without: Sequence[str] = ()) -> ContentLine:
        """The same line with another value, which is escaped; `without`: parameters that were about the old one."""
        head = _without(self.head, without) if without else self.head
        return line_of(f"{head}:{value}", end)


def lines_of(text: str) -> Iterator[ContentLine]:
    """The lines of a text; their `raw` put together is the text."""
    held = ""
    for physical in _PHYSICAL(text):
        if held and physical[0] not in _BLANKS:
            yield _read(held)
            held = ""
        held += physical
    if held:
        yield _read(held)


def line_of(text: str, end: str) -> ContentLine:
    """A new line, folded; `end`: what ends a physical line there."""
    return _read(folded(text, end) + end)


def unescaped(value: str) -> str:
    """The text that an escaped value means. A backslash before any other sign is a backslash."""
    return _ESCAPE.sub(_meant, value) if "\\" in value else value


def escaped(text: str) -> str:
    """The value that means a text. A carriage return has no form in a card: `\\r\\n` and `\\r` are written as `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_TO_ESCAPE)


def split(value: str, separator: str) -> list[str]:
    """The parts of an escaped value, which stay escaped."""
    if "\\" not in value:
        return value.split(separator)
    parts, start, place = [], 0, 0
    while place < len(value):
        if value[place] == "\\":
            place += 2
            continue
        if value[place] == separator:
            parts.append(value[start:place])
            start = place + 1
        place += 1
    return [*parts, value[start:]]


def folded(line: str, end: str) -> str:
    """A line in pieces of at most WIDTH octets, without its last end.

    No piece begins or ends with a blank, since there are programs that strip lines, or take blank ones out: where
    blanks are too many for that, a piece is longer.
    """
    if len(line) * 4 <= WIDTH or len(line.encode()) <= WIDTH:
        return line
    pieces, start, room = [], 0, WIDTH
    while start < len(line):
        cut = _cut(line, start, room)
        pieces.append(line[start:cut])
        start, room = cut, WIDTH - 1
    return f"{end} ".join(pieces)


def _cut(line: str, start: int, room: int) -> int:
    """Where the piece ends that begins at `start` and has room for so many octets."""
    piece = line[start : start + room]
    if not piece.isascii():
        piece = piece.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    cut = start + max(len(piece), 1)
    if cut >= len(line):
        return len(line)
    back = cut
    while back > start and not _divides(line, back):
        back -= 1
    if back > start:
        return back
    while cut < len(line) and not _divides(line, cut):
        cut += 1
    return cut


def _divides(line: str, place: int) -> bool:
    return not line[place - 1].isspace() and not line[place].isspace()


def _meant(found: re.Match[str]) -> str:
    return _SIGNS.get(found[1], found[0])


def _read(raw: str) -> ContentLine:
    text = _FOLD.sub("", _END.sub("", raw))
    head, value = _apart(text)
    if value is None:
        return ContentLine(raw, text, "", (), "")
    first, *said = _split_head(head)
    return ContentLine(raw, head, first.rpartition(".")[2].strip().upper(), tuple(_parameters(said)), value)


def _apart(text: str) -> tuple[str, str | None]:
    """What stands before the first colon outside quotes, and behind it."""
    head, colon, value = text.partition(":")
    if head.count('"') % 2 == 0:
        return head, value if colon else None
    quoted = False
    for place, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif sign == ":" and not quoted:
            return text[:place], text[place + 1 :]
    return head, value  # a quote that nobody closed


def _split_head(head: str) -> list[str]:
    if '"' not in head:
        return head.split(";")
    parts, quoted = [""], False
    for sign in head:
        quoted ^= sign == '"'
        if sign == ";" and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _parameters(said: Sequence[str]) -> Iterator[tuple[str, str]]:
    for part in said:
        name, equals, values = part.partition("=")
        if not equals:
            name, values = "TYPE", part  # as vCard 2.1 has it
        for value in values.replace('"', "").split(","):
            yield name.strip().upper(), value.strip()


def _without(head: str, names: Sequence[str]) -> str:
    first, *said = _split_head(head)
    kept = [part for part in said if part.partition("=")[0].strip().upper() not in names]
    return ";".join([first, *kept])
