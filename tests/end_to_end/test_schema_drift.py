"""Somebody renames a key in most lines of a JSON lines file: it is reported once, nothing is lost, and all of it goes
on by itself when the key is back."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
lock = LOCK

[entities.customer]
identify = ["email"]

[entities.customer.fields]
email = { type = "email" }
name = { type = "text" }
city = { type = "text" }

[links.erp.customer]
object = "customers"
key = "id"
direction = "both"
map = { email = "email", name = "name", city = "city" }

[links.shop.customer]
object = "customers"
key = "id"
direction = "both"
live = true
map = { email = "email", name = "name", city = "town" }
"""
PEOPLE = 12
TEXT = (
    "11 of 12 records of customers no longer have town. It is not written there until most have it again: put it back, "
    "or correct the link's map; an opt-out is written all the same"
)


class Stores:
    """An ERP (SQLite) and a shop (JSON lines) with twelve customers, in step."""

    def __init__(self, folder: Path, lock: str) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.replace("LOCK", lock))
        (folder / "shop").mkdir()
        self.file = folder / "shop" / "customers.jsonl"
        people = [(n, f"p{n}@example.org", f"Name {n}", "Rome") for n in range(PEOPLE)]
        with self.erp() as db:
            db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT, city TEXT)")
            db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", people)
        self.save([{"id": f"s{n}", "email": mail, "name": name, "town": city} for n, mail, name, city in people])
        self.runs("sync")

    @contextlib.contextmanager
    def erp(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "erp.db")) as db, db:
            yield db

    def cities(self) -> dict[str, str]:
        with self.erp() as db:
            return dict(db.execute("SELECT email, city FROM customers"))

    def shop(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def save(self, rows: list[dict[str, Any]]) -> None:
        new = self.file.with_suffix(".new")
        new.write_text("".join(json.dumps(row) + "\n" for row in rows))
        new.replace(self.file)

    def rename(self, old: str, new: str, *, but: int = 0) -> None:
        """A key in all lines but the last few."""
        rows = self.shop()
        last = len(rows) - but
        self.save([{new if name == old and n < last else name: v for name, v in r.items()} for n, r in enumerate(rows)])

    def runs(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(group, [*words, "--config", str(self.config)], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    def says(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.runs(*words, "--json", code=code))


@pytest.mark.parametrize("lock", ["true", "false"])
def test_a_key_that_was_renamed_is_reported_once_and_what_waited_is_written_when_it_is_back(
    tmp_path: Path, lock: str
) -> None:
    stores = Stores(tmp_path, lock)
    stores.rename("town", "place", but=1)
    with stores.erp() as db:
        db.execute("UPDATE customers SET city = 'Oslo', name = 'Ann' WHERE id = 0")
        db.execute("UPDATE customers SET city = 'Oslo' WHERE id = 11")
        db.execute("INSERT INTO customers VALUES (99, 'new@example.org', 'New', 'Bern')")

    result = stores.says("sync", code=1)

    assert (result["conflicts"], result["written"]["shop"]) == (1, {"create": 0, "update": 1, "delete": 0})
    rows = stores.shop()
    assert rows[0] == {"id": "s0", "email": "p0@example.org", "name": "Ann", "place": "Rome"}
    assert (rows[11]["town"], len(rows)) == ("Rome", PEOPLE)
    assert set(stores.cities().values()) == {"Rome", "Oslo", "Bern"}, "nothing counts as blank"
    [report] = stores.says("conflicts")
    assert (report["kind"], report["entity"], report["key"], report["field"], report["system"]) == (
        "schema_drift", "customer", None, "city", "shop",
    )  # fmt: skip
    assert report["text"] == TEXT
    assert stores.runs("conflicts") == (
        f"{report['id']}  schema_drift  customer city  open\n    text: {TEXT}\n    accepts: --release\n"
    )
    city = stores.says("explain", "customer", "p0@example.org", "city")["fields"]["city"]
    assert city["notes"]["shop"] == "most records there no longer show the field; see `datasyncd conflicts`"

    assert stores.says("sync", code=1)["written"] == {"erp": {"create": 0, "update": 0, "delete": 0},
                                                      "shop": {"create": 0, "update": 0, "delete": 0}}  # fmt: skip

    stores.rename("place", "town")
    stores.runs("sync")

    towns = {row["email"]: row["town"] for row in stores.shop()}
    assert towns == stores.cities()
    assert (towns["p0@example.org"], towns["p11@example.org"], towns["new@example.org"]) == ("Oslo", "Oslo", "Bern")
    [report] = stores.says("conflicts", "--all")
    assert (report["state"], report["decided_by"], report["accepts"]) == ("settled", "shop shows it again", [])


def test_a_map_that_names_the_new_key_ends_it(tmp_path: Path) -> None:
    stores = Stores(tmp_path, "true")
    stores.rename("town", "place")
    with stores.erp() as db:
        db.execute("UPDATE customers SET city = 'Oslo' WHERE id = 0")
    stores.runs("sync", code=1)

    stores.config.write_text(stores.config.read_text().replace('"town"', '"place"'))
    stores.runs("sync")

    assert {row["email"]: row["place"] for row in stores.shop()} == stores.cities()
    assert stores.cities()["p0@example.org"] == "Oslo"
    assert [report["state"] for report in stores.says("conflicts", "--all")] == ["settled"]


def test_a_field_that_is_no_longer_mapped_waits_for_nobody(tmp_path: Path) -> None:
    stores = Stores(tmp_path, "true")
    stores.rename("town", "place")
    stores.runs("sync", code=1)

    stores.config.write_text(stores.config.read_text().replace(', city = "town"', ""))
    stores.runs("sync")

    assert [report["decided_by"] for report in stores.says("conflicts", "--all")] == ["shop no longer maps it"]


def test_the_status_names_it_while_the_daemon_runs_and_until_it_is_over(tmp_path: Path) -> None:
    stores = Stores(tmp_path, "true")
    words = [sys.executable, "-m", "datasyncd", "run", "--config", str(stores.config)]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(words, stderr=log, stdout=log) as process:
        try:
            soon(lambda: _problems(stores) == [])
            stores.rename("town", "place")
            soon(lambda: _problems(stores) == ["conflicts", "schema_drift"])
            stores.rename("place", "town")
            soon(lambda: _problems(stores) == [])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()


def _problems(stores: Stores) -> list[str]:
    done = CliRunner().invoke(group, ["status", "--json", "--config", str(stores.config)])
    return sorted(problem["code"] for problem in json.loads(done.stdout)["problems"])


def soon(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
