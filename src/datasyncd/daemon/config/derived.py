"""Derived fields: whether `derive` can be computed from what the entity has, and what computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datasyncd.reconcile.rules import Value

from .expressions import ExpressionInvalid, compile
from .fields import Enum
from .grammar import Entity
from .lines import KeyPath
from .problems import Findings

COMPUTABLE = ("text", "enum", "integer", "decimal", "boolean", "date", "datetime")
"""Types that a computed field can have."""
_FITS = {"text": ("text",), "enum": ("text",), "decimal": ("decimal", "integer")}
"""Kinds of an expression that make a value of a type, where it is not the type itself."""


def derived_of(name: str, entity: Entity) -> tuple[frozenset[str], Callable[[Mapping[str, Value]], Value]]:
    """The names that a derived field is computed from, and what computes it. Raises `ExpressionInvalid`."""
    field = entity.fields[name]
    types = {other: known.type for other, known in entity.fields.items() if not known.derive}
    values = {other: known.values for other, known in entity.fields.items() if isinstance(known, Enum)}
    expression = compile(field.derive or "", types, values)
    fits = _FITS.get(field.type, (field.type,))
    if expression.type not in (*fits, "any"):
        raise ExpressionInvalid(f"gives a value of type {expression.type}; expected {' or '.join(fits)}")
    evaluate = expression.evaluate
    if isinstance(field, Enum):
        listed = frozenset(field.values)
        return expression.names, lambda known: value if (value := evaluate(known)) in listed else None
    if field.type == "decimal" and expression.type == "integer":
        return expression.names, lambda known: None if (value := evaluate(known)) is None else str(value)
    return expression.names, evaluate


def check_derived(name: str, entity: Entity, findings: Findings) -> None:
    """Each computed field has a type that can be computed, is nobody's to edit, and its expression fits."""
    identifying = {part for key in entity.keys for part in key}
    for field_name, field in entity.fields.items():
        if not field.derive:
            continue
        path: KeyPath = ("entities", name, "fields", field_name, "derive")
        if field.type not in COMPUTABLE:
            findings.error(path, f"a field of type {field.type} cannot be computed; expected {', '.join(COMPUTABLE)}")
        elif field.policy != "latest":
            findings.error(path, f'nobody edits what is computed, so policy "{field.policy}" has no say')
        elif field_name in identifying:
            findings.error(path, "a field that identifies is not computed")
        elif all(findings.clean((*path[:3], other)) for other in entity.fields if other != field_name):
            try:
                derived_of(field_name, entity)
            except ExpressionInvalid as error:
                findings.error(path, error.text, error.nearest)
