"""Scratch: a CSV file for the conformance suite."""

from __future__ import annotations

import csv
from pathlib import Path

from datasyncd.adapters.contract import Native
from datasyncd.adapters.files.scratch import FileScratch, RemoteScratch, Rows
from datasyncd.adapters.testing.stage import COLUMNS

from .dialect import DELIMITERS
from .form import CsvForm


class CsvScratch(FileScratch):
    """People in CSV, in the encoding and with the delimiter that the options say."""

    text_only = True
    ending = ".csv"

    def load(self, file: Path) -> Rows:
        with open(file, newline="", encoding=self.options.encoding) as text:
            return {row["id"]: dict(row) for row in csv.DictReader(text, delimiter=self._delimiter)}

    def save(self, file: Path, rows: Rows) -> None:
        with open(file, "w", newline="", encoding=self.options.encoding) as text:
            writer = csv.DictWriter(text, COLUMNS, delimiter=self._delimiter)
            writer.writeheader()
            writer.writerows(rows.values())

    def takes(self, field: str, value: Native) -> bool:
        """What the encoding has no bytes for is refused, field by field."""
        return _fits(value, self.options.encoding)

    @property
    def _delimiter(self) -> str:
        return self.options.delimiter or DELIMITERS[0]


class RemoteCsvScratch(RemoteScratch):
    """People in CSV elsewhere."""

    text_only = True
    ending = ".csv"

    def form(self) -> CsvForm:
        return CsvForm(self.options.encoding, self.options.delimiter)

    def takes(self, field: str, value: Native) -> bool:
        return _fits(value, self.options.encoding)


def _fits(value: Native, encoding: str) -> bool:
    try:
        str(value).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
