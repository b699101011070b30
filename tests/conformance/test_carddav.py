"""CardDAV keeps the promises, on a real Radicale.

The suite's names are those of a table, and a card's are fixed: they are put in each other's place on both sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from datasyncd.adapters.carddav.adapter import CarddavAdapter, CarddavOptions
from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Capabilities,
    Clash,
    Hint,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Rejected,
    Schema,
    Write,
    Written,
)
from datasyncd.adapters.testing import PEOPLE, AdapterConformance, Stage
from datasyncd.adapters.testing.desk import context
from tests.adapters.carddav.cards import fields_in, with_fields
from tests.servers.radicale import Book

NAMES = {"id": "href", "name": "FN", "email": "EMAIL;TYPE=work", "amount": "X-AMOUNT", "changed": "REV", "note": "NOTE"}
BACK = {card: suite for suite, card in NAMES.items()}


class Renamed:
    """The adapter with the suite's names."""

    def __init__(self, adapter: Adapter, book: str) -> None:
        self._adapter = adapter
        self._book = book

    def capabilities(self, object: str) -> Capabilities:
        return self._adapter.capabilities(self._book)

    async def describe(self, object: str) -> Schema:
        return await self._adapter.describe(self._book)

    async def pull(self, object: str, since: str | None) -> AsyncIterator[Page]:
        async for page in self._adapter.pull(self._book, since):
            page.records = [_back(record) for record in page.records]
            yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        answers = await self._adapter.read(self._book, keys)
        return [_back(answer) if isinstance(answer, Record) else answer for answer in answers]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        return [_back(record) for record in await self._adapter.find(self._book, NAMES[field], values)]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        named = [
            msgspec.structs.replace(write, fields={NAMES.get(name, name): v for name, v in write.fields.items()})
            for write in writes
        ]
        return [_outcome(outcome) for outcome in await self._adapter.push(self._book, named)]

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        async for hint in self._adapter.watch(self._book):
            yield hint

    async def aclose(self) -> None:
        await self._adapter.aclose()


def _back(record: Record) -> Record:
    return Record(record.key, {BACK[name]: value for name, value in record.fields.items()}, record.version)


def _outcome(outcome: Outcome) -> Outcome:
    match outcome:
        case Written(image=Record() as image):
            return msgspec.structs.replace(outcome, image=_back(image))
        case Rejected():
            return Rejected(outcome.reason, tuple(BACK.get(name, name) for name in outcome.fields))
        case Clash():
            return Clash(None if outcome.field is None else BACK[outcome.field], outcome.key)
    return outcome


class CarddavStage(Stage):
    """An address book, and another program that puts cards into it."""

    text_only = True

    def __init__(self, book: Book) -> None:
        self._book = book

    def open(self, spec: ObjectSpec) -> Adapter:
        fields = tuple(NAMES[name] for name in spec.fields)
        named = ObjectSpec(self._book.name, "href", fields, cursor=NAMES[spec.cursor] if spec.cursor else None)
        adapter = CarddavAdapter(context(Path(), named), CarddavOptions(**self._book.options()))
        return Renamed(adapter, self._book.name)

    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        for key, fields in records.items():
            empty = f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:uid of {key}\r\nN:;;;;\r\nEND:VCARD\r\n"
            self._book.put(key, with_fields(empty, {NAMES[name]: str(value) for name, value in fields.items()}))

    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        changed = {NAMES[name]: str(value) for name, value in fields.items()}
        self._book.put(key, with_fields(self._book.card(key), changed))

    async def delete(self, key: Key) -> None:
        self._book.delete(key)

    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        cards = {key: fields_in(self._book.card(key)) for key in self._book.names()}
        return {
            key: {"id": key, **{name: fields.get(NAMES[name], "") for name in NAMES if name != "id"}}
            for key, fields in cards.items()
        }

    def stored(self, field: str, value: Native) -> Native:
        return value.replace("\r\n", "\n") if isinstance(value, str) else value


class TestCarddav(AdapterConformance):
    many = 250

    @pytest.fixture
    def stage(self, book: Book) -> Stage:
        assert PEOPLE.fields == ("name", "email", "amount")
        return CarddavStage(book)
