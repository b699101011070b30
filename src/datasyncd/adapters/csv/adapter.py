"""The CSV adapter: a folder with one file an object."""

from __future__ import annotations

import codecs
from functools import partial

from datasyncd.adapters.contract import Context
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.options import FolderOptions
from datasyncd.adapters.files.scratch import stage_of
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .form import CsvForm
from .scratch import CsvScratch, RemoteCsvScratch


class CsvOptions(FolderOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "csv"`."""

    delimiter: str | None = None
    """One character; without it, what the header shows of comma, semicolon, tab and bar is kept."""
    encoding: str = "utf-8"
    """Of the files, by Python's name. A byte order mark is kept."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError("`delimiter` must be one character, and no quote or line end")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"`encoding` {self.encoding!r} is none that Python knows") from None


def open_folder(context: Context, options: CsvOptions) -> FolderAdapter:
    """A folder of CSV files."""
    return FolderAdapter(context, options, CsvForm(options.encoding, options.delimiter))


KIND = AdapterKind(
    name="csv",
    options=CsvOptions,
    open=open_folder,
    text_only=True,
    manifest=manifest_of(__package__),
    stage=partial(stage_of, here=CsvScratch, elsewhere=RemoteCsvScratch),
)
