"""Tryton keeps the promises, on a real server: parties, with what of them stands in their children.

The server numbers its records: the suite's keys are put in the place of those numbers on both sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Cursor,
    Gone,
    Key,
    Moved,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Write,
    Written,
)
from datasyncd.adapters.testing import AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from datasyncd.adapters.testing.renamed import Renamed, renamed
from datasyncd.adapters.tryton.adapter import TrytonAdapter, TrytonOptions
from tests.servers.tryton import Database

PARTY = "party.party"
OTHER = "contact_mechanisms[type=other]"
NAMES = {
    "name": "addresses.street_unstructured",
    "email": "email",
    "amount": f"{OTHER}.value",
    "changed": "write_date",
    "note": "name",
}


class Keys:
    """Which number the server gave to a record that the suite calls otherwise."""

    def __init__(self) -> None:
        self.numbers: dict[Key, Key] = {}

    def out(self, key: Key | None) -> Key | None:
        return None if key is None else self.numbers.get(key, key)

    def back(self, number: Key) -> Key:
        return next((key for key, known in reversed(self.numbers.items()) if known == number), number)


class Numbered(Renamed):
    """The adapter with the suite's keys."""

    def __init__(self, adapter: Adapter, keys: Keys) -> None:
        super().__init__(adapter, PARTY, NAMES)
        self._keys = keys

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        names = {number: key for key, number in self._keys.numbers.items()}
        async for page in super().pull(object, since):
            for record in page.records:
                record.key = names.get(record.key) or self._keys.back(record.key)
            page.gone = [self._keys.back(key) for key in page.gone]
            yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        answers = await super().read(object, [str(self._keys.out(key)) for key in keys], strong=strong)
        return [self._answer(key, answer) for key, answer in zip(keys, answers, strict=True)]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        return [self._named(record) for record in await super().find(object, field, values)]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        sent = [msgspec.structs.replace(write, key=self._keys.out(write.key)) for write in writes]
        outcomes = await super().push(object, sent)
        return [
            msgspec.structs.replace(outcome, key=write.key or self._keys.back(outcome.key))
            if isinstance(outcome, Written)
            else outcome
            for write, outcome in zip(writes, outcomes, strict=True)
        ]

    def _named(self, record: Record) -> Record:
        return msgspec.structs.replace(record, key=self._keys.back(record.key))

    def _answer(self, key: Key, answer: Answer) -> Answer:
        match answer:
            case Record():
                return msgspec.structs.replace(answer, key=key)
            case Moved():
                return Moved(key, self._keys.back(answer.survivor))
        return Gone(key)


class TrytonStage(Stage):
    """Parties, and another client that works with them."""

    text_only = True
    many = 450

    def __init__(self, crm: Database) -> None:
        self._crm = crm
        self._keys = Keys()

    def open(self, spec: ObjectSpec) -> Adapter:
        options = TrytonOptions(**self._crm.options())
        return Numbered(TrytonAdapter(context(Path(), renamed(spec, PARTY, NAMES)), options), self._keys)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        for part in parts(list(records.items()), 500):
            made = self._crm.make(PARTY, *(self._values(fields, {}) for _, fields in part))
            self._keys.numbers.update({key: str(id) for (key, _), id in zip(part, made, strict=True)})

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        id = int(self._keys.numbers[key])
        (row,) = self._rows(id)
        self._crm.write(PARTY, id, **self._values(fields, row))

    async def delete(self, key: Key) -> None:
        id = int(self._keys.numbers[key])
        merged = self._crm.ids(PARTY, [["replaced_by", "=", id]])
        while more := self._crm.ids(PARTY, [["replaced_by", "in", merged], ["id", "not in", merged]]):
            merged += more
        self._crm.call(PARTY, "delete", [id, *merged])

    async def merge(self, key: Key, survivor: Key) -> None:
        numbers = self._keys.numbers
        self._crm.replace_party(int(numbers[key]), int(numbers[survivor]))

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        found = {}
        for row in self._rows():
            key = self._keys.back(str(row["id"]))
            mechanisms = {each["type"]: each["value"] for each in reversed(row["contact_mechanisms."])}
            street = next((each["street_unstructured"] for each in row["addresses."]), None) or None
            found[key] = {
                "id": key, "name": street, "email": mechanisms.get("email"), "amount": mechanisms.get("other"),
                "note": row["name"],
            }  # fmt: skip
        return found

    def stored(self, field: str, value: Native) -> Native:
        return (value or None) if field == "name" else value

    def bad(self) -> dict[str, Native]:
        return {"phone": "no number"}

    def _rows(self, id: int | None = None) -> list[dict[str, Any]]:
        inner = ("contact_mechanisms.type", "contact_mechanisms.value", "addresses.street_unstructured")
        return self._crm.rows(PARTY, "name", *inner, id=id)

    def _values(self, fields: Mapping[str, Native], row: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a create, or of a write over a row."""
        values: dict[str, Any] = {}
        for name, value in fields.items():
            if name == "note":
                values["name"] = value
            elif name == "name":
                steps = values.setdefault("addresses", [])
                steps.append(_step(row.get("addresses.", ()), {}, {"street_unstructured": value}))
            elif name in ("email", "amount"):
                kind = {"type": "email" if name == "email" else "other"}
                steps = values.setdefault("contact_mechanisms", [])
                steps.append(_step(row.get("contact_mechanisms.", ()), kind, {"value": value}))
        return values


def _step(children: Iterable[Mapping[str, Any]], kind: Mapping[str, Any], told: Mapping[str, Any]) -> list[Any]:
    for child in children:
        if all(child[name] == value for name, value in kind.items()):
            return ["write", [child["id"]], dict(told)]
    return ["create", [{**kind, **told}]]


def parts(rows: list[Any], size: int) -> list[list[Any]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class TestTryton(AdapterConformance):
    @pytest.fixture
    def stage(self, crm: Database) -> Stage:
        return TrytonStage(crm)
