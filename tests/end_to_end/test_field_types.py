"""Money, countries, languages and documents: one value, whatever each system writes it like."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

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

[entities.customer]
identify = ["email"]

[entities.customer.fields]
email = { type = "email" }
credit = { type = "money", currency = "EUR" }
country = { type = "country" }
language = { type = "language" }
settings = { type = "json" }

[links.erp.customer]
object = "customers"
key = "id"
direction = "both"

[links.erp.customer.map]
email = "email"
credit = { field = "credit_cents", form = "minor" }
country = { field = "country", form = "alpha-3" }
language = { field = "language", form = "underscore" }
settings = "settings"

[links.shop.customer]
object = "customers"
key = "id"
direction = "both"

[links.shop.customer.map]
email = "email"
credit = { field = "credit", form = "object" }
country = { field = "country", form = "name", locale = "de" }
language = { field = "language", values = { "Swiss German" = "de-CH" } }
settings = "settings"
"""


class Stores:
    """An ERP (SQLite) and a shop (JSON lines) with one customer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.toml").write_text(CONFIG)
        (folder / "shop").mkdir()
        self.file = folder / "shop" / "customers.jsonl"
        self.file.write_text("")
        with self.db() as db:
            db.execute(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, credit_cents INTEGER, country TEXT,"
                " language TEXT, settings TEXT)"
            )

    @contextlib.contextmanager
    def db(self) -> Any:
        with contextlib.closing(sqlite3.connect(self.folder / "erp.db")) as db, db:
            yield db

    def erp(self) -> tuple[Any, ...]:
        with self.db() as db:
            found: tuple[Any, ...] = db.execute(
                "SELECT credit_cents, country, language, settings FROM customers"
            ).fetchone()
            return found

    def shop(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return {name: found[name] for name in ("credit", "country", "language", "settings")}

    def sync(self) -> dict[str, Any]:
        words = ["sync", "--json", "--config", str(self.folder / "config.toml")]
        done = CliRunner().invoke(group, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)["written"]
        return found


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """In step."""
    stores = Stores(tmp_path)
    with stores.db() as db:
        settings = '{"b": [1.0, "x", "x"], "a": {"large": 12345678901234567890}, "fine": 0.12345678901234567891}'
        db.execute("INSERT INTO customers VALUES (1, 'a@example.org', 1230, 'CHE', 'de_CH', ?)", (settings,))
    stores.file.write_text('{"id": "9", "email": "a@example.org", "credit": null, "country": null, "language": null, '
                           '"settings": null}\n')  # fmt: skip
    stores.sync()
    return stores


def test_each_system_has_them_in_its_own_form(stores: Stores) -> None:
    assert stores.shop() == {
        "credit": {"amount": "12.30", "currency": "EUR"},
        "country": "Schweiz",
        "language": "Swiss German",
        "settings": {
            "a": {"large": 12345678901234567890},
            "b": [1, "x", "x"],
            "fine": pytest.approx(0.1234567890123456),
        },
    }
    assert '"fine":0.12345678901234567891' in stores.file.read_text()


def test_an_edit_goes_back_in_the_form_of_the_other(stores: Stores) -> None:
    record = json.loads(stores.file.read_text())
    record |= {"credit": {"amount": "-0.05", "currency": "EUR"}, "country": "Österreich", "language": "de-AT"}
    record["settings"] = ["b", "a", "b"]
    stores.file.write_text(json.dumps(record) + "\n")

    stores.sync()

    assert stores.erp() == (-5, "AUT", "de_AT", '["b","a","b"]')


def test_what_is_only_written_otherwise_is_no_edit(stores: Stores) -> None:
    """F84."""
    record = json.loads(stores.file.read_text())
    record["credit"]["amount"] = 12.3
    record["settings"] = {"b": [1.0, "x", "x"], "fine": "FINE", "a": {"large": 12345678901234567890}}
    record |= {"language": "DE_ch", "country": "CHE"}
    stores.file.write_text(json.dumps(record).replace('"FINE"', "0.123456789012345678910") + "\n")
    before = stores.erp()

    assert stores.sync()["erp"] == {"create": 0, "update": 0, "delete": 0}
    assert stores.erp() == before
