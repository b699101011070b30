"""Searching: which domain finds the records with a value, and which of those that it finds really have it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from datasyncd.adapters.contract import Native
from datasyncd.adapters.sql.form import Unfit

from .model import Bound

ASKED = 50
"""Values that are searched for at once."""


def domain(bound: Bound, values: Sequence[Native]) -> list[Any] | None:
    """What finds all records with one of these values, and perhaps others; None: no record can have one."""
    exact: list[Any] = []
    alike: list[str] = []
    for value in values:
        try:
            wire = bound.form.to_wire(value)
        except Unfit:
            continue
        if isinstance(wire, str) and "@" in wire:
            alike.append(wire)
        else:
            exact.append(wire)
    clauses = [_clause(bound, "in", exact)] if exact else []
    clauses += [_clause(bound, "ilike", _escaped(text)) for text in alike]
    return ["OR", *clauses] if clauses else None


def matches(value: Native, wanted: Set[Native]) -> bool:
    """Whether a field has one of these values, as `comparable` shows them."""
    if isinstance(value, list):
        return any(comparable(each) in wanted for each in value)
    return comparable(value) in wanted


def comparable(value: Native) -> Native:
    """Addresses are compared without case."""
    return value.casefold() if isinstance(value, str) and "@" in value else value


def _clause(bound: Bound, operator: str, operand: Any) -> list[Any]:
    name = bound.name
    inner = ".".join(each for each in (name.field, name.target) if each)
    if name.where is not None:
        return [name.first, "where", [[name.where[0], "=", picking(name.where[1])], [inner, operator, operand]]]
    return [f"{name.first}.{inner}" if inner else name.first, operator, operand]


def picking(text: str) -> Native:
    """The value of the field that picks a child."""
    return {"true": True, "false": False}.get(text, text)


def _escaped(text: str) -> str:
    """A pattern that stands for this text alone."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
