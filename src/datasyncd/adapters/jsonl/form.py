"""The form of records in JSON lines."""

from __future__ import annotations

from datasyncd.adapters.contract import ObjectSpec

from .sheet import JsonlSheet


class JsonlForm:
    """How records stand in JSON lines."""

    ending = ".jsonl"

    def __init__(self, empty_is_complete: bool) -> None:
        self._empty_is_complete = empty_is_complete

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> JsonlSheet:
        """Cut a file into lines."""
        return JsonlSheet(spec, name, data, self._empty_is_complete)

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file without records, but not without bytes."""
        return b"\n"
