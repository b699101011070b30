"""The CSV adapter: a folder with one file an object."""

from __future__ import annotations

import codecs

from datasyncd.adapters.contract import Context, ObjectSpec
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.options import FolderOptions
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .dialect import DELIMITERS, raw_cell
from .scratch import CsvScratch
from .sheet import CsvSheet


class CsvOptions(FolderOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "csv"`."""

    delimiter: str | None = None
    """One character; without it, what the header shows of comma, semicolon, tab and bar is kept."""
    encoding: str = "utf-8"
    """Of the files, by Python's name. A byte order mark is kept."""

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError("`delimiter` must be one character, and no quote or line end")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"`encoding` {self.encoding!r} is none that Python knows") from None


class CsvForm:
    """How records stand in a CSV file."""

    ending = ".csv"

    def __init__(self, options: CsvOptions) -> None:
        self._options = options

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
        """Cut a file into rows."""
        return CsvSheet(spec, name, data, self._options.encoding, self._options.delimiter)

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file with a header alone."""
        delimiter = self._options.delimiter or DELIMITERS[0]
        header = delimiter.join(raw_cell(name, delimiter, quoted=False) for name in spec.columns)
        return f"{header}\n".encode(self._options.encoding)


def open_folder(context: Context, options: CsvOptions) -> FolderAdapter:
    """A folder of CSV files."""
    return FolderAdapter(context, options, CsvForm(options))


KIND = AdapterKind(
    name="csv",
    options=CsvOptions,
    open=open_folder,
    text_only=True,
    manifest=manifest_of(__package__),
    stage=CsvScratch,
)
