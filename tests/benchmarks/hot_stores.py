"""The hot test on real stores, with the real daemon as a process of its own.

Two stores of one kind hold the same people. Each person is edited once in both, within one second, in the same field,
by a program that works as such programs do: one statement in a database, the whole file read, changed and put in the
place of the old one in a folder (under the lock where there is one).
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import fcntl
import io
import json
import os
import random
import re
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from datasyncd.state.store import SqliteStore
from tests.benchmarks.hot_count import OBJECT, Counted, Typed, count
from tests.benchmarks.measured import GUARDS_OFF, daemon, folder, run
from tests.servers import radicale
from tests.servers.postgres import NOTES, Database, Server, triggers

EVERY_S = 0.02
"""Between the first edits of two people."""
WITHIN_S = 1.0


class Store(ABC):
    """One store, and the program of those who work in it."""

    pace_s: ClassVar[float] = EVERY_S
    """Between the first edits of two people."""
    link: tuple[str, ...] = (
        f'object = "{OBJECT}"', 'key = "id"', "live = true", 'map = { email = "email", city = "city" }',
    )  # fmt: skip
    """Of its link in the config."""

    def __init__(self, at: Path, name: str) -> None:
        self.at, self.name = at, name
        self.object = OBJECT

    @property
    @abstractmethod
    def lines(self) -> list[str]:
        """Of its table in the config."""

    @abstractmethod
    async def make(self, persons: int) -> None:
        """People with the keys 1, 2 and so on."""

    @abstractmethod
    async def edit(self, key: str, city: str) -> None:
        """Somebody saves another city."""

    @abstractmethod
    async def cities(self) -> list[str]:
        """Of all people, by key."""


Kind = Callable[[Path, str], Store]


class Sqlite(Store):
    """A table in an SQLite file."""

    @property
    def lines(self) -> list[str]:
        return ['adapter = "sqlite"', f'path = "{self.name}.db"']

    async def make(self, persons: int) -> None:
        self._run("PRAGMA journal_mode = WAL")
        self._run("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, city TEXT)")
        with self._opened() as store:
            store.executemany("INSERT INTO people VALUES (?, ?, 'start')", [(n, mail(n)) for n in people(persons)])

    async def edit(self, key: str, city: str) -> None:
        self._run("UPDATE people SET city = ? WHERE id = ?", city, int(key))

    async def cities(self) -> list[str]:
        with self._opened() as store:
            return [row[0] for row in store.execute("SELECT city FROM people ORDER BY id")]

    def _run(self, statement: str, *values: object) -> None:
        with self._opened() as store:
            store.execute(statement, values)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.at / f"{self.name}.db", timeout=10)) as store, store:
            yield store


class Folder(Store):
    """A file of records."""

    def __init__(self, at: Path, name: str, *, form: str, lock: bool) -> None:
        super().__init__(at, name)
        self._form, self._lock = form, lock
        self._file = at / name / f"{OBJECT}.{form}"

    @property
    def lines(self) -> list[str]:
        return [f'adapter = "{self._form}"', f'path = "{self.name}"', f"lock = {str(self._lock).lower()}"]

    async def make(self, persons: int) -> None:
        self._file.parent.mkdir()
        self._put([{"id": str(n), "email": mail(n), "city": "start"} for n in people(persons)])

    async def edit(self, key: str, city: str) -> None:
        with self._alone():
            rows = self._get()
            rows[int(key) - 1]["city"] = city
            self._put(rows)

    async def cities(self) -> list[str]:
        return [row["city"] for row in self._get()]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else who takes the lock writes meanwhile."""
        if not self._lock:
            yield
            return
        with self._file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _get(self) -> list[dict[str, str]]:
        text = self._file.read_text()
        if self._form == "csv":
            return list(csv.DictReader(io.StringIO(text)))
        return [json.loads(line) for line in text.splitlines()]

    def _put(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        if self._form == "csv":
            writer = csv.DictWriter(text, ("id", "email", "city"), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            text.writelines(json.dumps(row) + "\n" for row in rows)
        new = self._file.with_suffix(".new")
        new.write_text(text.getvalue())
        os.replace(new, self._file)


class Postgres(Store):
    """A table in a PostgreSQL database, with or without a column that counts its changes."""

    def __init__(self, at: Path, name: str, *, server: Server, counts: bool) -> None:
        super().__init__(at, name)
        self._database: Database = server.database()
        self._counts = counts

    @property
    def lines(self) -> list[str]:
        version = ['version = { people = "version" }'] if self._counts else []
        dsn = f'dsn = "{self._database.dsn()}"'
        return ['adapter = "postgres"', dsn, 'changes = "datasyncd.changes"', *version]

    async def make(self, persons: int) -> None:
        await self._database.run(
            "CREATE TABLE people (id bigint PRIMARY KEY, email text, city text, version bigint NOT NULL DEFAULT 1)"
        )
        await self._database.many(
            "INSERT INTO people VALUES ($1, $2, 'start')", [(n, mail(n)) for n in people(persons)]
        )
        await self._database.run(NOTES.read_text(), *triggers("people", "id"))

    async def edit(self, key: str, city: str) -> None:
        async with self._database.connected() as connection:
            await connection.execute("UPDATE people SET city = $1, version = version + 1 WHERE id = $2", city, int(key))

    async def cities(self) -> list[str]:
        return [row[0] for row in await self._database.rows("SELECT city FROM people ORDER BY id")]


class Carddav(Store):
    """An address book on a server, and a telephone, which writes a card if nobody changed it since it read it."""

    pace_s = 0.1
    link = (
        f'object = "{OBJECT}"', 'key = "href"', 'every = "200ms"', 'map = { email = "EMAIL", city = "ADR.city" }'
    )  # fmt: skip

    def __init__(self, at: Path, name: str, *, servers: Mapping[str, radicale.Server]) -> None:
        """`servers`: one for each name, whose book of people is made anew."""
        super().__init__(at, name)
        self._server = servers[name]
        self._server.answer("DELETE", f"{self._server.path}{OBJECT}/")
        self._book = radicale.Book(self._server, OBJECT)

    @property
    def lines(self) -> list[str]:
        login = f'user = "{radicale.USER}"\npassword = "{radicale.PASSWORD}"'
        return ['adapter = "carddav"', f'url = "{self._server.url}"', login]

    async def make(self, persons: int) -> None:
        for n in people(persons):
            lines = ("VERSION:3.0", f"UID:{n}", f"FN:{n}", "N:;;;;", f"EMAIL:{mail(n)}", "ADR:;;;start;;;", "END:VCARD")
            # Put there by a request each, they would be compared with one another, and take minutes.
            (self._book.folder / str(n)).write_bytes("\r\n".join(["BEGIN:VCARD", *lines, ""]).encode())

    async def edit(self, key: str, city: str) -> None:
        while True:
            text, tag = self._book.tagged(key)
            if self._book.put_if(key, re.sub(r"(?m)^ADR:.*?(\r?)$", rf"ADR:;;;{city};;;\1", text), tag):
                return

    async def cities(self) -> list[str]:
        cards = [self._book.card(str(n)) for n in people(len(self._book.names()))]
        return [card.partition("ADR:;;;")[2].partition(";")[0] for card in cards]


def people(persons: int) -> range:
    return range(1, persons + 1)


def mail(n: int) -> str:
    return f"p{n}@example.com"


def hot(kind: Kind, seeds: range, persons: int) -> Counted:
    """What becomes of the edits in two stores of a kind, `persons` edits in each; once for each seed."""
    total = Counted()
    for seed in seeds:
        with folder() as at:
            total.add(_hot(at, [kind(at, name) for name in ("a", "b")], persons, random.Random(seed)))
    return total


def _hot(at: Path, stores: list[Store], persons: int, chance: random.Random) -> Counted:
    for store in stores:
        asyncio.run(store.make(persons))
    config = write_config(at, stores)
    first = run("sync", "--config", str(config))
    assert first.code == 0, first
    since = time.time_ns() // 1000
    with daemon(config):
        typed = asyncio.run(edits(stores, persons, chance))
        time.sleep(WITHIN_S)
    last = run("sync", "--config", str(config))
    shown = {store.name: asyncio.run(store.cities()) for store in stores}
    # Programs that put back what we wrote, again and again, get their fields frozen: that waits for a person.
    assert last.code == 1 or (last.code == 0 and shown["a"] == shown["b"]), last
    return asyncio.run(counted(at / "var" / "state.db", typed, shown, since))


async def counted(file: Path, typed: list[Typed], shown: dict[str, list[str]], since: int) -> Counted:
    """By what the daemon's state says at the end."""
    state = await SqliteStore.open_copy(file, lambda: since)
    try:
        return await state.transact(lambda tx: count(tx, tx.field_number("person", "city"), typed, shown, since))
    finally:
        await state.aclose()


async def edits(stores: list[Store], persons: int, chance: random.Random) -> list[Typed]:
    """Everybody is edited in both stores, one after the other as the moments come."""
    due: list[tuple[float, Store, str]] = []
    for n in people(persons):
        at = n * max(store.pace_s for store in stores)
        first, other = chance.sample(stores, 2)
        due += [(at, first, str(n)), (at + chance.uniform(0, WITHIN_S), other, str(n))]
    typed: list[Typed] = []
    began = time.monotonic()
    for at, store, key in sorted(due, key=lambda one: one[0]):
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        typed.append(Typed(store.name, key, f"{store.name} {key}", store.object))
        await store.edit(key, typed[-1].value)
    return typed


def write_config(at: Path, stores: list[Store]) -> Path:
    lines = ["[daemon]", 'state_dir = "var"', 'listen = ""']
    for store in stores:
        lines += [f"[systems.{store.name}]", *store.lines]
    lines += ["[entities.person]", 'identify = ["email"]', "[entities.person.fields]"]
    lines += ['email = { type = "email" }', 'city = { type = "text" }']
    for store in stores:
        lines += [f"[links.{store.name}.person]", 'direction = "both"', GUARDS_OFF, *store.link]
    config = at / "config.toml"
    config.write_text("\n".join(lines) + "\n")
    return config


def in_a_folder(form: str, *, lock: bool) -> Kind:
    return partial(Folder, form=form, lock=lock)


def carddav(servers: Mapping[str, radicale.Server]) -> Kind:
    return partial(Carddav, servers=servers)


def postgres(server: Server, *, counts: bool) -> Kind:
    return partial(Postgres, server=server, counts=counts)
