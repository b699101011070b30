"""Selection: what the config uses of a model, what the server is asked for, and the records that it makes of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Key, Malformed, Native, ObjectSpec, Record
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.errors import NotFound, Unsupported

from .model import Bound, Model, Models
from .names import KEY, REPLACED, STAMP

Row = dict[str, Any]
Group = tuple[str, tuple[str, str] | None]


class Held(msgspec.Struct, frozen=True):
    """A record as the server has it."""

    id: int
    record: Record | Malformed
    stamps: dict[str, str]
    """Timestamps by "model,id": of the record, and of the children that its fields come from."""
    children: dict[Group, Row | None]
    row: Row
    survivor: Key | None = None
    """It was merged away into this one."""


class Selection(msgspec.Struct):
    """What the config uses of a model."""

    spec: ObjectSpec
    model: Model
    bounds: dict[str, Bound]
    several: dict[str, int] = {}
    """Names of a first child -> how many records had more than one, in the last complete pull."""

    @classmethod
    async def of(cls, models: Models, spec: ObjectSpec, system: str) -> Selection:
        """Raises `NotFound` for a name that there is not, `Unsupported` for what cannot be kept apart."""
        model = await models.model(spec.object)
        bounds: dict[str, Bound] = {}
        for native in spec.columns:
            bound = await models.bind(model, native)
            if bound is None:
                raise NotFound(f"{system}: {spec.object} has no field {native!r} that can be mapped")
            bounds[native] = bound
        _keep_apart(bounds.values(), system)
        return cls(spec, model, bounds)

    @property
    def groups(self) -> dict[Group, Model]:
        """The children that names are about, and their model."""
        return {
            bound.name.group: bound.related
            for bound in self.bounds.values()
            if bound.how in ("child", "to one of a child") and bound.related is not None
        }

    @property
    def asked(self) -> list[str]:
        """The names that the server is asked for."""
        names = [KEY, STAMP]
        if self.forwards:
            names.append(REPLACED)
        for bound in self.bounds.values():
            names.append(".".join(each for each in (bound.name.first, bound.name.field, bound.name.target) if each))
        for (first, where), related in self.groups.items():
            names += [f"{first}.{STAMP}", *([f"{first}.{where[0]}"] if where else [])]
            names += [f"{first}.active"] if "active" in related.fields else []
        return list(dict.fromkeys(names))

    @property
    def forwards(self) -> bool:
        """Records of this model may be merged into others."""
        return forwards(self.spec.object)

    def held(self, row: Row) -> Held:
        """What a row is. Raises nothing for what cannot be read: it is malformed."""
        key = str(row[KEY])
        children = {group: self._child(row, group) for group in self.groups}
        stamps = {f"{self.model.name},{key}": str(row.get(STAMP))}
        for group, child in children.items():
            if child is not None:
                stamps[f"{self.groups[group].name},{child[KEY]}"] = str(child.get(STAMP))
        try:
            fields = {native: self._value(bound, row, children) for native, bound in self.bounds.items()}
        except (TypeError, LookupError, ValueError, ArithmeticError):
            bad = Malformed(key, f"{self.spec.object}/{key}", "a value of it is not of the type that the server says")
            return Held(row[KEY], bad, stamps, children, row)
        told = [fields.get(name, ABSENT) for name in self.spec.columns]
        version = row_digest([*told, *stamps.items()])
        replaced = row.get(REPLACED) if self.forwards else None
        record = Record(key, fields, version)
        return Held(row[KEY], record, stamps, children, row, None if replaced is None else str(replaced))

    def count_several(self, rows: Sequence[Row]) -> None:
        """Note how many records have more children of a kind than are read."""
        for first, where in self.groups:
            shown = f"{first}[{where[0]}={where[1]}]" if where else first
            found = sum(len(self._children(row, (first, where))) > 1 for row in rows)
            self.several[shown] = self.several.get(shown, 0) + found

    def _child(self, row: Row, group: Group) -> Row | None:
        return next(iter(self._children(row, group)), None)

    def _children(self, row: Row, group: Group) -> list[Row]:
        """Children of a kind that are in use, in the server's order."""
        first, where = group
        return [
            child
            for child in row.get(f"{first}.") or ()
            if child.get("active", True) and (where is None or is_picked(child, where))
        ]

    def _value(self, bound: Bound, row: Row, children: Mapping[Group, Row | None]) -> Native:
        name = bound.name
        if name.field is None:
            value = row[name.first]
        elif bound.how == "to many":
            return sorted({bound.form.decode(each[name.field]) for each in row[f"{name.first}."]})
        else:
            value = row[f"{name.first}."] if bound.how == "to one" else children[name.group]
            if name.target is not None and value is not None:
                value = value[f"{name.field}."]
            value = None if value is None else value[name.target or name.field]
        if value is None or (value == "" and bound.how in ("child", "to one of a child")):
            return None  # a blank of a child, and no child, are one
        return bound.form.decode(value)


def forwards(object: str) -> bool:
    """Whether records of a model may be merged into others: the server has that for parties."""
    return object == "party.party"


def is_picked(child: Row, where: tuple[str, str]) -> bool:
    value = child.get(where[0])
    return (str(value).lower() if isinstance(value, bool) else value) == where[1]


def _keep_apart(bounds: Iterable[Bound], system: str) -> None:
    """Two names must not be about one child by different ways: each would be written over the other."""
    ways: dict[str, set[tuple[str, str] | None]] = {}
    for bound in bounds:
        if bound.name.field is not None:
            ways.setdefault(bound.name.first, set()).add(bound.name.where)
    for first, wheres in ways.items():
        keys = {None if where is None else where[0] for where in wheres}
        if len(wheres) > 1 and (None in wheres or len(keys) > 1):
            raise Unsupported(
                f"{system}: names of {first} may mean the same record: write all of them without [...], or all with"
                " different values of one field"
            )
