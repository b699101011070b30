"""A price in a column of floats, both ways: refused, unless the map says that it may lose digits there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datasyncd.daemon.cli.group import group

CONFIG = """
[daemon]
state_dir = "var"
listen = ""

[systems.erp]
adapter = "sqlite"
path = "erp.db"

[systems.shop]
adapter = "jsonl"
path = "shop"
lock = true

[entities.thing]
identify = ["code"]

[entities.thing.fields]
code = { type = "text" }
price = { type = "decimal" }
name = { type = "text" }

[links.erp.thing]
object = "things"
key = "id"
direction = "both"
map = { code = "code", price = PRICE, name = "name" }

[links.shop.thing]
object = "things"
key = "id"
direction = "both"
map = { code = "code", price = "price", name = "name" }
"""
EXACT = "0.12345678901234567891"
ROUNDED = 0.12345678901234568
REFUSED = (
    "price: the column keeps only numbers of about 15 digits, and rounds the rest, so that price (decimal) does not go "
    "both ways: what became of a value there would come back as an edit; say `lossy = true` in the map, and the other "
    'systems keep the value as it was, or direction = "push" or "pull"'
)
NOTHING = {"create": 0, "update": 0, "delete": 0}


class Stores:
    """An ERP (SQLite) whose prices are floats, and a shop (JSON lines) with one thing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop").mkdir()
        self.file = folder / "shop" / "things.jsonl"
        self.put(price=EXACT, name="cup")
        with self.db() as db:
            db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, code TEXT, price REAL, name TEXT)")

    def configure(self, price: str) -> None:
        (self.folder / "config.toml").write_text(CONFIG.replace("PRICE", price))

    def put(self, **fields: Any) -> None:
        self.file.write_text(json.dumps({"id": "t1", "code": "A", **fields}) + "\n")

    def shop(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return {name: found[name] for name in ("price", "name")}

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "erp.db")) as db, db:
            yield db

    def erp(self) -> list[tuple[Any, ...]]:
        with self.db() as db:
            return db.execute("SELECT price, name FROM things").fetchall()

    def command(self, *words: str) -> Result:
        return CliRunner().invoke(group, [*words, "--config", str(self.folder / "config.toml")], catch_exceptions=False)

    def written(self) -> dict[str, Any]:
        done = self.command("sync", "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)["written"]
        return found


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_a_loss_in_both_directions_is_refused(stores: Stores) -> None:
    stores.configure('"price"')

    checked = stores.command("check")
    done = stores.command("sync", "--json")
    planned = stores.command("plan", "--json")

    assert checked.exit_code == 78
    assert f"links.erp.thing: error: {REFUSED}" in checked.output
    assert (done.exit_code, json.loads(done.stdout)["failed"]) == (75, {"erp.thing": f"erp: {REFUSED}"})
    assert json.loads(planned.stdout)["failed"] == {"erp.thing": f"erp: {REFUSED}"}
    assert (stores.erp(), stores.shop()) == ([], {"price": EXACT, "name": "cup"})


def test_what_may_be_lost_is_kept_as_it_was_everywhere_else(stores: Stores) -> None:
    stores.configure('{ field = "price", lossy = true }')
    checked = stores.command("check")
    assert checked.exit_code == 0
    assert "price: the column keeps only numbers of about 15 digits, and rounds the rest" in checked.output

    assert stores.written() == {"erp": {"create": 1, "update": 0, "delete": 0}, "shop": NOTHING}
    assert stores.erp() == [(ROUNDED, "cup")]
    assert stores.written() == {"erp": NOTHING, "shop": NOTHING}

    with stores.db() as db:
        db.execute("UPDATE things SET name = 'mug'")
    assert stores.written() == {"erp": NOTHING, "shop": {"create": 0, "update": 1, "delete": 0}}
    assert stores.shop() == {"price": EXACT, "name": "mug"}

    with stores.db() as db:
        db.execute("UPDATE things SET price = 2.5")
    assert stores.written() == {"erp": NOTHING, "shop": {"create": 0, "update": 1, "delete": 0}}
    assert stores.shop() == {"price": 2.5, "name": "mug"}


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_one_direction_is_the_other_way_out(stores: Stores, direction: str) -> None:
    stores.configure(f'{{ field = "price", direction = "{direction}" }}')

    assert stores.command("check").exit_code == 0
    assert stores.written() == {"erp": {"create": 1, "update": 0, "delete": 0}, "shop": NOTHING}
    assert stores.erp() == [(ROUNDED if direction == "push" else None, "cup")]
    assert stores.written() == {"erp": NOTHING, "shop": NOTHING}
    assert stores.shop() == {"price": EXACT, "name": "cup"}
