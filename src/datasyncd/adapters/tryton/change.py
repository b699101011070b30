"""Change: what a write of native fields is in Tryton's words, given the record as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasyncd.adapters.contract import Native, Rejected
from datasyncd.adapters.sql.form import Unfit

from .lookup import Lookup
from .model import Bound
from .names import KEY
from .searching import picking
from .selection import Group, Held, Row


def change(
    bounds: Mapping[str, Bound], fields: Mapping[str, Native], held: Held | None, lookup: Lookup
) -> dict[str, Any] | Rejected:
    """The values of a `create` (`held` None) or `write`; all that is wrong with them, if anything is."""
    values: dict[str, Any] = {}
    inner: dict[Group, dict[str, Any]] = {}
    refused: dict[str, str] = {}
    for native, value in fields.items():
        bound = bounds[native]
        wire = _wire(bound, value, held, lookup)
        if isinstance(wire, Rejected):
            refused[native] = wire.reason
        elif bound.how in ("child", "to one of a child"):
            assert bound.name.field is not None
            inner.setdefault(bound.name.group, {})[bound.name.field] = wire
        else:
            values[bound.name.first] = wire
    if refused:
        return Rejected("; ".join(refused.values()), tuple(refused))
    models = {bound.name.group: bound.related for bound in bounds.values()}
    for group, told in inner.items():
        model = models[group]
        assert model is not None
        child = held.children.get(group) if held is not None else None
        needed = {name for name, value in told.items() if value in (None, "") and model.fields[name].required}
        if steps := _child(group, told, child, gone=bool(needed), keeps="active" in model.fields):
            values.setdefault(group[0], []).extend(steps)
    return values


def _child(group: Group, told: dict[str, Any], child: Row | None, *, gone: bool, keeps: bool) -> list[Any]:
    """Steps that give a child these values. `gone`: one of them is blank that it must have; `keeps`: it can be put
    out of use instead of deleted, so that what else points to it stays whole."""
    if child is not None:
        if not gone:
            return [["write", [child[KEY]], told]]
        return [["write", [child[KEY]], {"active": False}] if keeps else ["delete", [child[KEY]]]]
    if gone or all(value in (None, "") for value in told.values()):
        return []
    _, where = group
    picked = {} if where is None else {where[0]: picking(where[1])}
    return [["create", [{**picked, **told}]]]


def _wire(bound: Bound, value: Native, held: Held | None, lookup: Lookup) -> Any:
    """A value as the server has it; `Rejected` if it cannot be."""
    native = bound.name.native
    if not bound.column.writable:
        return Rejected(f"{native}: {bound.column.why_not}", (native,))
    if bound.how == "to many":
        return _many(bound, value, held, lookup)
    if value is None or (value == "" and bound.target is not None):
        return None
    try:
        wire = bound.form.to_wire(value)
    except Unfit as error:
        return Rejected(f"{native}: {error}", (native,))
    if isinstance(wire, str) and ("\0" in wire or (not wire.isascii() and _is_torn(wire))):
        return Rejected(f"{native}: it has a character that Tryton does not keep", (native,))
    return wire if bound.target is None else lookup.one(bound, value)


def _many(bound: Bound, value: Native, held: Held | None, lookup: Lookup) -> Any:
    """Steps from the records that it is put together with now to those that a list names."""
    native = bound.name.native
    if value is not None and not isinstance(value, list):
        return Rejected(f"{native}: a list expected", (native,))
    wanted: set[int] = set()
    for each in value or []:
        found = lookup.one(bound, each)
        if isinstance(found, Rejected):
            return found
        wanted.add(found)
    now = {each[KEY] for each in (held.row[f"{bound.name.first}."] if held is not None else ())}
    steps: list[Any] = []
    if added := sorted(wanted - now):
        steps.append(["add", added])
    if removed := sorted(now - wanted):
        steps.append(["remove", removed])
    return steps


def _is_torn(text: str) -> bool:
    """Half of a pair of UTF-16 is in it."""
    return any("\ud800" <= sign <= "\udfff" for sign in text)
