"""The sheet of a file of JSON lines: a record for each object."""

from __future__ import annotations

import codecs
from collections.abc import Mapping

from datasyncd.adapters.contract import Column, Key, Native, ObjectSpec, Record, Undecodable
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.errors import Unreachable
from datasyncd.adapters.files.rewrite import key_text
from datasyncd.adapters.files.sheet import Sheet

from .line import changed, decoded, joined, parts, same, style_of, written


class JsonlSheet(Sheet):
    """One file of JSON lines."""

    def __init__(self, spec: ObjectSpec, name: str, data: bytes, empty_is_complete: bool) -> None:
        """Cut a file into lines. Raises `Unreachable` if it has no bytes, unless that is said to be meant."""
        super().__init__(spec, name)
        if not data and not empty_is_complete:
            raise Unreachable(
                f"{name} is empty; see whether it is still being written, or say `empty_is_complete = true`"
            )
        self._mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        self._pieces = data[len(self._mark) :].splitlines(keepends=True)
        self._names: dict[str, None] = {}
        for number, piece in enumerate(self._pieces):
            if piece.strip():
                self._take(number, piece)

    def columns(self) -> tuple[Column, ...]:
        names = dict.fromkeys((*self._names, *self.spec.columns))
        return tuple(Column(name=name, kind="json") for name in names)

    def record(self, key: Key) -> Record:
        found = decoded(self._pieces[self.rows[key]])
        columns = self.spec.columns
        fields = {name: found[name] for name in columns if name in found}
        return Record(key, fields, row_digest([found.get(name, ABSENT) for name in columns]))

    def set(self, key: Key, fields: Mapping[str, Native]) -> None:
        number = self.rows[key]
        before = decoded(self._pieces[number])
        different = {
            name: written(name, value)
            for name, value in fields.items()
            if name not in before or not same(before[name], value)
        }
        if different:
            self._pieces[number] = changed(self._pieces[number], different)
        self.rows[key_text(fields.get(self.spec.key)) or key] = self.rows.pop(key)

    def add(self, key: Key, fields: Mapping[str, Native]) -> None:
        model = self._pieces[next(reversed(self.rows.values()))] if self.rows else b""
        before = parts(model) if model else {}
        order = dict.fromkeys((*(name for name in before if name in self.spec.columns), *self.spec.columns, *fields))
        values = {self.spec.key: self._native_key(key), **{n: v for n, v in fields.items() if v is not None}}
        line = joined({name: written(name, values.get(name)) for name in order}, style_of(model, before))
        end = b"\r\n" if model.endswith(b"\r\n") else b"\n"
        if not any(piece.strip() for piece in self._pieces):
            self._pieces = []  # blank lines keep the place of records that are no more
        elif not self._pieces[-1].endswith((b"\r", b"\n")):
            self._pieces[-1] += end
        self.rows[key] = len(self._pieces)
        self._pieces.append(line + end)

    def remove(self, key: Key) -> None:
        self._pieces[self.rows.pop(key)] = b""

    def data(self) -> bytes:
        """A file that has lost its last record keeps a blank line: without bytes it would look cut off."""
        return self._mark + (b"".join(self._pieces) or b"\n")

    def _take(self, number: int, piece: bytes) -> None:
        place = f"{self.name}, line {number + 1}"
        try:
            found = decoded(piece)
        except ValueError as error:
            self._bad(None, place, str(error), piece)
            if number == len(self._pieces) - 1 and not piece.endswith((b"\r", b"\n")):
                self.half_written = True
            return
        self._names.update(dict.fromkeys(found))
        native = found.get(self.spec.key)
        if isinstance(native, Undecodable):
            self._bad(None, place, f"its {self.spec.key!r} is no {native.encoding}", piece)
        else:
            self._row(key_text(native), number, place, piece)

    def _native_key(self, key: Key) -> Native:
        """A new key as the other rows have theirs: a number where the last one is a number."""
        if self.rows and key.isascii() and key.isdigit() and str(int(key)) == key:
            last = decoded(self._pieces[next(reversed(self.rows.values()))])[self.spec.key]
            return int(key) if isinstance(last, int) else key
        return key
