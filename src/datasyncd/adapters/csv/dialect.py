"""The dialect of a CSV file: its encoding, delimiter and line ends, as they are found, so that they can be kept.

Cells may be quoted with `"`, doubled inside, as RFC 4180 has it. Other quotes and escapes are none of ours.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import _csv

DELIMITERS = ",;\t|"
"""Those that are recognised; of equally good ones the first."""

_MARKS = {
    "utf-8": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}
"""Byte order marks by encoding, and what the bytes after each are encoded in."""

csv.field_size_limit(2**31 - 1)  # the module's own limit would refuse long texts, such as notes


class Text(msgspec.Struct, frozen=True):
    """A file's text, and what is needed to make the same bytes of it."""

    text: str
    codec: str
    mark: bytes
    """Byte order mark."""
    damaged: bool
    """Some bytes are none of this encoding; in the text they stand as lone surrogates."""

    def bytes_of(self, text: str) -> bytes:
        """All of the file with this text."""
        return self.mark + self.encoded(text)

    def encoded(self, part: str) -> bytes:
        """A part of the text as it stands in the file."""
        return part.encode(self.codec, "surrogateescape")

    def is_sound(self, part: str) -> bool:
        """Whether all bytes of a part of the text are of the encoding."""
        return not self.damaged or part.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in part)


def decode(data: bytes, encoding: str) -> Text:
    """The text of a file. Bytes that are wrong in it are kept; raises UnicodeDecodeError where that is not possible."""
    name = codecs.lookup(encoding).name
    mark, codec = next(((m, c) for m, c in _MARKS.get(name, ()) if data.startswith(m)), (b"", name))
    body = data[len(mark) :]
    try:
        return Text(body.decode(codec), codec, mark, damaged=False)
    except UnicodeDecodeError:
        return Text(body.decode(codec, "surrogateescape"), codec, mark, damaged=True)


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends: LF, CR LF, or CR alone."""
    if text.count("\r") != text.count("\r\n"):
        return list(io.StringIO(text, newline=""))
    lines = text.split("\n")  # three times as fast, and the same where no CR stands alone
    last = lines.pop()
    lines = [line + "\n" for line in lines]
    return [*lines, last] if last else lines


def delimiter_of(line: str, wanted: Collection[str]) -> str:
    """The delimiter under which a header has most of the wanted names, and then most cells."""

    def score(delimiter: str) -> tuple[int, int]:
        names = cells(line, delimiter)
        return sum(name in wanted for name in names), len(names)

    return max(DELIMITERS, key=score)


def cells(piece: str, delimiter: str) -> list[str]:
    """The cells of one row; empty if they cannot be told."""
    try:
        return next(reader([piece], delimiter), [])
    except csv.Error:
        return []


def reader(lines: Iterable[str], delimiter: str) -> _csv.Reader:
    """Reads rows of cells; each call that fails has used up the lines of the row that is at fault."""
    return csv.reader(lines, delimiter=delimiter, strict=True)


def raw_cells(piece: str, delimiter: str) -> tuple[list[str], str]:
    """The cells of a row that can be read, with their quotes, and the end of its line."""
    body = piece.rstrip("\r\n")
    end = piece[len(body) :]
    return (_raw(delimiter).findall(body) if '"' in body else body.split(delimiter)), end


def raw_cell(value: str, delimiter: str, quoted: bool) -> str:
    """A cell as it stands in a file, `quoted` even if it need not be."""
    if quoted or needs_quotes(value, delimiter):
        return '"' + value.replace('"', '""') + '"'
    return value


def needs_quotes(value: str, delimiter: str) -> bool:
    """Whether a value has no other form than a quoted one."""
    return any(special in value for special in (delimiter, '"', "\r", "\n"))


@lru_cache
def _raw(delimiter: str) -> re.Pattern[str]:
    cell = re.escape(delimiter)
    return re.compile(f'(?:^|{cell})("(?:[^"]|"")*"|[^{cell}]*)')
