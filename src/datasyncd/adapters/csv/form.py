"""The form of records in CSV files."""

from __future__ import annotations

from datasyncd.adapters.contract import ObjectSpec

from .dialect import DELIMITERS, raw_cell
from .sheet import CsvSheet


class CsvForm:
    """How records stand in a CSV file."""

    ending = ".csv"

    def __init__(self, encoding: str, delimiter: str | None) -> None:
        """`delimiter`: None: as the header shows."""
        self._encoding = encoding
        self._delimiter = delimiter

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
        """Cut a file into rows."""
        return CsvSheet(spec, name, data, self._encoding, self._delimiter)

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file with a header alone."""
        delimiter = self._delimiter or DELIMITERS[0]
        header = delimiter.join(raw_cell(name, delimiter, quoted=False) for name in spec.columns)
        return f"{header}\n".encode(self._encoding)
