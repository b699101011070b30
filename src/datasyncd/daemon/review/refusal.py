"""Refusals: why a review cannot be given or a decision not be taken.

Unable                  cannot be done; nothing was changed
|-- Misused             the request itself is wrong: an unknown name, an ambiguous id, a value of another type
`-- OutOfDate           the state moved on since the person looked at it
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

USAGE = 64
NEEDS_PERSON = 1


class Unable(Exception):
    """Nothing was done; the text says why and what to do."""

    exit_code = NEEDS_PERSON

    @property
    def text(self) -> str:
        return str(self.args[0])


class Misused(Unable):
    exit_code = USAGE


class OutOfDate(Unable):
    pass


def unknown(what: str, name: str, known: Iterable[str]) -> Misused:
    """An unknown name, with the known one that may have been meant."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f'; did you mean "{near[0]}"?' if near else f"; there are: {', '.join(names)}" if names else ""
    return Misused(f'no {what} "{name}"{hint}')
