"""A CRM (SQLite) and the address book of the telephones (a real Radicale): edits, deletes and conflicts, both ways."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from anyio import to_thread
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group
from tests.adapters.carddav.cards import card, fields_in
from tests.servers.front import fronting
from tests.servers.radicale import PASSWORD, USER, Book

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
secrets = "secrets.toml"

[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.book]
adapter = "carddav"
url = "{url}"
user = "{user}"
password = {{ credential = "book-password" }}

[entities.contact]
identify = ["email"]
on_delete = "propagate"
first_contact = "fill_blanks"

[entities.contact.fields]
email = {{ type = "email" }}
name = {{ type = "text", policy = "manual" }}
phone = {{ type = "phone", region = "US" }}
birthday = {{ type = "date" }}
tags = {{ type = "set" }}
street = {{ type = "text", group = "address" }}
city = {{ type = "text", group = "address" }}

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"

[links.crm.contact.map]
email = "email"
name = "name"
phone = "phone"
birthday = "birthday"
tags = "tags"
street = "street"
city = "city"

[links.book.contact]
object = "{book}"
key = "href"
direction = "both"

[links.book.contact.map]
email = "EMAIL;TYPE=work"
name = "FN"
phone = "TEL;TYPE=cell"
birthday = "BDAY"
tags = "CATEGORIES"
street = "ADR.street;TYPE=home"
city = "ADR.city;TYPE=home"
"""
ROUNDS = 10
PHOTO = "PHOTO;ENCODING=b;TYPE=JPEG:QUJDREVG"


class Stores:
    """A folder with a config, the CRM in it, and the address book."""

    def __init__(self, folder: Path, book: Book) -> None:
        self.folder = folder
        self.book = book
        (folder / "config.toml").write_text(CONFIG.format(url=book.server.url, user=USER, book=book.name))
        secrets = folder / "secrets.toml"
        secrets.write_text(f"book-password = {json.dumps(PASSWORD)}\n")
        secrets.chmod(0o600)
        with self.db() as db:
            db.execute(
                "CREATE TABLE contacts (id INTEGER PRIMARY KEY, email TEXT, name TEXT, phone TEXT, birthday TEXT,"
                " tags TEXT, street TEXT, city TEXT)"
            )

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "crm.db")) as db, db:
            yield db

    def crm(self) -> dict[str, dict[str, Any]]:
        """By e-mail address."""
        with self.db() as db:
            db.row_factory = sqlite3.Row
            return {row["email"]: dict(row) for row in db.execute("SELECT * FROM contacts")}

    def cards(self) -> dict[str, tuple[str, dict[str, str]]]:
        """By e-mail address: a card's own name, and what it says."""
        found = {name: fields_in(self.book.card(name)) for name in self.book.names()}
        return {fields["EMAIL;TYPE=work"]: (name, fields) for name, fields in found.items()}

    def edit(self, key: str, old: str, new: str) -> None:
        """Somebody edits a card on a telephone."""
        text = self.book.card(key)
        assert old in text
        self.book.put(key, text.replace(old, new))

    def run(self, *words: str, code: int | None = 0) -> Any:
        words = (*words, "--json", "--config", str(self.folder / "config.toml"))
        done = CliRunner().invoke(group, list(words), catch_exceptions=False)
        assert code is None or done.exit_code == code, done.output
        assert PASSWORD not in done.output
        return json.loads(done.stdout)

    def sync(self, code: int | None = 0) -> Any:
        return self.run("sync", code=code)["written"]

    def reached_by(self, url: str) -> None:
        """The daemon reaches the address book by another address."""
        config = self.folder / "config.toml"
        config.write_text(config.read_text().replace(self.book.server.url, url))


NOTHING = {"create": 0, "update": 0, "delete": 0}


