"""Translation: what the config says of a field, as the options that the translation of records reads."""

from __future__ import annotations

from datasyncd.adapters.translate import FieldTypeOptions

from .fields import AnyField, Email, Enum, Json, Money, Phone, Set, Text, Url
from .grammar import Mapped


def options_of(field: AnyField, mapped: Mapped | None = None) -> FieldTypeOptions:
    """The type of a field; with `mapped`, as one system writes it."""
    return FieldTypeOptions(
        name=field.type,
        region=field.region if isinstance(field, Phone) else None,
        values=field.values if isinstance(field, Enum) else (),
        max_length=field.max_length if isinstance(field, Text | Email | Url | Set | Json) else None,
        separator=mapped.separator if mapped else None,
        zone=mapped.zone if mapped else None,
        form=mapped.form if mapped else None,
        locale=mapped.locale if mapped else None,
        currency=field.currency if isinstance(field, Money) else None,
        native_currency=mapped.currency if mapped else None,
        digits=field.digits if isinstance(field, Money) else {},
        native_digits=(mapped.digits or {}) if mapped else {},
        native_values=(mapped.values or {}) if mapped else {},
        # What is never read from there cannot come back in another form.
        lossy=mapped is not None and (mapped.lossy or mapped.direction == "push"),
    )
