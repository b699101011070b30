"""The adapter of JSON lines: a folder with one file an object."""

from __future__ import annotations

from datasyncd.adapters.contract import Context, ObjectSpec
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.options import FolderOptions
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .scratch import JsonlScratch
from .sheet import JsonlSheet


class JsonlOptions(FolderOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "jsonl"`."""

    empty_is_complete: bool = False
    """A file without bytes means that there are no records; else that it is still being written."""


class JsonlForm:
    """How records stand in JSON lines."""

    ending = ".jsonl"

    def __init__(self, options: JsonlOptions) -> None:
        self._options = options

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> JsonlSheet:
        """Cut a file into lines."""
        return JsonlSheet(spec, name, data, self._options.empty_is_complete)

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file without records, but not without bytes."""
        return b"\n"


def open_folder(context: Context, options: JsonlOptions) -> FolderAdapter:
    """A folder of JSON lines."""
    return FolderAdapter(context, options, JsonlForm(options))


KIND = AdapterKind(
    name="jsonl",
    options=JsonlOptions,
    open=open_folder,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=JsonlScratch,
)
