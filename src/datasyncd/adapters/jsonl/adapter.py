"""The adapter of JSON lines: a folder with one file an object."""

from __future__ import annotations

from functools import partial

from datasyncd.adapters.contract import Context
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.options import FolderOptions
from datasyncd.adapters.files.scratch import stage_of
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .form import JsonlForm
from .scratch import JsonlScratch, RemoteJsonlScratch


class JsonlOptions(FolderOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "jsonl"`."""

    empty_is_complete: bool = False
    """A file without bytes means that there are no records; else that it is still being written."""


def open_folder(context: Context, options: JsonlOptions) -> FolderAdapter:
    """A folder of JSON lines."""
    return FolderAdapter(context, options, JsonlForm(options.empty_is_complete))


KIND = AdapterKind(
    name="jsonl",
    options=JsonlOptions,
    open=open_folder,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=partial(stage_of, here=JsonlScratch, elsewhere=RemoteJsonlScratch),
)
