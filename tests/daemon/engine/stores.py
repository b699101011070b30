"""Two SQLite stores and a config for them, as small as the story needs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import SyncResult, sync
from datasyncd.daemon.engine import Engine

COLUMNS = ("email", "name", "city", "sms")


class Stores:
    """A CRM and a shop with one table each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.crm = self._store("crm")
        self.shop = self._store("shop")

    def _store(self, name: str) -> sqlite3.Connection:
        db = sqlite3.connect(self.folder / f"{name}.db", isolation_level=None)
        columns = "id INTEGER PRIMARY KEY, email TEXT, name TEXT, city TEXT, sms INTEGER, points INTEGER"
        db.execute("".join(["CREATE TABLE people (", columns, ")"]))
        return db

    def add(self, db: sqlite3.Connection, **fields: object) -> None:
        names = ", ".join(fields)
        places = ", ".join("?" * len(fields))
        db.execute("".join(["INSERT INTO people (", names, ") VALUES (", places, ")"]), list(fields.values()))

    def rows(self, db: sqlite3.Connection) -> list[tuple[object, ...]]:
        """All rows without their ids, by e-mail."""
        return db.execute("SELECT email, name, city, sms FROM people ORDER BY email").fetchall()

    def config(
        self,
        *,
        fields: tuple[str, ...] = COLUMNS,
        links: tuple[str, ...] = ("crm", "shop"),
        more: str = "",
        link: str = "",
    ) -> None:
        """Write the config: `more` goes into the entity, `link` into each link."""
        types = {
            "email": '"email"',
            "name": '"text"',
            "city": '"text"',
            "sms": '"consent", authorised = ["crm"]',
            "points": '"integer", policy = "counter"',
        }
        lines = ["[daemon]", 'state_dir = "var"', 'listen = ""']
        for system in links:
            lines += [f"[systems.{system}]", 'adapter = "sqlite"', f'path = "{system}.db"']
        lines += ["[entities.person]", 'identify = ["email"]', more, "[entities.person.fields]"]
        lines += [f"{name} = {{ type = {types[name]} }}" for name in fields]
        for system in links:
            mapped = ", ".join(f'{name} = "{name}"' for name in fields)
            lines += [f"[links.{system}.person]", 'object = "people"', 'key = "id"', 'direction = "both"']
            lines += [f"map = {{ {mapped} }}", link]
        (self.folder / "config.toml").write_text("\n".join(lines))

    async def sync(self, link: str | None = None) -> SyncResult:
        """What `datasyncd sync` does, in this process."""
        async with Engine.open(load(self.folder / "config.toml"), "sync") as engine:
            return await sync(engine, link=link)
