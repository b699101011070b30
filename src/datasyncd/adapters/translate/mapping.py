"""Mapping: the fields of an entity as one system's object holds them.

A native field that a record does not have is *absent*: neither blank nor invalid. A field that cannot be
translated does not stop the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Column, Native, Record, Schema, Undecodable
from datasyncd.adapters.digest import ABSENT
from datasyncd.adapters.needed import why
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
    member: str = ""
    """Of a group, whose number this then is: the name of the field in it."""
    whole: bool = True
    """Of a group: all its members are mapped; otherwise what it holds is shown in part."""
    name: str = ""
    """The field's own name, for people."""


_Slot: TypeAlias = tuple[FieldNumber, str]
"""A mapped field: its number, and its name in a group."""


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
        self.natives: dict[FieldNumber, tuple[str, ...]] = {}
        """The native fields that a record needs for each field to be known."""
        for field in self._fields:
            self.natives[field.number] = (*self.natives.get(field.number, ()), field.native)
        self._unusable: dict[_Slot, str] = {}
        self._forms: dict[_Slot, Form] = {}
        self._readers: dict[_Slot, Reader] = {}
        for field in self._fields:
            self._readers[field.number, field.member] = self._reader(field, text_only)
            self._forms[field.number, field.member] = self._form(field, text_only)
        plain = [field for field in self._fields if not field.member]
        self._ways_in = [(f.number, f.native, self._readers[f.number, ""]) for f in plain]
        self._ways_by_name: dict[str, list[tuple[FieldNumber, Reader]]] = {}
        for number, native, read in self._ways_in:
            self._ways_by_name.setdefault(native, []).append((number, read))
        self._ways_out = {f.number: (f.native, self._forms[f.number, ""].write) for f in plain}
        self.required = {
            field.native: field.number
            for field in self._fields
            if field.push and (column := self._columns.get(field.native)) is not None and column.required
        }
        """Native fields without which no record is made, with their numbers."""
        pushed = {field.native for field in self._fields if field.push}
        self.ungiven = tuple(c for c in schema.columns if c.required and c.name not in pushed) if pushed else ()
        """What every new record needs and is given by nobody: none is ever made."""
        self._groups: dict[FieldNumber, list[MappedField]] = {}
        for field in sorted(self._fields, key=lambda field: field.member):
            if field.member:
                self._groups.setdefault(field.number, []).append(field)

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
                invalid[number] = (raw, _reason(raw, refusal))
        for number, members in self._groups.items():
            self._read_group(number, members, record.fields, values, invalid)
        edited = None if self._edited_at is None else moment_of_edit(raw_of(self._edited_at))
        return Reading(values, invalid, edited)

    def _read_group(
        self,
        number: FieldNumber,
        members: Sequence[MappedField],
        raw: Mapping[str, Native],
        values: dict[FieldNumber, Value],
        invalid: dict[FieldNumber, tuple[Native, str]],
    ) -> None:
        """A group is one value: absent if a member is, invalid if a member is, blank if all are."""
        if any(field.native not in raw for field in members):
            return
        made: dict[str, Value] = {}
        for field in members:
            try:
                made[field.member] = self._readers[number, field.member](raw[field.native])
            except Invalid as refusal:
                reason = _reason(raw[field.native], refusal)
                invalid[number] = (raw[field.native], f"{field.member}: {reason}")
                return
        values[number] = made if any(value is not None for value in made.values()) else None

    def values(self, native: Mapping[str, Native]) -> dict[FieldNumber, Value]:
        """The canonical values of some native fields, without those that cannot be translated."""
        values: dict[FieldNumber, Value] = {}
        for name, raw in native.items():
            for number, read in self._ways_by_name.get(name, ()):
                with contextlib.suppress(Invalid):
                    values[number] = read(raw)
        for number, members in self._groups.items():
            self._read_group(number, members, native, values, {})
        return values

    def native(self, values: Mapping[FieldNumber, Value]) -> tuple[dict[str, Native], dict[FieldNumber, str]]:
        """The native fields that hold `values`, and the reason for each that the system cannot hold."""
        fields: dict[str, Native] = {}
        refused: dict[FieldNumber, str] = {}
        ways_out = self._ways_out
        for number, value in values.items():
            way = ways_out.get(number)
            if number in self._groups:
                self._write_group(number, value, fields, refused)
                continue
            if way is None:
                refused[number] = "a field that is mapped here expected"
                continue
            native, write = way
            try:
                fields[native] = write(value)
            except Invalid as refusal:
                refused[number] = refusal.reason
        return fields, refused

    def _write_group(
        self, number: FieldNumber, value: Value, fields: dict[str, Native], refused: dict[FieldNumber, str]
    ) -> None:
        """All members, or none of them if one cannot be held."""
        made: dict[str, Native] = {}
        for field in self._groups[number]:
            try:
                part = None if value is None else value.get(field.member)
                made[field.native] = self._forms[number, field.member].write(part)
            except Invalid as refusal:
                refused[number] = f"{field.member}: {refusal.reason}"
                return
        fields.update(made)

    def stored(self, number: FieldNumber, value: Value) -> Value:
        """What reads back after `value` was written; a value that cannot be written is returned as it is."""
        members = self._groups.get(number)
        if members is None:
            return self._stored((number, ""), value)
        if value is None:
            return None
        return {field.member: self._stored((number, field.member), value.get(field.member)) for field in members}

    def _stored(self, slot: _Slot, value: Value) -> Value:
        found = self._forms.get(slot)
        if found is None or found.identity:
            return value
        try:
            return self._readers[slot](found.write(value))
        except Invalid:
            return value

    def identity(self, number: FieldNumber) -> bool:
        """Whether `stored` returns every value of this field as it is."""
        members = self._groups.get(number)
        if members is not None and not all(field.whole for field in members):
            return False
        slots = [(number, field.member) for field in members] if members is not None else [(number, "")]
        return all(found is None or found.identity for found in map(self._forms.get, slots))

    def is_writable(self, native: str) -> bool:
        """Whether the system has this field and lets it be written."""
        column = self._columns.get(native)
        return column is not None and column.writable

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

    def unmade(self) -> list[str]:
        """Why no record is ever made here, one sentence each with what would change that."""
        return [f"no record can be made in {self._object}: {why(column)}" for column in self.ungiven]

    def limits(self) -> list[str]:
        """What some values of pushed fields will meet: refused, or kept in another form."""
        told = []
        for field in filter(lambda field: field.push, self._fields):
            found = self._forms[field.number, field.member]
            loss = f"the column {found.loss}" if found.loss is not None and not self._refused_loss(field) else None
            if said := "; ".join(filter(None, (found.limit, loss))):
                told.append(f"{field.native}: {said}")
        return told

    def _refused_loss(self, field: MappedField) -> str:
        """What the column changes of a field that goes both ways, where the config does not say that it may."""
        found = self._forms[field.number, field.member]
        allowed = field.type.lossy and found.is_told
        return "" if allowed or not (field.push and field.pull) else found.loss or ""

    def _problems_of(self, field: MappedField) -> Iterator[str]:
        column = self._columns.get(field.native)
        if (field.number, field.member) in self._unusable:
            yield f"{field.native}: {self._unusable[field.number, field.member]}"
        if column is None:
            yield self._absence(field.native)
        elif field.push and not column.writable:
            reason = f" ({column.why_not})" if column.why_not else ""
            yield f"{field.native}: is not writable{reason}, so its direction can only be pull"
        elif loss := self._refused_loss(field):
            yield _lossy(field, loss, self._forms[field.number, field.member].is_told)

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

    def _reader(self, field: MappedField, text_only: bool) -> Reader:
        column = self._columns.get(field.native)
        try:
            return reader(field.type, None if text_only or column is None else column.kind)
        except Unusable as error:
            self._unusable[field.number, field.member] = str(error)
            return _refuser("a usable type of the field expected")

    def _form(self, field: MappedField, text_only: bool) -> Form:
        column = self._columns.get(field.native)
        if (field.number, field.member) in self._unusable:
            return Form(_refuser("a usable type of the field expected"))
        if column is None:
            return Form(_refuser("a field that the system has expected"))
        try:
            found = form(field.type, column, text_only=text_only)
        except Unusable as error:
            if field.push or not readable(field.type, "text" if text_only else column.kind):
                self._unusable[field.number, field.member] = str(error)
            return Form(_refuser("a field that can hold the type expected"))
        return found if column.writable else Form(_refuser("a field that can be written expected"))


def _reason(raw: Native, refusal: Invalid) -> str:
    """No reader takes bytes that could not be decoded, and only their adapter knows what they should have been."""
    return raw.reason if isinstance(raw, Undecodable) else refusal.reason


def _lossy(field: MappedField, loss: str, is_told: bool) -> str:
    what = f"{field.name} ({field.type.name})" if field.name else f"a {field.type.name}"
    allowed = (
        "say `lossy = true` in the map, and the other systems keep the value as it was, or " if is_told else "say "
    )
    return (
        f"{field.native}: the column {loss}, so that {what} does not go both ways: what became of a value there would "
        f'come back as an edit; {allowed}direction = "push" or "pull"'
    )


def _refuser(reason: str) -> Callable[[object], Native]:
    def refuse(value: object) -> Native:
        raise Invalid(reason)

    return refuse


def _nearest(name: str, names: Mapping[str, Column]) -> str | None:
    folded = {known.casefold(): known for known in names}
    nearest = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[nearest[0]] if nearest else None
