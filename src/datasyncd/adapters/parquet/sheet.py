"""The sheet of a Parquet file: typed columns, of which those that are not written stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasyncd.adapters.contract import Column, Key, Native, ObjectSpec, Record
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.errors import Unreachable
from datasyncd.adapters.files.rewrite import key_text
from datasyncd.adapters.files.sheet import Sheet, Unfit, no_column
from datasyncd.adapters.sql import form

from .values import Form, form_of, keeps_of, type_for

_MAGIC = b"PAR1"


class ParquetSheet(Sheet):
    """One Parquet file."""

    def __init__(self, spec: ObjectSpec, name: str, data: bytes, compression: str) -> None:
        """Read a file. Raises `Unreachable` if it is not whole, `NotFound` if it has no column for the key.

        `compression`: of a file that is new; another one keeps its own.
        """
        super().__init__(spec, name)
        self._bytes = data
        self._table, self._compression = _read(name, data, compression)
        self._names: list[str] = self._table.column_names
        if self._names.count(spec.key) != 1:
            raise no_column(name, spec.key, self._names)
        self._types: dict[str, pa.DataType] = {field.name: field.type for field in self._table.schema}
        self._forms: dict[str, Form] = {column: form_of(type) for column, type in self._types.items()}
        mapped = [column for column in spec.columns if self._names.count(column) == 1]
        self._natives = {column: self._forms[column].read(self._table.column(column)) for column in mapped}
        """Values of the mapped columns, rows that were added included."""
        self._changed: dict[str, dict[int, Any]] = {}
        """Column -> row -> what is written there, as pyarrow takes it."""
        self._removed: set[int] = set()
        self._added: list[Mapping[str, Any]] = []
        for row, value in enumerate(self._natives[spec.key]):
            self._row(key_text(value), row, f"{name}, row {row + 1}", str(row))

    def columns(self) -> tuple[Column, ...]:
        for name in self.spec.columns:
            if self._names.count(name) != 1:
                raise no_column(self.name, name, self._names)
        return tuple(map(self._column, dict.fromkeys(self._names)))

    def record(self, key: Key) -> Record:
        row = self.rows[key]
        fields = {name: values[row] for name, values in self._natives.items()}
        if len(fields) == len(self.spec.columns):
            return Record(key, fields, row_digest(list(fields.values())))
        return Record(key, fields, row_digest([fields.get(name, ABSENT) for name in self.spec.columns]))

    def set(self, key: Key, fields: Mapping[str, Native]) -> None:
        row = self.rows[key]
        written = self._written(fields)
        for name, value in written.items():
            self._changed.setdefault(name, {})[row] = value
            if name in self._natives:
                self._natives[name][row] = self._kept(name, value)
        after = key_text(self._natives[self.spec.key][row])
        self.rows[after or key] = self.rows.pop(key)

    def add(self, key: Key, fields: Mapping[str, Native]) -> None:
        written = self._written({**fields, self.spec.key: self._native_key(key, fields.get(self.spec.key))})
        empty = [name for name in self._names if not self._table.schema.field(name).nullable and name not in written]
        if empty:
            raise Unfit(f"{', '.join(empty)} may not be null", *empty)
        self.rows[key] = len(self._natives[self.spec.key])
        self._added.append(written)
        for name, values in self._natives.items():
            values.append(self._kept(name, written.get(name)))

    def remove(self, key: Key) -> None:
        self._removed.add(self.rows.pop(key))

    def data(self) -> bytes:
        if not (self._changed or self._removed or self._added):
            return self._bytes
        count = self._table.num_rows
        kept = [row for row in range(count + len(self._added)) if row not in self._removed]
        columns, fields = [], []
        for place, field in enumerate(self._table.schema):
            type = self._types[field.name] if self._names.count(field.name) == 1 else field.type
            type = pa.string() if pa.types.is_null(type) else type
            columns.append(self._filled(field.name, self._table.column(place), type, kept))
            fields.append(field.with_type(type))
        table = pa.table(columns, schema=pa.schema(fields, metadata=_plain_metadata(self._table.schema)))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression=self._compression)
        return bytes(sink.getvalue())

    def _filled(self, name: str, column: pa.ChunkedArray, type: pa.DataType, kept: list[int]) -> pa.ChunkedArray:
        """A column with what was written, and without the rows that were removed."""
        before = column if column.type == type else column.cast(type)
        changed = self._changed.get(name, {})
        if not changed and not self._added:
            return before if len(kept) == len(column) else before.take(pa.array(kept, pa.int64()))
        form = form_of(type)
        rows = {**changed, **{len(column) + n: row.get(name) for n, row in enumerate(self._added)}}
        rows = {row: value for row, value in rows.items() if row < len(column) or value is not None}
        stored = pa.array(list(rows.values()), form.stored)
        values = pa.chunked_array([*before.chunks, *_cast(stored, type).chunks, pa.nulls(1, type)], type)
        places = {row: len(column) + n for n, row in enumerate(rows)}
        nothing = len(column) + len(rows)
        taken = [places.get(row, row if row < len(column) else nothing) for row in kept]
        return values.take(pa.array(taken, pa.int64()))

    def _written(self, fields: Mapping[str, Native]) -> dict[str, Any]:
        """Values as pyarrow takes them. Raises `Unfit`."""
        out: dict[str, Any] = {}
        for name, value in fields.items():
            if self._names.count(name) != 1:
                raise Unfit(f"{self.name} has no column {name!r}", name)
            if value is None:
                if not self._table.schema.field(name).nullable:
                    raise Unfit(f"{name} may not be null", name)
                out[name] = None
                continue
            self._decide(name, value)
            write = self._forms[name].write
            if write is None:
                raise Unfit(f"{name}: values of the type {self._types[name]} are only read", name)
            try:
                out[name] = write(value)
            except form.Unfit as unfit:
                raise Unfit(f"{name}: {unfit}", name) from None
        return out

    def _decide(self, name: str, value: Native) -> None:
        """Give a column its type that has none yet, as in a file that is new."""
        if pa.types.is_null(self._types[name]):
            self._types[name] = type_for(value)
            self._forms[name] = form_of(self._types[name])

    def _kept(self, name: str, written: Any) -> Native:
        """The native value of what is written."""
        if written is None:
            return None
        stored = pa.array([written], self._forms[name].stored)
        return self._forms[name].read(_cast(stored, self._types[name]))[0]

    def _native_key(self, key: Key, given: Native) -> Native:
        """A new key as its column has keys; `given`: the same as a value."""
        if self._forms[self.spec.key].kind == "any" and given is not None:
            return given
        if self._forms[self.spec.key].kind != "integer":
            return key
        if not (key.removeprefix("-").isascii() and key.removeprefix("-").isdigit() and str(int(key)) == key):
            raise Unfit(f"{self.spec.key}: a whole number expected", self.spec.key)
        return int(key)

    def _column(self, name: str) -> Column:
        found, field = self._forms[name], self._table.schema.field(self._names.index(name))
        is_open = found.kind == "any"
        why_not = "" if is_open or found.write is not None else f"values of the type {self._types[name]} are only read"
        return Column(
            name=name, kind=found.kind, nullable=field.nullable, writable=not why_not, bounds=found.bounds,
            digits=found.digits, takes_empty=found.kind != "text" or _is_text(self._types[name]), why_not=why_not,
            keeps=None if is_open or why_not else keeps_of(field.type),
            required=not field.nullable,
        )  # fmt: skip


def blank(spec: ObjectSpec, types: Mapping[str, pa.DataType], compression: str) -> bytes:
    """A file without records, whose columns have the types that are said, and else get them from the first values."""
    fields = [pa.field(name, types.get(name, pa.null())) for name in spec.columns]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.schema(fields).empty_table(), sink, compression=compression)
    return bytes(sink.getvalue())


def _read(name: str, data: bytes, compression: str) -> tuple[pa.Table, str]:
    if not data:
        raise Unreachable(f"{name} is empty; see whether it is still being written")
    if len(data) < 2 * len(_MAGIC) or data[-len(_MAGIC) :] != _MAGIC or data[: len(_MAGIC)] != _MAGIC:
        raise Unreachable(f"{name} is no whole Parquet file; see whether it is still being written, or encrypted")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        found = file.metadata
        groups = found.num_row_groups and found.num_columns
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise Unreachable(
            f"{name} cannot be read as Parquet ({type(error).__name__}); see whether it is damaged"
        ) from None
    return table, found.row_group(0).column(0).compression if groups else compression


def _cast(stored: pa.Array, type: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([stored], stored.type).cast(type)


def _is_text(type: pa.DataType) -> bool:
    value = type.value_type if pa.types.is_dictionary(type) else type
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def _plain_metadata(schema: pa.Schema) -> dict[bytes, bytes] | None:
    """What the file says of itself, but not what the schema was before."""
    return None if schema.metadata is None else {k: v for k, v in schema.metadata.items() if k != b"ARROW:schema"}