@pytest.fixture
def stores(tmp_path: Path, book: Book) -> Stores:
    """In step: Ann was in both, Ben came from the CRM, and Cem from the book."""
    stores = Stores(tmp_path, book)
    with stores.db() as db:
        db.execute(
            "INSERT INTO contacts (id, email, name, phone, birthday, tags, street, city) VALUES"
            " (1, 'ann@example.org', 'Ann', NULL, '1990-05-17', 'vip', '1 Elm St', 'Springfield'),"
            " (2, 'ben@example.org', 'Ben', '+12025550101', NULL, NULL, NULL, NULL)"
        )
    book.put("ann.vcf", card("Ann", "EMAIL;TYPE=work:ann@example.org", "TEL;TYPE=cell:(202) 555-0100", PHOTO))
    book.put("cem.vcf", card("Cem", "EMAIL;TYPE=work:cem@example.org", "CATEGORIES:friends,tea\\, coffee"))
    stores.run("check")
    assert stores.sync() == {
        "crm": {"create": 1, "update": 1, "delete": 0},
        "book": {"create": 1, "update": 1, "delete": 0},
    }
    return stores


def test_a_first_sync_fills_both(stores: Stores) -> None:
    crm, cards = stores.crm(), stores.cards()

    assert crm["ann@example.org"]["phone"] == "+12025550100"
    assert crm["cem@example.org"]["tags"] == "friends;tea, coffee"
    key, ann = cards["ann@example.org"]
    assert (key, ann["BDAY"], ann["CATEGORIES"]) == ("ann.vcf", "1990-05-17", "['vip']")
    assert "1 Elm St" in ann["ADR;TYPE=home"]
    _key, ben = cards["ben@example.org"]
    assert (ben["FN"], ben["TEL;TYPE=cell"]) == ("Ben", "+12025550101")
    assert stores.sync() == {"crm": NOTHING, "book": NOTHING}, "and then nothing is left to do"


def test_edits_go_both_ways_and_the_rest_of_the_card_stays(stores: Stores) -> None:
    with stores.db() as db:
        db.execute("UPDATE contacts SET birthday = '1991-01-02', city = 'Shelbyville' WHERE id = 1")
    stores.edit("ann.vcf", "TEL;TYPE=cell:(202) 555-0100", "TEL;TYPE=cell:(202) 555-0199")

    assert stores.sync() == {"crm": {**NOTHING, "update": 1}, "book": {**NOTHING, "update": 1}}

    assert stores.crm()["ann@example.org"]["phone"] == "+12025550199"
    text = stores.book.card("ann.vcf")
    assert PHOTO in text
    assert "TEL;TYPE=cell:(202) 555-0199" in text, "as it was written there"
    assert "BDAY:1991-01-02" in text
    assert "Shelbyville" in text
    assert stores.sync() == {"crm": NOTHING, "book": NOTHING}


def test_a_cleared_field_is_cleared_on_the_other_side(stores: Stores) -> None:
    """F79."""
    with stores.db() as db:
        db.execute("UPDATE contacts SET phone = NULL WHERE id = 1")
    stores.edit("cem.vcf", "CATEGORIES:friends,tea\\, coffee\r\n", "")

    stores.sync()

    assert "TEL" not in stores.book.card("ann.vcf")
    assert stores.crm()["cem@example.org"]["tags"] is None


def test_a_conflict_waits_for_a_person_and_is_settled_on_both_sides(stores: Stores) -> None:
    with stores.db() as db:
        db.execute("UPDATE contacts SET name = 'Anna' WHERE id = 1")
    stores.edit("ann.vcf", "FN:Ann", "FN:Annie")

    assert stores.sync(code=1) == {"crm": NOTHING, "book": NOTHING}

    (conflict,) = stores.run("conflicts")
    assert {(each["system"], each["value"]) for each in conflict["candidates"]} == {("crm", "Anna"), ("book", "Annie")}
    assert (stores.crm()["ann@example.org"]["name"], fields_in(stores.book.card("ann.vcf"))["FN"]) == ("Anna", "Annie")
    stores.run("resolve", conflict["id"], "--from", "book")
    assert stores.sync() == {"crm": {**NOTHING, "update": 1}, "book": NOTHING}
    assert stores.crm()["ann@example.org"]["name"] == "Annie"


def test_deletes_go_both_ways_and_nobody_comes_back(stores: Stores) -> None:
    """F72."""
    stores.book.delete("ann.vcf")
    with stores.db() as db:
        db.execute("DELETE FROM contacts WHERE email = 'cem@example.org'")

    assert stores.sync() == {"crm": {**NOTHING, "delete": 1}, "book": {**NOTHING, "delete": 1}}

    assert set(stores.crm()) == {"ben@example.org"}
    assert set(stores.cards()) == {"ben@example.org"}
    assert stores.sync() == {"crm": NOTHING, "book": NOTHING}


