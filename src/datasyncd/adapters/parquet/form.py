"""The form of records in Parquet files. The package comes with the extra `parquet`, and is imported when wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from datasyncd.adapters.contract import ObjectSpec
from datasyncd.adapters.errors import Unsupported

if TYPE_CHECKING:
    from .sheet import ParquetSheet


class ParquetForm:
    """How records stand in a Parquet file."""

    ending = ".parquet"

    def __init__(self, types: Mapping[str, str], compression: str) -> None:
        """`types`: of the columns of a file that is new, and how it is compressed."""
        self._types = types
        self._compression = compression

    def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> ParquetSheet:
        """Read a file."""
        _import()
        from .sheet import ParquetSheet

        return ParquetSheet(spec, name, data, self._compression)

    def blank(self, spec: ObjectSpec) -> bytes:
        """A file without records."""
        _import()
        from .sheet import blank
        from .values import type_of

        return blank(spec, {name: type_of(type) for name, type in self._types.items()}, self._compression)


def _import() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise Unsupported("Parquet needs one more package: pip install 'datasyncd[parquet]'") from None
