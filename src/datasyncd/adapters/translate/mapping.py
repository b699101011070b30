"""Mapping: the fields of an entity as one system's object holds them.

A native field that a record does not have is *absent*: neither blank nor invalid. A field that cannot be
translated does not stop the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches

import msgspec

from datasyncd.adapters.contract import Column, Native, Record, Schema
from datasyncd.adapters.digest import ABSENT
from datasyncd.reconcile.rules import FieldNumber, Value

from .dates import edited_at as moment_of_edit
from .field_type import FieldTypeOptions, Form, Invalid, Reader, Unusable
from .types import form, readable, reader


class MappedField(msgspec.Struct, frozen=True):
    """One field of the map: what it is here, what it is there, and which way it goes."""

    number: FieldNumber
    native: str
    type: FieldTypeOptions
    pull: bool = True
    push: bool = True


class Reading(msgspec.Struct):
    """What a record says. A field is in `values`, in `invalid`, or in neither when it is absent."""

    values: dict[FieldNumber, Value]
    invalid: dict[FieldNumber, tuple[Native, str]]
    """The raw value, and the reason: what was expected."""
    edited_at: int | None
    """Microseconds since 1970, where the system says it."""


class Translation:
    """One link's way between native and canonical values. Never raises for a value, a map or a schema."""

    def __init__(
        self,
        fields: Sequence[MappedField],
        schema: Schema,
        *,
        edited_at: str | None = None,
        text_only: bool = False,
    ) -> None:
        """`edited_at`: the native field that says when a record was edited. `text_only`: a store of texts."""
        self._fields = tuple(fields)
        self._object = schema.object
        self._columns = {column.name: column for column in schema.columns}
        self._edited_at = edited_at
        self._names = {field.number: field.native for field in self._fields}
        self._numbers = {field.native: field.number for field in reversed(self._fields)}
        self._unusable: dict[FieldNumber, str] = {}
        self._forms: dict[FieldNumber, Form] = {}
        self._readers: dict[FieldNumber, Reader] = {}
        for field in self._fields:
            self._readers[field.number] = self._reader(field)
            self._forms[field.number] = self._form(field, text_only)
        self._ways_in = [(f.number, f.native, self._readers[f.number]) for f in self._fields]
        self._ways_by_name: dict[str, list[tuple[FieldNumber, Reader]]] = {}
        for number, native, read in self._ways_in:
            self._ways_by_name.setdefault(native, []).append((number, read))
        self._ways_out = {f.number: (f.native, self._forms[f.number].write) for f in self._fields}

    def reading(self, record: Record) -> Reading:
        """The canonical values of a record."""
        raw_of = record.fields.get
        values: dict[FieldNumber, Value] = {}
        invalid: dict[FieldNumber, tuple[Native, str]] = {}
        for number, native, read in self._ways_in:
            raw = raw_of(native, ABSENT)
            if raw is ABSENT:
                continue
            try:
                values[number] = read(raw)
            except Invalid as refusal:
                invalid[number] = (raw, refusal.reason)
        edited = None if self._edited_at is None else moment_of_edit(raw_of(self._edited_at))
        return Reading(values, invalid, edited)

    def values(self, native: Mapping[str, Native]) -> dict[FieldNumber, Value]:
        """The canonical values of some native fields, without those that cannot be translated."""
        values: dict[FieldNumber, Value] = {}
        for name, raw in native.items():
            for number, read in self._ways_by_name.get(name, ()):
                with contextlib.suppress(Invalid):
                    values[number] = read(raw)
        return values

    def native(self, values: Mapping[FieldNumber, Value]) -> tuple[dict[str, Native], dict[FieldNumber, str]]:
        """The native fields that hold `values`, and the reason for each that the system cannot hold."""
        fields: dict[str, Native] = {}
        refused: dict[FieldNumber, str] = {}
        ways_out = self._ways_out
        for number, value in values.items():
            way = ways_out.get(number)
            if way is None:
                refused[number] = "a field that is mapped here expected"
                continue
            native, write = way
            try:
                fields[native] = write(value)
            except Invalid as refusal:
                refused[number] = refusal.reason
        return fields, refused

    def stored(self, number: FieldNumber, value: Value) -> Value:
        """What reads back after `value` was written; a value that cannot be written is returned as it is."""
        found = self._forms.get(number)
        if found is None or found.identity:
            return value
        try:
            return self._readers[number](found.write(value))
        except Invalid:
            return value

    def identity(self, number: FieldNumber) -> bool:
        """Whether `stored` returns every value of this field as it is."""
        found = self._forms.get(number)
        return found is None or found.identity

    def native_name(self, number: FieldNumber) -> str:
        """Raises `KeyError` for a field that is not mapped."""
        return self._names[number]

    def number_of(self, native: str) -> FieldNumber | None:
        return self._numbers.get(native)

    def problems(self) -> list[str]:
        """What stands between this map and this schema, one sentence each."""
        found = [problem for field in self._fields for problem in self._problems_of(field)]
        found.extend(self._doubles())
        if self._edited_at is not None and self._edited_at not in self._columns:
            found.append(f"edited_at: {self._absence(self._edited_at)}")
        return found

    def limits(self) -> list[str]:
        """What some values of pushed fields will meet: refused, or kept in another form."""
        return [
            f"{field.native}: {limit}"
            for field in self._fields
            if field.push and (limit := self._forms[field.number].limit) is not None
        ]

    def _problems_of(self, field: MappedField) -> Iterator[str]:
        column = self._columns.get(field.native)
        if field.number in self._unusable:
            yield f"{field.native}: {self._unusable[field.number]}"
        if column is None:
            yield self._absence(field.native)
        elif field.push and not column.writable:
            reason = f" ({column.why_not})" if column.why_not else ""
            yield f"{field.native}: is not writable{reason}, so its direction can only be pull"

    def _absence(self, native: str) -> str:
        nearest = _nearest(native, self._columns)
        question = f" (did you mean {nearest!r}?)" if nearest else ""
        return f"{self._object} has no field {native!r}{question}"

    def _doubles(self) -> Iterator[str]:
        seen: set[str] = set()
        for field in self._fields:
            if field.push and field.native in seen:
                yield f"{field.native}: is written by more than one field"
            if field.push:
                seen.add(field.native)

    def _reader(self, field: MappedField) -> Reader:
        try:
            return reader(field.type)
        except Unusable as error:
            self._unusable[field.number] = str(error)
            return _refuser("a usable type of the field expected")

    def _form(self, field: MappedField, text_only: bool) -> Form:
        column = self._columns.get(field.native)
        if field.number in self._unusable:
            return Form(_refuser("a usable type of the field expected"))
        if column is None:
            return Form(_refuser("a field that the system has expected"))
        try:
            found = form(field.type, column, text_only=text_only)
        except Unusable as error:
            if field.push or not readable(field.type, "text" if text_only else column.kind):
                self._unusable[field.number] = str(error)
            return Form(_refuser("a field that can hold the type expected"))
        return found if column.writable else Form(_refuser("a field that can be written expected"))


def _refuser(reason: str) -> Callable[[object], Native]:
    def refuse(value: object) -> Native:
        raise Invalid(reason)

    return refuse


def _nearest(name: str, names: Mapping[str, Column]) -> str | None:
    folded = {known.casefold(): known for known in names}
    nearest = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[nearest[0]] if nearest else None
