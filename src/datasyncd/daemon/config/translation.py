"""Translation: what the config says of a field, as the options that the translation of records reads."""

from __future__ import annotations

from datasyncd.adapters.translate import FieldTypeOptions

from .fields import AnyField, Email, Enum, Phone, Set, Text, Url
from .grammar import Mapped


def options_of(field: AnyField, mapped: Mapped | None = None) -> FieldTypeOptions:
    """The type of a field; with `mapped`, as one system writes it."""
    return FieldTypeOptions(
        name=field.type,
        region=field.region if isinstance(field, Phone) else None,
        values=field.values if isinstance(field, Enum) else (),
        max_length=field.max_length if isinstance(field, Text | Email | Url | Set) else None,
        separator=mapped.separator if mapped else None,
        zone=mapped.zone if mapped else None,
        native_values=(mapped.values or {}) if mapped else {},
    )
