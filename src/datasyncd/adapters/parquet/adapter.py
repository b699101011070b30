"""The Parquet adapter: a folder with one file an object."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec

from datasyncd.adapters.contract import Context
from datasyncd.adapters.errors import OptionError
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.options import FolderOptions
from datasyncd.adapters.files.scratch import stage_of
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .form import ParquetForm
from .scratch import ParquetScratch, RemoteParquetScratch

TYPE = (
    r"^(string|int32|int64|double|boolean|binary|date|timestamp|timestamp_utc|decimal\(\d{1,2}, ?\d{1,2}\)|"
    r"list<(string|int32|int64|double|boolean)>)$"
)


class ParquetOptions(FolderOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "parquet"`."""

    types: dict[str, Annotated[str, msgspec.Meta(pattern=TYPE)]] = {}
    """Column -> its type in a file that is made; those left out get it from the first value."""
    compression: Literal["snappy", "zstd", "gzip", "none"] = "zstd"
    """Of a file that is made; others keep theirs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for type in self.types.values():
            if type.startswith("decimal"):
                precision, scale = map(int, type[len("decimal(") : -1].split(","))
                if not 0 < precision <= 38 or scale > precision:
                    raise OptionError("types", "decimal(P,S) has P from 1 to 38, and S up to P")


def open_folder(context: Context, options: ParquetOptions) -> FolderAdapter:
    """A folder of Parquet files."""
    return FolderAdapter(context, options, ParquetForm(options.types, options.compression))


KIND = AdapterKind(
    name="parquet",
    options=ParquetOptions,
    open=open_folder,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=partial(stage_of, here=ParquetScratch, elsewhere=RemoteParquetScratch),
)
