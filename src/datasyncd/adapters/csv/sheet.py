"""The sheet of a CSV file: a header, and a row for each record; all cells are text, and blank is the empty text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from datasyncd.adapters.contract import Column, Key, Native, ObjectSpec, Record, Undecodable
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.errors import NotFound, Unreachable
from datasyncd.adapters.files.sheet import Sheet, Unfit, no_column

from .dialect import DELIMITERS, Text, cells, decode, delimiter_of, lines_of, needs_quotes, raw_cell, raw_cells, reader


class CsvSheet(Sheet):
    """One CSV file."""

    def __init__(self, spec: ObjectSpec, name: str, data: bytes, encoding: str, delimiter: str | None) -> None:
        """Cut a file into rows. Raises `Unreachable` if it is empty, `NotFound` if it has no column for the key."""
        super().__init__(spec, name)
        self._text = _decoded(name, data, encoding)
        if self._text.bytes_of(self._text.text) != data:
            self.torn = f"{name} would not stay what it is if it were written in {encoding!r}"
        lines = lines_of(self._text.text)
        start = _header(lines, spec.key, delimiter or DELIMITERS)
        if start is None:
            raise Unreachable(f"{name} is empty, it has not even a header; see whether it is still being written")
        self._delimiter = delimiter or delimiter_of(lines[start], spec.columns)
        source = reader(islice(lines, start, None), self._delimiter)
        try:
            self._names = next(source)
        except csv.Error as error:
            raise NotFound(f"{name}: the header cannot be read: {error}") from None
        if spec.key not in self._names:
            # What stands in the first line may be a person: only its length is told.
            raise NotFound(
                f"{name} has no column {spec.key!r} for the key; its first line has {len(self._names)} cells"
            )
        self._at = {column: self._names.index(column) for column in spec.columns if column in self._names}
        first = start + source.line_num
        self._header = "".join(lines[start:first])
        self._pieces = [*lines[:start], self._header]
        self._cut(lines, first)

    def columns(self) -> tuple[Column, ...]:
        for name in self.spec.columns:
            if self._names.count(name) != 1:
                raise no_column(self.name, name, self._names)
        return tuple(Column(name=name, kind="text") for name in dict.fromkeys(self._names))

    def record(self, key: Key) -> Record:
        return self._record(key, cells(self._pieces[self.rows[key]], self._delimiter))

    def records(self) -> Iterator[Record]:
        rows = reader((self._pieces[number] for number in self.rows.values()), self._delimiter)
        return map(self._record, self.rows, rows)

    def _record(self, key: Key, row: Sequence[str]) -> Record:
        fields: dict[str, Native] = {name: row[place] for name, place in self._at.items()}
        if self._text.damaged:
            fields = {name: self._read(cell) for name, cell in fields.items()}
        if len(fields) == len(self.spec.columns):
            return Record(key, fields, row_digest(list(fields.values())))
        return Record(key, fields, row_digest([fields.get(name, ABSENT) for name in self.spec.columns]))

    def _read(self, cell: str) -> str | Undecodable:
        return cell if self._text.is_sound(cell) else Undecodable(self._text.encoded(cell), self._text.codec)

    def set(self, key: Key, fields: Mapping[str, Native]) -> None:
        values = self._texts(fields)
        number = self.rows[key]
        old = cells(self._pieces[number], self._delimiter)
        raw, end = self._raw(self._pieces[number], old)
        for name, value in values.items():
            place = self._names.index(name)
            if old[place] != value:
                raw[place] = raw_cell(value, self._delimiter, quoted=raw[place].startswith('"'))
        self._pieces[number] = self._delimiter.join(raw) + end
        self.rows[values.get(self.spec.key, key)] = self.rows.pop(key)

    def add(self, key: Key, fields: Mapping[str, Native]) -> None:
        values = {**self._texts(fields), **self._texts({self.spec.key: key})}
        model = self._pieces[next(reversed(self.rows.values()))] if self.rows else self._header
        old = cells(model, self._delimiter)
        raw, _ = self._raw(model, old)
        quoted = [
            cell.startswith('"') and not needs_quotes(value, self._delimiter)
            for cell, value in zip(raw, old, strict=True)
        ]
        row = (
            raw_cell(values.get(name, ""), self._delimiter, style)
            for name, style in zip(self._names, quoted, strict=True)
        )
        _, end = raw_cells(self._header, self._delimiter)
        end = end or "\n"
        if not self._pieces[-1].endswith(("\r", "\n")):
            self._pieces[-1] += end
        self.rows[key] = len(self._pieces)
        self._pieces.append(self._delimiter.join(row) + end)

    def remove(self, key: Key) -> None:
        self._pieces[self.rows.pop(key)] = ""

    def data(self) -> bytes:
        return self._text.bytes_of("".join(self._pieces))

    def _cut(self, lines: Sequence[str], first: int) -> None:
        """Make a piece of each row, or of each line that is none, from the line after the header on."""
        source = reader(islice(lines, first, None), self._delimiter)
        key_at, width, is_sound = self._names.index(self.spec.key), len(self._names), self._text.is_sound
        line = first
        while line < len(lines):
            try:
                for row in source:
                    used = first + source.line_num
                    piece = lines[line] if used == line + 1 else "".join(lines[line:used])
                    self._pieces.append(piece)
                    key = row[key_at] if len(row) == width else None
                    if key and key not in self.rows and key not in self.bad_keys and is_sound(key):
                        self.rows[key] = len(self._pieces) - 1
                    elif row:
                        self._take_odd(row, piece, line, last=used == len(lines))
                    line = used
            except csv.Error as error:
                used = first + source.line_num
                self._pieces.append("".join(lines[line:used]))
                self._take_unreadable(str(error), line, used, lines)
                line = used
        end = self._pieces[-1]
        if self.rows and next(reversed(self.rows.values())) == len(self._pieces) - 1 and not _is_ended(end):
            self.half_written = True
            self.open_end = next(reversed(self.rows)), self._place(len(lines) - 1)

    def _take_odd(self, row: list[str], piece: str, line: int, last: bool) -> None:
        """A row that is no record, or whose key is there already."""
        key_at = self._names.index(self.spec.key)
        key = row[key_at] if key_at < len(row) else None
        place = self._place(line)
        if len(row) != len(self._names):
            readable = key if key and self._text.is_sound(key) else None
            self._bad(readable, place, f"it has {len(row)} cells, the header has {len(self._names)}", piece)
            self.half_written = self.half_written or last
            if last and not _is_ended(piece):
                self.whole = False
        elif not self._text.is_sound(key or ""):
            self._bad(None, place, f"its {self.spec.key!r} has bytes that are no {self._text.codec}", piece)
        else:
            self._row(key or None, len(self._pieces) - 1, place, piece)

    def _take_unreadable(self, reason: str, line: int, used: int, lines: Sequence[str]) -> None:
        """Lines whose quotes do not fit. If that goes to the end of the file, nobody knows which rows are in them."""
        place = self._place(line)
        if used == len(lines):
            self.half_written = True
            reason = "a quote is opened and never closed; nothing is read from here on"
            self.torn = f"{place}: {reason}, and nothing written: repair the file"
        self._bad(None, place, reason, lines[line])

    def _place(self, line: int) -> str:
        return f"{self.name}, line {line + 1}"

    def _raw(self, piece: str, values: Sequence[str]) -> tuple[list[str], str]:
        """The cells of a row with the quotes that it has, and the end of its line."""
        raw, end = raw_cells(piece, self._delimiter)
        if len(raw) != len(values):
            raw = [raw_cell(value, self._delimiter, quoted=False) for value in values]
        return raw, end

    def _texts(self, fields: Mapping[str, Native]) -> dict[str, str]:
        """Values as cells. Raises `Unfit`."""
        texts: dict[str, str] = {}
        for name, value in fields.items():
            if name not in self._names:
                raise Unfit(f"{self.name} has no column {name!r}", name)
            if value is not None and not isinstance(value, str):
                raise Unfit(f"{name} is no text", name)
            try:
                (value or "").encode(self._text.codec)
            except UnicodeEncodeError:
                raise Unfit(f"{name} has characters that {self._text.codec} has no bytes for", name) from None
            texts[name] = value or ""
        return texts


def _decoded(name: str, data: bytes, encoding: str) -> Text:
    try:
        return decode(data, encoding)
    except UnicodeDecodeError:
        raise Unreachable(f"{name} cannot be read as {encoding!r}; see whether it is still being written") from None


def _header(lines: Sequence[str], key: str, delimiters: str) -> int | None:
    """Number of the line with the names of the columns: the first that is neither blank nor a comment."""
    for number, line in enumerate(lines):
        is_comment = line.startswith("#") and not any(key in cells(line, delimiter) for delimiter in delimiters)
        if line.strip() and not is_comment:
            return number
    return None


def _is_ended(piece: str) -> bool:
    return piece.endswith(("\r", "\n"))
