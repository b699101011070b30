"""`history` of fields that are made of several: groups, counters, computed ones."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group

CONFIG = """
[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.app]
adapter = "sqlite"
path = "app.db"

[entities.contact]
identify = ["email"]

[entities.contact.fields]
email = { type = "email" }
street = { type = "text", group = "address" }
city = { type = "text", group = "address" }
points = { type = "integer", policy = "counter" }
tags = { type = "set" }
place = { type = "text", derive = "upper(city)" }
""" + "".join(
    f"""
[links.{system}.contact]
object = "people"
key = "id"
direction = "both"
map = {{ email = "email", street = "street", city = "city", points = "points", tags = "tags", {more} }}
"""
    for system, more in (("crm", "place = { field = 'place', direction = 'push' }"), ("app", ""))
)


class Two:
    """Two databases with one customer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.toml").write_text(CONFIG.replace(",  }", " }"))
        for system in ("crm", "app"):
            columns = "email TEXT, street TEXT, city TEXT, points INTEGER, tags TEXT, place TEXT"
            self.says(system, f"CREATE TABLE people (id INTEGER PRIMARY KEY, {columns})")
        self.says("crm", "INSERT INTO people VALUES (1, 'a@example.org', 'Mill Lane 1', 'Bath', 10, 'a;b', NULL)")

    def says(self, system: str, sql: str) -> None:
        with closing(sqlite3.connect(self.folder / f"{system}.db")) as db, db:
            db.execute(sql)

    def runs(self, *words: str) -> Any:
        done = CliRunner().invoke(group, [*words, "--json", "--config", str(self.folder / "config.toml")])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def past(self, at: str) -> dict[str, Any]:
        fields = self.runs("history", "contact", "a@example.org", "--as-of", at)["fields"]
        return {name: field["value"] for name, field in fields.items()}


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_what_is_made_of_several_edits_is_shown_as_it_was(two: Two) -> None:
    two.runs("sync")
    two.says("crm", "UPDATE people SET points = points + 5, tags = 'a;b;c', city = 'Wells'")
    two.says("app", "UPDATE people SET points = points + 2, tags = 'a'")
    two.runs("sync")
    two.says("app", "UPDATE people SET points = points - 1")
    two.runs("sync")
    changes = two.runs("history", "contact", "a@example.org")["changes"]
    first, last = changes[0]["at"], changes[-1]["at"]

    assert two.past(first) == {
        "email": "a@example.org", "address": {"street": "Mill Lane 1", "city": "Bath"}, "points": 10,
        "tags": ["a", "b"], "place": "BATH",
    }  # fmt: skip
    assert two.past(last) == {
        "email": "a@example.org", "address": {"street": "Mill Lane 1", "city": "Wells"}, "points": 16,
        "tags": ["a", "c"], "place": "WELLS",
    }  # fmt: skip
    now = two.runs("explain", "contact", "a@example.org")["fields"]
    assert {name: field["value"] for name, field in now.items()} == two.past(last)


def test_the_present_of_a_counter_is_exact_and_its_past_is_inferred(two: Two) -> None:
    two.runs("sync")
    two.says("app", "UPDATE people SET points = 11")
    two.runs("sync")
    changes = two.runs("history", "contact", "a@example.org")["changes"]

    def exact(at: str) -> bool:
        fields = two.runs("history", "contact", "a@example.org", "--as-of", at)["fields"]
        return bool(fields["points"]["exact"])

    assert (exact(changes[0]["at"]), exact(changes[-1]["at"])) == (False, True)
