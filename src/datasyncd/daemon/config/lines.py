"""Lines: on which line of a TOML text each key stands.

TOML decoders give values without places. This skims the text beside the decoder: it follows keys, headers, inline
tables and lists, and steps over scalars without reading them. It relies on the text being valid TOML.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""From the root to a key; a number is a place in a list, or which of several `[[tables]]`."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER_SCALAR = re.compile(r"[^,\]}#\n]*")


class Lines:
    """Where the keys of one text stand."""

    def __init__(self, known: Mapping[KeyPath, int]) -> None:
        self.known = known

    def of(self, path: KeyPath) -> int | None:
        """Line of the key, or of the nearest table around it; None when the text has none of them."""
        for length in range(len(path), 0, -1):
            line = self.known.get(path[:length])
            if line is not None:
                return line
        return None


class Places:
    """Where the keys of a config stand that may be of several files."""

    def __init__(self, file: str) -> None:
        self._files = [file]
        """The first one is meant where no key is."""
        self._known: dict[KeyPath, tuple[str, int]] = {}

    @classmethod
    def of_file(cls, file: str, lines: Lines) -> Places:
        places = cls(file)
        places.add(file, lines)
        return places

    def add(self, file: str, lines: Lines) -> None:
        """The keys of one more file; what stands in another one already stays there."""
        if file not in self._files:
            self._files.append(file)
        for path, line in lines.known.items():
            self._known.setdefault(path, (file, line))

    def of(self, path: KeyPath) -> tuple[str, int | None]:
        """File and line of the key, or of the nearest table around it; without a line where no file has any."""
        for length in range(len(path), 0, -1):
            place = self._known.get(path[:length])
            if place is not None:
                return place
        return self._files[0], None

    def order(self, file: str) -> int:
        """The place of a file among all."""
        return self._files.index(file)


def index(source: str) -> Lines:
    """The lines of all keys of `source`, which is valid TOML."""
    return Lines(_Skimmer(source).document())


class _Skimmer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", source)]
        self._lines: dict[KeyPath, int] = {}
        self._tables: dict[KeyPath, int] = {}
        """The lists of `[[tables]]`: number of the last one of each."""

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_space():
            if self._take("["):
                table = self._header(several=self._take("["))
            else:
                self._key_and_value(table)
        return self._lines

    def _header(self, several: bool) -> KeyPath:
        self._skip_space()
        line = self._line()
        path: KeyPath = ()
        *outer, last = self._key()
        for name in outer:
            path = self._inside_last((*path, name))
            self._lines.setdefault(path, line)
        path = (*path, last)
        self._lines.setdefault(path, line)
        if several:
            self._tables[path] = self._tables.get(path, -1) + 1
            path = self._inside_last(path)
            self._lines[path] = line
        self._skip_space()
        self._take("]")
        if several:
            self._take("]")
        return path

    def _inside_last(self, path: KeyPath) -> KeyPath:
        """`path`, led into the last of its `[[tables]]` where it has some."""
        return (*path, self._tables[path]) if path in self._tables else path

    def _key_and_value(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for name in self._key():
            path = (*path, name)
            self._lines.setdefault(path, line)
        self._skip_space()
        self._take("=")
        self._skip_space()
        self._value(path)

    def _key(self) -> list[str]:
        """A key, plain, quoted or dotted."""
        names: list[str] = []
        while True:
            self._skip_space()
            if bare := _BARE_KEY.match(self._source, self._at):
                names.append(bare.group())
                self._at = bare.end()
            elif quoted := _STRING.match(self._source, self._at):
                names.append(tomllib.loads(f"key = {quoted.group()}")["key"])
                self._at = quoted.end()
            else:
                raise ValueError(f"no key at {self._at}")
            self._skip_space()
            if not self._take("."):
                return names

    def _value(self, path: KeyPath) -> None:
        if string := _STRING.match(self._source, self._at):
            self._at = string.end()
        elif self._take("["):
            place = 0
            while self._skip_space() and not self._take("]"):
                self._lines[(*path, place)] = self._line()
                self._value((*path, place))
                self._skip_space()
                self._take(",")
                place += 1
        elif self._take("{"):
            while self._skip_space() and not self._take("}"):
                self._key_and_value(path)
                self._skip_space()
                self._take(",")
        else:
            scalar = _OTHER_SCALAR.match(self._source, self._at)
            assert scalar is not None, "the pattern also matches nothing"
            self._at = scalar.end()

    def _take(self, text: str) -> bool:
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _skip_space(self) -> bool:
        """Step over blanks, line ends and comments; False at the end of the text."""
        space = _SPACE.match(self._source, self._at)
        assert space is not None, "the pattern also matches nothing"
        self._at = space.end()
        return self._at < len(self._source)

    def _line(self) -> int:
        return bisect_left(self._newlines, self._at) + 1
