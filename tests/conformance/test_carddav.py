"""CardDAV keeps the promises, on a real Radicale: beside another program, and beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from datasyncd.adapters.carddav.adapter import KIND, CarddavAdapter, CarddavOptions
from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec
from datasyncd.adapters.testing import PEOPLE, AdapterConformance, Stage, staged
from datasyncd.adapters.testing.desk import context
from datasyncd.adapters.testing.renamed import Renamed, renamed
from tests.adapters.carddav.cards import fields_in, with_fields
from tests.servers.radicale import PASSWORD, USER, Book, Server

NAMES = {"id": "href", "name": "FN", "email": "EMAIL;TYPE=work", "amount": "X-AMOUNT", "changed": "REV", "note": "NOTE"}


class CarddavStage(Stage):
    """An address book, and another program that puts cards into it."""

    text_only = True
    many = 250

    def __init__(self, book: Book) -> None:
        self._book = book

    def open(self, spec: ObjectSpec) -> Adapter:
        named = renamed(spec, self._book.name, NAMES)
        adapter = CarddavAdapter(context(Path(), named), CarddavOptions(**self._book.options()))
        return Renamed(adapter, self._book.name, NAMES)

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
    @pytest.fixture
    def stage(self, book: Book) -> Stage:
        assert PEOPLE.fields == ("name", "email", "amount")
        return CarddavStage(book)


class TestCarddavBesideItself(AdapterConformance):
    @pytest.fixture
    def stage(self, carddav: Server) -> Stage:
        return staged(KIND, CarddavOptions(url=carddav.url, user=USER, password=PASSWORD), Path())
