"""Words for the tests of translation: read one value, write one value, or translate with a small map."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from datasyncd.adapters.contract import Column, Native, Record, Schema
from datasyncd.adapters.translate import FieldTypeOptions, Invalid, MappedField, Translation
from datasyncd.adapters.translate.types import form, reader
from datasyncd.reconcile.rules import Value

PUBLISHED = Path(__file__).parent / "data"


def read(type_name: str, raw: Native, **options: Any) -> Value:
    """The canonical value. Raises `Invalid`."""
    return reader(FieldTypeOptions(name=type_name, **options))(raw)


def refusal(type_name: str, raw: Native, **options: Any) -> str:
    """Why the value is invalid."""
    try:
        value = read(type_name, raw, **options)
    except Invalid as refused:
        return refused.reason
    raise AssertionError(f"{raw!r} was read as {value!r}")


def write(
    type_name: str, value: Value, kind: Any = "text", *, nullable: bool = True, text_only: bool = False, **options: Any
) -> Native:
    """The native value. Raises `Invalid` or `Unusable`."""
    column = Column("native", kind, nullable=nullable)
    return form(FieldTypeOptions(name=type_name, **options), column, text_only=text_only).write(value)


def no_form(type_name: str, value: Value, kind: Any = "text", **options: Any) -> str:
    """Why the value cannot be written."""
    try:
        native = write(type_name, value, kind, **options)
    except Invalid as refused:
        return refused.reason
    raise AssertionError(f"{value!r} was written as {native!r}")


def field(
    number: int, native: str, type_name: str, *, pull: bool = True, push: bool = True, member: str = "", **options: Any
) -> MappedField:
    return MappedField(number, native, FieldTypeOptions(name=type_name, **options), pull=pull, push=push, member=member)


def translation(
    *fields: MappedField, columns: tuple[Column, ...], edited_at: str | None = None, text_only: bool = False
) -> Translation:
    return Translation(fields, Schema("contacts", columns), edited_at=edited_at, text_only=text_only)


def record(**fields: Native) -> Record:
    return Record("1", fields)


def published(name: str) -> list[dict[str, str]]:
    """The rows of a table in `data/`."""
    with open(PUBLISHED / name, encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))
