"""Trouble: what an error of DuckDB means for whoever called.

Texts of DuckDB may quote values, so that they are passed on only where nothing but names can be in them.
"""

from __future__ import annotations

import re

from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unreachable


class DuckdbError(Exception):
    """What DuckDB raised."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """Name of its class, such as ConstraintException."""
        self.text = text


FAILURES = (DuckdbError, TimeoutError, OSError)
"""What a call may raise; anything else is a defect of ours."""

_ONE_WRITE = frozenset(
    {
        "ConstraintException", "ConversionException", "DataError", "IntegrityError", "InvalidInputException",
        "OutOfRangeException", "TypeMismatchException",
    }
)  # fmt: skip
_NAMES = frozenset({"BinderException", "CatalogException"})
_PASSING = {
    "InterruptException": "the call was cut short",
    "OutOfMemoryException": "it needs more than `memory_mb`",
    "IOException": "reading or writing the disk failed; see whether it is full or broken",
}
_LOCK = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<number>\d+)\)").search
_NEWER = re.compile(r"version number \d+, but we can only read version (?:number )?\d+", re.IGNORECASE).search


def holder(error: DuckdbError) -> str | None:
    """Who has the file locked, for people; None: the error is another one."""
    if error.kind == "ConnectionException" and "different configuration" in error.text:
        return "this process"
    if error.kind != "IOException" or "Could not set lock" not in error.text:
        return None
    found = _LOCK(error.text)
    return "somebody else" if found is None else f"{found['program'].rpartition('/')[2]} (process {found['number']})"


def is_refusal(error: Exception) -> bool:
    """Whether an error is about the values of one write; else the whole call failed."""
    return isinstance(error, DuckdbError) and error.kind in _ONE_WRITE


def no_database(error: DuckdbError, place: str) -> AdapterError:
    """Why the file cannot be opened."""
    if found := _NEWER(error.text):
        return Unreachable(f"{place} was written by another version of DuckDB ({found.group()}); install that one")
    if error.kind == "OutOfMemoryException":
        return Transient(f"{place}: {_PASSING[error.kind]}")
    return Unreachable(
        f"{place}: DuckDB cannot open it ({error.kind}); see whether it is still being copied, damaged, or encrypted"
    )


def trouble(error: Exception, place: str) -> AdapterError:
    """The error of the whole call that this error is; `place` names the system, and the object if there is one."""
    if isinstance(error, TimeoutError):
        return Transient(f"{place}: it took longer than `timeout_s`")
    if not isinstance(error, DuckdbError):
        return Transient(f"{place}: {type(error).__name__}: the file cannot be used now")
    if error.kind in _NAMES:
        said = error.text.partition("\n")[0]
        return NotFound(f"{place}: {said}; run `datasyncd check`")
    return Transient(f"{place}: {_PASSING.get(error.kind, f'DuckDB says {error.kind}')}")
