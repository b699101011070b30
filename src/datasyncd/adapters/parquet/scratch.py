"""Scratch: a Parquet file for the conformance suite."""

from __future__ import annotations

from pathlib import Path

from datasyncd.adapters.files.scratch import FileScratch, RemoteScratch, Rows
from datasyncd.adapters.testing.stage import COLUMNS

from .form import ParquetForm

_TYPES = dict(zip(COLUMNS, ("string", "string", "string", "int64", "int32", "string"), strict=True))


class ParquetScratch(FileScratch):
    """People in Parquet."""

    ending = ".parquet"

    def load(self, file: Path) -> Rows:
        import pyarrow.parquet as pq

        return {row["id"]: row for row in pq.ParquetFile(file).read().to_pylist()}

    def save(self, file: Path, rows: Rows) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from .values import type_of

        schema = pa.schema([(name, type_of(type)) for name, type in _TYPES.items()])
        pq.write_table(pa.Table.from_pylist(list(rows.values()), schema), file)


class RemoteParquetScratch(RemoteScratch):
    """People in Parquet elsewhere."""

    ending = ".parquet"

    def form(self) -> ParquetForm:
        return ParquetForm(_TYPES, self.options.compression)
