"""A web shop (SQLite) and a CRM (a real Tryton): new people, edits of both sides, merges and deletions, both ways."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group
from tests.servers.tryton import PASSWORD, USER, Database

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
secrets = "secrets.toml"

[systems.shop]
adapter = "sqlite"
path = "shop.db"

[systems.crm]
adapter = "tryton"
url = "{url}"
database = "{database}"
user = "{user}"
password = {{ credential = "crm-password" }}

[entities.contact]
identify = ["email"]
on_delete = "propagate"
first_contact = "fill_blanks"

[entities.contact.fields]
email = {{ type = "email" }}
name = {{ type = "text", policy = "manual" }}
phone = {{ type = "phone", region = "US" }}
city = {{ type = "text" }}
country = {{ type = "country" }}
tags = {{ type = "set" }}

[links.shop.contact]
object = "customers"
key = "id"
direction = "both"
map = {{ email = "email", name = "name", phone = "phone", city = "city", country = "country", tags = "tags" }}

[links.crm.contact]
object = "party.party"
key = "id"
direction = "both"
cursor = "write_date"
edited_at = "last_modified_at"

[links.crm.contact.map]
email = "email"
name = "name"
phone = "phone"
city = "addresses.city"
country = "addresses.country.code"
tags = "categories.name"
"""
PARTY = "party.party"
NOTHING = {"create": 0, "update": 0, "delete": 0}


class Stores:
    """A folder with a config and the shop, and the CRM."""

    def __init__(self, folder: Path, crm: Database) -> None:
        self.folder = folder
        self.crm = crm
        words = {"url": crm.server.url, "database": crm.name, "user": USER}
        (folder / "config.toml").write_text(CONFIG.format(**words))
        secrets = folder / "secrets.toml"
        secrets.write_text(f"crm-password = {json.dumps(PASSWORD)}\n")
        secrets.chmod(0o600)
        with self.db() as db:
            db.execute(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT, phone TEXT, city TEXT,"
                " country TEXT, tags TEXT)"
            )

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            yield db

    def shop(self) -> dict[str, dict[str, Any]]:
        """By name."""
        with self.db() as db:
            db.row_factory = sqlite3.Row
            return {row["name"]: dict(row) for row in db.execute("SELECT * FROM customers")}

    def party(self, name: str) -> dict[str, Any]:
        names = ("name", "email", "phone", "addresses.city", "addresses.country.code", "categories.name")
        return next(row for row in self.crm.rows(PARTY, *names) if row["name"] == name)

    def run(self, *words: str, code: int | None = 0) -> Any:
        words = (*words, "--json", "--config", str(self.folder / "config.toml"))
        done = CliRunner().invoke(group, list(words), catch_exceptions=False)
        assert code is None or done.exit_code == code, done.output
        assert PASSWORD not in done.output
        return json.loads(done.stdout)

    def sync(self, *words: str) -> Any:
        return self.run("sync", *words)["written"]


@pytest.fixture
def stores(tmp_path: Path, crm: Database) -> Stores:
    """In step: Ann came from the shop, Ben from the CRM."""
    stores = Stores(tmp_path, crm)
    if not crm.ids("country.country", [["code", "=", "CH"]]):
        crm.make("country.country", {"name": "Switzerland", "code": "CH"}, {"name": "Austria", "code": "AT"})
    vip, _ = crm.make("party.category", {"name": "VIP"}, {"name": "Trade"})
    with stores.db() as db:
        db.execute("INSERT INTO customers VALUES (1, 'ann@example.org', 'Ann', '+12125550100', 'Bern', 'CH', 'VIP')")
    mails = [{"type": "email", "value": "ben@example.org"}, {"type": "phone", "value": "+1 212 555 0101"}]
    crm.make(PARTY, {"name": "Ben", "contact_mechanisms": [["create", mails]], "categories": [["add", [vip]]]})
    assert stores.sync() == {"shop": {**NOTHING, "create": 1}, "crm": {**NOTHING, "create": 1}}
    assert stores.sync("--full") == {"shop": NOTHING, "crm": NOTHING}
    return stores


def test_new_people_arrive_whole_and_nothing_is_written_twice(stores: Stores) -> None:
    ann, ben = stores.party("Ann"), stores.shop()["Ben"]

    assert (ann["email"], ann["phone"]) == ("ann@example.org", "+1 212-555-0100")
    assert [(each["city"], each["country."]["code"]) for each in ann["addresses."]] == [("Bern", "CH")]
    assert [each["name"] for each in ann["categories."]] == ["VIP"]
    assert (ben["email"], ben["tags"], ben["city"]) == ("ben@example.org", "VIP", None)
    assert stores.run("check") is not None


def test_edits_of_both_sides_meet_by_field(stores: Stores) -> None:
    """The CRM's is one of a child alone, and the shop's clears a telephone number (F79)."""
    ann = stores.party("Ann")
    stores.crm.write("party.address", ann["addresses."][0]["id"], city="Basel")
    with stores.db() as db:
        db.execute("UPDATE customers SET phone = NULL, tags = 'VIP;Trade' WHERE name = 'Ann'")

    assert stores.sync() == {"shop": {**NOTHING, "update": 1}, "crm": {**NOTHING, "update": 1}}

    ann = stores.party("Ann")
    assert ann["addresses."][0]["city"] == "Basel"
    phones = [
        row["active"] for row in stores.crm.rows("party.contact_mechanism", "type", "active") if row["type"] == "phone"
    ]
    assert sorted(map(bool, phones)) == [False, True], "Ann's is out of use, and Ben's is in use"
    assert sorted(each["name"] for each in ann["categories."]) == ["Trade", "VIP"]
    assert stores.shop()["Ann"]["city"] == "Basel"
    assert stores.sync("--full") == {"shop": NOTHING, "crm": NOTHING}


def test_what_the_crm_refuses_waits_and_the_rest_goes_on(stores: Stores) -> None:
    """F87."""
    with stores.db() as db:
        db.execute("UPDATE customers SET tags = 'VIP;Nobody', city = 'Chur' WHERE name = 'Ann'")

    stores.run("sync", code=None)

    assert stores.party("Ann")["addresses."][0]["city"] == "Chur"
    [parked] = stores.run("quarantine")
    assert "no record of party.category with this name" in json.dumps(parked)
    stores.crm.make("party.category", {"name": "Nobody"})


def test_who_is_merged_in_the_crm_is_deleted_nowhere(stores: Stores) -> None:
    """F53."""
    (again,) = stores.crm.make(PARTY, {"name": "Ann"})
    stores.crm.replace_party(again, stores.party("Ann")["id"])

    stores.sync("--full")

    assert sorted(stores.shop()) == ["Ann", "Ben"]


def test_a_person_who_is_deleted_in_the_crm_is_deleted_in_the_shop(stores: Stores) -> None:
    stores.crm.call(PARTY, "delete", [stores.party("Ben")["id"]])

    assert stores.sync("--full") == {"shop": {**NOTHING, "delete": 1}, "crm": NOTHING}
    assert sorted(stores.shop()) == ["Ann"]


def test_who_is_not_active_any_more_is_deleted_nowhere(stores: Stores) -> None:
    stores.crm.write(PARTY, stores.party("Ben")["id"], active=False)

    assert stores.sync("--full") == {"shop": NOTHING, "crm": NOTHING}
    assert sorted(stores.shop()) == ["Ann", "Ben"]