def test_a_token_that_has_expired_deletes_nobody_and_misses_nothing(stores: Stores) -> None:
    """F75."""
    stores.edit("ann.vcf", "FN:Ann", "FN:Annie")
    stores.book.delete("cem.vcf")
    stores.book.forget_tokens()

    assert stores.sync() == {"crm": {"create": 0, "update": 1, "delete": 1}, "book": NOTHING}

    assert {email: row["name"] for email, row in stores.crm().items()} == {
        "ann@example.org": "Annie",
        "ben@example.org": "Ben",
    }


def test_a_card_that_is_no_card_waits_and_the_others_go_on(stores: Stores) -> None:
    """F88."""
    stores.book.put("new.vcf", card("Dan", "EMAIL;TYPE=work:dan@example.org"))
    (stores.book.folder / "old.vcf").write_text(
        "BEGIN:VCARD\r\nVERSION:2.1\r\nUID:o\r\nN:Old;\r\nFN:Old\r\nEND:VCARD\r\n"
    )

    stores.sync(code=1)

    assert "dan@example.org" in stores.crm()
    (waiting,) = stores.run("quarantine")
    assert "its VERSION is none of 3.0, 4.0" in json.dumps(waiting)


@pytest.mark.parametrize("made", [True, False])
async def test_a_new_card_whose_answer_is_lost_is_made_once(
    stores: Stores, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the server made it, or lost the request. It is not sent again before it can arrive no more."""
    monkeypatch.setattr("datasyncd.adapters.carddav.adapter.LATE_S", 0.5)
    monkeypatch.setattr("datasyncd.adapters.carddav.adapter.LAG_S", 0.1)

    puts: list[float] = []

    async def hangs_up(request: web.Request) -> web.Response | None:
        if request.method == "PUT":
            puts.append(time.monotonic())
        if request.method != "PUT" or len(puts) > 1:
            return None
        if made:
            await front.passed_on(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    with stores.db() as db:
        db.execute("INSERT INTO contacts (id, email, name) VALUES (9, 'eve@example.org', 'Eve')")
    server = stores.book.server
    async with fronting(f"http://127.0.0.1:{server.port}", server.path) as front:
        front.rule = hangs_up
        stores.reached_by(front.url)
        await to_thread.run_sync(stores.sync)

    assert len(puts) == (1 if made else 2)
    assert made or puts[1] - puts[0] >= 0.5
    assert stores.cards()["eve@example.org"][1]["FN"] == "Eve"
    assert len(stores.book.names()) == 4
    assert len(stores.crm()) == 4


async def test_edits_that_fall_between_our_look_and_our_write_are_never_lost(stores: Stores) -> None:
    """On one side somebody edits one field, on the other another one, of the same cards, and is quicker."""
    phones: dict[str, str] = {}
    chance = random.Random(7)

    async def quicker(request: web.Request) -> web.Response | None:
        key = request.path.rpartition("/")[2]
        if request.method == "PUT" and chance.random() < 0.6:
            phones[key] = f"+1202555{chance.randrange(1000, 9999)}"
            kept = [line for line in stores.book.card(key).splitlines() if not line.startswith(("TEL", "END"))]
            stores.book.put(key, "\r\n".join([*kept, f"TEL;TYPE=cell:{phones[key]}", "END:VCARD", ""]))
        return None

    server = stores.book.server
    async with fronting(f"http://127.0.0.1:{server.port}", server.path) as front:
        front.rule = quicker
        stores.reached_by(front.url)
        for number in range(1, ROUNDS + 1):
            with stores.db() as db:
                db.execute("UPDATE contacts SET birthday = ?", (f"1990-01-{number:02}",))
            await to_thread.run_sync(stores.sync)

    cards = {email: key for email, (key, _fields) in stores.cards().items()}
    assert len(phones) == 3
    assert {cards[email]: row["phone"] for email, row in stores.crm().items()} == phones
    assert {row["birthday"] for row in stores.crm().values()} == {f"1990-01-{ROUNDS:02}"}
    assert {fields["BDAY"] for _key, fields in stores.cards().values()} == {f"1990-01-{ROUNDS:02}"}
    assert PHOTO in stores.book.card("ann.vcf")
