"""A new record of which a store does not take one field: the rest arrives, and the field waits with the reason."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from datasyncd.daemon import cycle
from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import SyncResult, sync
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.plan.look import plan
from datasyncd.daemon.plan.result import PlanResult
from datasyncd.daemon.review.quarantine import quarantine
from datasyncd.daemon.review.terms import Terms

CONFIG = """\
[daemon]
state_dir = "var"
listen = ""
[systems.crm]
adapter = "sqlite"
path = "crm.db"
[systems.shop]
SHOP
[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
name = { type = "text" }
age = { type = "integer" }
city = { type = "text" }
[links.crm.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", name = "name", age = "age", city = "city" }
[links.shop.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", name = "name", age = "age", city = "city" }
"""
SQLITE = 'adapter = "sqlite"\npath = "shop.db"'
CSV = 'adapter = "csv"\npath = "shop"\nencoding = "latin-1"\nlock = true'
PLAIN = "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name TEXT, age INT, city TEXT)"
STRICT = """CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL CHECK (length(name) < 9),
    age INT NOT NULL DEFAULT 18 CONSTRAINT grown_up CHECK (age >= 18), city TEXT CHECK (city <> 'Nowhere')) STRICT"""
ANN, BOB = ("ann@example.org", "Ann", 30, "Rome"), ("bob@example.org", "Bob", 40, "Oslo")


class Stores:
    """A CRM that takes everything, and a shop that does not."""

    def __init__(self, folder: Path, shop: str, *people: tuple[Any, ...]) -> None:
        self.folder = folder
        (folder / "config.toml").write_text(CONFIG.replace("SHOP", shop), encoding="utf-8")
        self.crm = sqlite3.connect(folder / "crm.db", isolation_level=None)
        self.crm.execute(PLAIN)
        self.crm.executemany("INSERT INTO people (email, name, age, city) VALUES (?, ?, ?, ?)", people)

    async def sync(self) -> SyncResult:
        async with Engine.open(load(self.folder / "config.toml"), "sync") as engine:
            return await sync(engine)

    async def plan(self) -> PlanResult:
        return await plan(load(self.folder / "config.toml"))

    async def causes(self) -> list[tuple[str | None, str]]:
        config = load(self.folder / "config.toml")
        async with Engine.open(config, "test", attach=False) as engine:
            terms = Terms.of(config, engine.rules, engine.store.fingerprints)
            found = await engine.store.transact(lambda tx: quarantine(tx, terms))
        return sorted(((cause.field, cause.reason) for cause in found), key=lambda cause: cause[0] or "")


def in_shop(stores: Stores) -> list[tuple[Any, ...]]:
    with sqlite3.connect(stores.folder / "shop.db") as db:
        return db.execute("SELECT email, name, age, city FROM people ORDER BY email").fetchall()


def made(result: SyncResult, system: str = "shop") -> tuple[int, int]:
    return result.written[system]["create"], result.written[system]["update"]


@pytest.fixture(autouse=True)
def _files_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "LINGER_S", 0.01)


async def test_rules_of_a_table_stop_no_more_than_their_fields(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute(STRICT)
    young, lost = ("eve@example.org", "Eve", 12, "Paris"), ("fay@example.org", "Fay", 5, "Nowhere")
    nameless, long_name = ("gus@example.org", None, 50, "Bonn"), ("hal@example.org", "Hal the Great", 50, "Bonn")
    stores = Stores(tmp_path, SQLITE, ANN, young, lost, nameless, long_name)

    planned, done = await stores.plan(), await stores.sync()

    assert planned.systems["shop"]["person"].create == 5
    assert made(done) == (4, 0)
    assert in_shop(stores) == [
        ANN, ("eve@example.org", "Eve", 18, "Paris"), ("fay@example.org", "Fay", 18, None),
        ("gus@example.org", "", 50, "Bonn"),
    ]  # fmt: skip
    assert await stores.causes() == [
        (None, "shop: CHECK constraint failed: length(name) < 9; no record is made without name"),
        ("age", "shop: CHECK constraint failed: grown_up"),
        ("city", "shop: CHECK constraint failed: city <> 'Nowhere'"),
    ]
    again = await stores.sync()
    assert (made(again), made(again, "crm")) == ((0, 0), (0, 0))

    stores.crm.execute("UPDATE people SET age = 21, city = 'Rome', name = substr(name, 1, 3)")
    again = await stores.sync()
    assert (made(again), await stores.causes()) == ((1, 4), [])


async def test_characters_that_a_file_has_no_bytes_for_stop_no_more_than_their_field(tmp_path: Path) -> None:
    file = tmp_path / "shop" / "people.csv"
    file.parent.mkdir()
    file.write_text("id,email,name,age,city\n", encoding="latin-1")
    stores = Stores(tmp_path, CSV, ANN, ("bob@example.org", "Bob 🎉", 40, "Zürich"))

    planned, done = await stores.plan(), await stores.sync()

    assert planned.systems["shop"]["person"].create == 2
    assert made(done) == (2, 0)
    rows = [line.partition(",")[2] for line in file.read_text(encoding="latin-1").splitlines()[1:]]
    assert rows == ["ann@example.org,Ann,30,Rome", "bob@example.org,,40,Zürich"]
    assert await stores.causes() == [("name", "shop: name has characters that iso8859-1 has no bytes for")]
    again = await stores.sync()
    assert (made(again), made(again, "crm")) == ((0, 0), (0, 0))


async def test_a_record_of_which_nothing_is_left_is_tried_no_more(tmp_path: Path) -> None:
    """A create that nothing can be sent of is reported once, and does not come back."""
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name INT, age INT, city TEXT)")
    stores = Stores(tmp_path, SQLITE, (None, "no number", None, None))

    planned, done = await stores.plan(), await stores.sync()

    assert planned.systems["shop"]["person"].create == 0
    assert made(done) == (0, 0)
    reason = "name: a whole number of at most 64 bits without leading zeros expected by an integer column"
    assert await stores.causes() == [(None, reason)]
