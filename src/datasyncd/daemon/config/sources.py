"""Sources: the files that a config is made of, and what they say together.

    include = ["systems/*.toml", "contact.toml"]

A system, an entity and a link stand whole in one file each, so that nobody has to look for the other half. The tables
of a file come first, then those of the files that it includes, in the order of the patterns and of the names.
"""

from __future__ import annotations

import glob
import os
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from .fields import Name
from .lines import KeyPath, Lines, Places, index
from .problems import ConfigInvalid, Findings, Problem
from .tables import INVALID, Reader

MOST_FILES = 200
DEEPEST = 5
"""How many files may lead from one to the next, the first one counted."""

_WHOLE = {"links": 2}
"""How deep in a table stands what one file has to say whole: `[links.S.E]`, `[systems.S]`."""
_LINE = re.compile(r" \(at line ([0-9]+), column [0-9]+\)")


class Source(msgspec.Struct, frozen=True):
    """One file."""

    file: Path
    content: bytes
    raw: dict[str, Any]
    lines: Lines


class Sources(msgspec.Struct, frozen=True):
    """All files, as if they were one."""

    raw: dict[str, Any]
    places: Places
    digest: bytes
    """Eight bytes that change with the content of any file."""

    def folder_of(self, path: KeyPath) -> Path:
        """The folder of the file in which a key stands: relative paths there are relative to it."""
        return Path(self.places.of(path)[0]).absolute().parent


def read_source(file: Path) -> Source:
    """One file, without what it includes. Raises `ConfigInvalid`."""
    line: int | None = None
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")  # editors may begin a file with a mark that is no part of it
        raw: dict[str, Any] = msgspec.toml.decode(text)
        return Source(file, content, raw, index(text))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = "not UTF-8 text"
    except RecursionError:
        problem = "lists or tables too deep within each other"
    except ValueError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else None
        problem = "not TOML: " + (str(error).replace(found.group(), "") if found else str(error))
    raise ConfigInvalid([Problem(file=str(file), line=line, key="", text=problem)])


def read_sources(file: Path) -> Sources:
    """The file and all that it includes. Raises `ConfigInvalid` with what keeps them from being read together."""
    reading = _Reading()
    reading.read(file)
    if reading.problems:
        raise ConfigInvalid(reading.problems)
    return _together(reading.sources)


class _Reading:
    """Follows includes."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.problems: list[Problem] = []
        self._asked: dict[str, tuple[Path, int | None]] = {}
        """Each file that was read: where it is included."""

    def read(self, file: Path, chain: tuple[str, ...] = ()) -> None:
        """Read a file, and then what it includes. `chain` has the files that led to it."""
        real = os.path.realpath(file)
        try:
            source = read_source(file)
        except ConfigInvalid as invalid:
            self.problems += invalid.problems
            return
        self.sources.append(source)
        findings = Findings(Places.of_file(str(file), source.lines))
        chain = (*chain, real)
        for place, patterns in self._patterns(source, findings):
            for found in _matches(source.file, patterns, ("include", place), findings):
                self._follow(found, chain, ("include", place), source, findings)
        self.problems += findings.in_order()

    def _patterns(self, source: Source, findings: Findings) -> list[tuple[int, str]]:
        if "include" not in source.raw:
            return []
        patterns = Reader(findings).read(tuple[Name, ...], source.raw["include"], ("include",))
        return [] if patterns is INVALID else list(enumerate(patterns))

    def _follow(self, file: Path, chain: tuple[str, ...], path: KeyPath, source: Source, findings: Findings) -> None:
        real = os.path.realpath(file)
        by, line = self._asked.get(real, (None, None))
        if real in chain:
            circle = " -> ".join(Path(name).name for name in (*chain[chain.index(real) :], real))
            findings.error(path, f"files include each other: {circle}")
        elif by == source.file:
            return  # two patterns of one file name it
        elif by is not None:
            findings.error(path, f"{file} is included in {by}:{line} already")
        elif len(self._asked) + 1 >= MOST_FILES:
            findings.error(path, f"more than {MOST_FILES} files")
        elif len(chain) >= DEEPEST:
            findings.error(path, f"more than {DEEPEST} files that lead from one to the next")
        else:
            self._asked[real] = (source.file, source.lines.of(path))
            self.read(file, chain)


def _matches(file: Path, pattern: str, path: KeyPath, findings: Findings) -> list[Path]:
    """The files that a pattern names, sorted; it is relative to the file that it stands in."""
    if "\0" in pattern or "**" in pattern:
        findings.error(path, "expected the name of a file, or a pattern with * and ? and without **")
        return []
    found = sorted(glob.glob(pattern, root_dir=file.parent))
    files = [file.parent / name for name in found if (file.parent / name).is_file()]
    if not files:
        findings.error(path, "no such file" if not glob.has_magic(pattern) else "no file has such a name")
    return files


def _together(sources: list[Source]) -> Sources:
    """One set of tables of all files. Raises `ConfigInvalid` for what stands in two."""
    raw: dict[str, Any] = {}
    places = Places(str(sources[0].file))
    digest = blake2b(digest_size=8)
    problems: list[Problem] = []
    for source in sources:
        own = {key: value for key, value in source.raw.items() if key != "include"}
        findings = Findings(Places.of_file(str(source.file), source.lines))
        if source is not sources[0] and "daemon" in own:
            findings.error(("daemon",), f"stands in the first file alone, {sources[0].file}")
            del own["daemon"]
        for key, value in own.items():
            _add(raw, key, value, (key,), _WHOLE.get(key, 1), places, findings)
        problems += findings.in_order()
        places.add(str(source.file), source.lines)
        digest.update(source.content)
    if problems:
        raise ConfigInvalid(problems)
    return Sources(raw, places, digest.digest())


def _add(
    tables: dict[str, Any], key: str, value: Any, path: KeyPath, depth: int, places: Places, findings: Findings
) -> None:
    """Take a key of a file into what is known already; `depth`: so many tables may be of several files."""
    if key not in tables:
        # A copy: what the file itself said stays as it is.
        tables[key] = _copy(value, depth)
    elif depth and isinstance(value, dict) and isinstance(tables[key], dict):
        for name, inner in value.items():
            _add(tables[key], name, inner, (*path, name), depth - 1, places, findings)
    else:
        file, line = places.of(path)
        findings.error(path, f"stands in {file}:{line} already")


def _copy(value: Any, depth: int) -> Any:
    if not depth or not isinstance(value, dict):
        return value
    return {name: _copy(inner, depth - 1) for name, inner in value.items()}
