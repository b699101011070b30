"""Problems: what is wrong with a config file, where it stands, and what was probably meant.

A key path leads from the root of the file to a key: ("links", "mail", "contact", "map"). Texts never hold a
value of the file, since it may be a secret; they hold names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from .lines import KeyPath, Places

Severity: TypeAlias = Literal["error", "warning"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_NAME = 64  # longer names are not compared: the comparison is quadratic


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. As text: `file:line: key: text; did you mean "nearest"?`"""

    file: str
    line: int | None
    """From 1; None where the file as a whole is meant."""
    key: str
    """The key path as TOML writes it, empty for the whole file."""
    text: str
    nearest: str | None = None
    """The known name that is most like the one in the file."""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        warning = " warning:" if self.severity == "warning" else ""
        hint = f'; did you mean "{self.nearest}"?' if self.nearest is not None else ""
        return f"{place}:{warning}{key} {self.text}{hint}"


class ConfigInvalid(Exception):
    """The config cannot be used: all that is wrong with it, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Findings:
    """The problems found so far in the files of one config."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[Problem] = []
        self._paths: list[KeyPath] = []

    def error(self, path: KeyPath, text: str, nearest: str | None = None) -> None:
        self._add(path, text, nearest, "error")

    def warning(self, path: KeyPath, text: str) -> None:
        self._add(path, text, None, "warning")

    def clean(self, path: KeyPath) -> bool:
        """Nothing was found at `path` or below it."""
        return not any(found[: len(path)] == path for found in self._paths)

    def in_order(self) -> list[Problem]:
        """All of them by file and line; those about a whole file before its others."""
        return sorted(self._found, key=lambda problem: (self._places.order(problem.file), problem.line or 0))

    def _add(self, path: KeyPath, text: str, nearest: str | None, severity: Severity) -> None:
        file, line = self._places.of(path)
        problem = Problem(file=file, line=line, key=dotted(path), text=text, nearest=nearest, severity=severity)
        self._found.append(problem)
        self._paths.append(path)


def dotted(path: KeyPath) -> str:
    """The key path as TOML writes it: `links.mail.contact`, `entities.contact.identify[1]`, `a."b c"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, if one is."""
    if len(name) > _LONGEST_NAME:
        return None
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None
