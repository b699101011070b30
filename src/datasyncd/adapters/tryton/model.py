"""Models: what the server says of the fields of an object, and of those that it is related to."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import msgspec

from datasyncd.adapters.contract import Column
from datasyncd.adapters.errors import NotFound, Unauthorised

from .names import Name, name_of
from .session import Session
from .values import WHOLE, Form, form_of

How: TypeAlias = Literal["own", "to one", "child", "to one of a child", "to many"]
"""Where a name finds its value: in the record itself, in the record that it points to, ..."""

_PICKS = ("selection", "char", "boolean")
"""Types of fields that may pick a child."""


class Field(msgspec.Struct, frozen=True):
    """One field of a model, as `fields_get` tells it."""

    type: str
    string: str = ""
    """Its label in the language of the user."""
    readonly: bool = False
    required: bool = False
    relation: str | None = None
    size: Any = None
    digits: Any = None
    selection: Any = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The codes that it takes, where the server lists them."""
        return tuple(str(code) for code, _ in self.selection if code) if isinstance(self.selection, list) else ()

    @property
    def places(self) -> tuple[int, int] | None:
        """Digits in all, and after the point, where that is the same for all records."""
        digits = self.digits
        if isinstance(digits, str):
            try:
                digits = json.loads(digits)
            except ValueError:
                return None
        if isinstance(digits, list) and len(digits) == 2 and all(type(each) is int for each in digits):
            return digits[0] + digits[1], digits[1]
        return None


class Rights(msgspec.Struct, frozen=True):
    """What the user may do with a model."""

    read: bool = True
    write: bool = True
    create: bool = True
    delete: bool = True


class Model(msgspec.Struct, frozen=True):
    """One model."""

    name: str
    fields: dict[str, Field]
    rights: Rights


class Bound(msgspec.Struct, frozen=True):
    """A name, and where its value is."""

    name: Name
    how: How
    form: Form
    column: Column
    related: Model | None = None
    """The model of the record that the name's first part leads to."""
    target: str | None = None
    """The model in which a record is looked for by its value, when it is written."""


class Models:
    """The models of one database, each asked for once until it is forgotten."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Model] = {}

    def forget(self) -> None:
        self._known.clear()

    async def model(self, name: str) -> Model:
        """Raises `NotFound` if there is none, and `Unauthorised` if the user may not read it."""
        if name not in self._known:
            place = self._session.place
            if not await self._session.ask("ir.model", "search_count", [["name", "=", name]]):
                raise NotFound(f"{place}: there is no model {name!r}; see `object`, and that its module is activated")
            said = await self._session.ask("ir.model.access", "get_access", [name])
            rights = msgspec.convert(said.get(name, {}), Rights, strict=False)  # some are told as 0 and 1
            if not rights.read:
                raise Unauthorised(f"{place}: the user may not read {name}: give a group of the user access to it")
            told = await self._session.ask(name, "fields_get", [])
            self._known[name] = Model(name, {each: msgspec.convert(f, Field) for each, f in told.items()}, rights)
        return self._known[name]

    async def bind(self, model: Model, native: str) -> Bound | None:
        """Where the value of a name is; None: there is nothing of this name."""
        name = name_of(model.name, native)
        field = None if name is None else model.fields.get(name.first)
        if name is None or field is None:
            return None
        if name.field is None:
            return _own(name, field)
        if field.relation is None:
            return None
        related = await self.model(field.relation)
        inner = related.fields.get(name.field)
        if inner is None or (name.where is not None and not _picks(related, name.where[0])):
            return None
        if field.type == "one2many":
            return await self._child(name, field, related, inner)
        if name.where is not None or name.target is not None or form_of(inner.type) is None:
            return None
        why = _why_not(field, name.first)
        if field.type == "many2many":
            column = Column(native, "list", writable=not why, why_not=why, takes_nul=False)
            return Bound(name, "to many", _form(inner), column, related, related.name) if _is_text(inner) else None
        return Bound(name, "to one", _form(inner), _column(native, inner, why), related, related.name)

    async def _child(self, name: Name, field: Field, related: Model, inner: Field) -> Bound | None:
        why = _why_not(field, name.first) or _why_not(inner, f"{name.first}.{name.field}")
        if name.target is None:
            if form_of(inner.type) is None:
                return None
            return Bound(name, "child", _form(inner), _column(name.native, inner, why), related)
        if inner.type != "many2one" or inner.relation is None:
            return None
        target = await self.model(inner.relation)
        last = target.fields.get(name.target)
        if last is None or form_of(last.type) is None:
            return None
        return Bound(name, "to one of a child", _form(last), _column(name.native, last, why), related, target.name)


def _own(name: Name, field: Field) -> Bound | None:
    form = form_of(field.type)
    return None if form is None else Bound(name, "own", form, _column(name.native, field, _why_not(field, name.first)))


def _form(field: Field) -> Form:
    form = form_of(field.type)
    assert form is not None
    return form


def _is_text(field: Field) -> bool:
    return field.type in ("char", "text", "selection")


def _picks(model: Model, key: str) -> bool:
    field = model.fields.get(key)
    return field is not None and field.type in _PICKS


def _why_not(field: Field, native: str) -> str:
    return f"the server says that {native} is read only" if field.readonly else ""


def _column(native: str, field: Field, why_not: str) -> Column:
    form = _form(field)
    return Column(
        native,
        form.kind,
        writable=not why_not,
        max_length=field.size if type(field.size) is int else None,
        bounds=WHOLE if form.kind == "integer" else None,
        digits=field.places if field.type == "numeric" else None,
        labels=field.labels,
        takes_nul=False,
        why_not=why_not,
    )
