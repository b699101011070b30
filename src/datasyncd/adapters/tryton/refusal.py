"""Refusal: which fields a refusal of the server is about, and its words without the values of records.

Tryton quotes in its messages: the label of a field, the name of a record, the value that it does not take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from datasyncd.adapters.contract import Native, Rejected

from .model import Bound, Field, Model

LONGEST = 300
"""Characters of a message that are told."""
_QUOTED = re.compile(r'"([^"]*)"')


def refusal(said: str, model: Model, bounds: Mapping[str, Bound], fields: Mapping[str, Native]) -> Rejected:
    """What a message of the server means for a write of these fields."""
    quoted = _QUOTED.findall(said)
    labels = {native: _label(model, bounds[native]) for native in fields}
    at_fault = [native for native in fields if labels[native] in quoted]
    for part in quoted:  # the value that is not taken stands before the name of its record
        at_fault = at_fault or [native for native, value in fields.items() if _is(value, part)]
    if len(fields) == 1:
        at_fault = list(fields)
    return Rejected(_shown(said, model, bounds, fields), tuple(at_fault))


def _shown(said: str, model: Model, bounds: Mapping[str, Bound], fields: Mapping[str, Native]) -> str:
    """A message in which only names of fields and models are quoted."""
    related = [bound.related for bound in bounds.values() if bound.related is not None]
    known = {field.string for each in (model, *related) for field in each.fields.values()}
    shown = _QUOTED.sub(lambda found: found[0] if found[1] in known else '"..."', said)
    for value in sorted((v for v in fields.values() if isinstance(v, str) and v), key=len, reverse=True):
        shown = shown.replace(value, "...")
    shown = " ".join(shown.split())
    return f"the server refuses it: {shown[:LONGEST]}" if shown else "it is larger than the server takes"


def _label(model: Model, bound: Bound) -> str:
    """What the server calls the field that is written."""
    fields: Mapping[str, Field] = model.fields
    name = bound.name.first
    if bound.how in ("child", "to one of a child") and bound.related is not None and bound.name.field is not None:
        fields, name = bound.related.fields, bound.name.field
    return fields[name].string


def _is(value: Native, quoted: str) -> bool:
    if isinstance(value, list):
        return any(_is(each, quoted) for each in value)
    return isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip() == quoted.strip()
