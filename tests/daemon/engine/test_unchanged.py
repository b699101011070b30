"""A table that only we wrote to is not read again: what it holds beside what we sent arrives all the same."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import sync
from datasyncd.daemon.engine import Engine

CONFIG = """
[daemon]
state_dir = "var"
listen = ""
[systems.a]
adapter = "sqlite"
path = "a.db"
[systems.b]
adapter = "sqlite"
path = "b.db"
[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
stage = { type = "text" }
sms = { type = "consent", channel = "sms", authorised = ["a"] }
[links.a.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", stage = "stage", sms = "sms" }
[links.b.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", stage = "stage", sms = "sms" }
"""


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        return db.execute(sql).fetchall()


async def test_what_a_new_row_has_by_default_is_an_edit(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    rows(tmp_path / "a.db", "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, stage TEXT, sms INTEGER)")
    rows(
        tmp_path / "b.db",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, stage TEXT DEFAULT 'new', sms INTEGER DEFAULT 0)",
    )
    async with Engine.open(load(tmp_path / "config.toml"), "sync") as engine:
        for n in (1, 2):
            rows(tmp_path / "a.db", f"INSERT INTO people (email) VALUES ('p{n}@example.org')")
            await sync(engine)
            assert rows(tmp_path / "a.db", f"SELECT stage, sms FROM people WHERE id = {n}") == [("new", 0)]
        assert not any((await sync(engine)).read.values()), "nothing is read where nothing changed"
