"""Stage: a folder with the six stores and their config, and `datasyncd` at work on it.

The command runs as a process of its own, as somebody types it: what the stories show is what anybody gets who goes
into the folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .stores import DATA, Store, Table, shown, stores

CONFIG = "config.toml"
PATIENCE_S = 60.0
"""For one command."""


class Person(NamedTuple):
    """A customer, by what the stores call her."""

    name: str
    email: str
    phone: str

    def called(self, store: str) -> str:
        return self.phone if store == "sms" else self.email


class CommandFailed(Exception):
    """A command ended otherwise than it should."""


class Stage:
    """The stores in one folder, and the commands that are run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores: dict[str, Store] = stores(folder)

    def set_up(self) -> None:
        """Write the config, make the stores, and bring them in step for the first time.

        Raises `CommandFailed`, OSError.
        """
        config = DATA.joinpath(CONFIG).read_text(encoding="utf-8")
        (self.folder / CONFIG).write_text(config, encoding="utf-8")
        for store in self.stores.values():
            store.make()
        self.sync()

    def edits(self, store: str, person: Person, **values: Any) -> None:
        """Somebody who works with the store changes a record there. The daemon is not told."""
        self.stores[store].edit(person.called(store), values)

    def orders(self, person: Person, sku: str, at: str) -> None:
        """A customer orders in the shop."""
        shop = self.stores["shop"]
        assert isinstance(shop, Table)
        with shop.open() as connection:
            (customer,) = connection.execute("SELECT id FROM customers WHERE email = ?", (person.email,)).fetchone()
            connection.execute("INSERT INTO orders (customer, sku, placed_at) VALUES (?, ?, ?)", (customer, sku, at))

    def holds(self, store: str, person: Person, field: str) -> str | None:
        """What a store has of somebody, as it writes it; None: blank, or no such record."""
        return shown(self.stores[store].row(person.called(store)).get(field))

    def sync(self) -> Mapping[str, Any]:
        """`datasyncd sync`, once. Raises `CommandFailed`."""
        found: Mapping[str, Any] = self.runs("sync")
        return found

    def runs(self, *words: str) -> Any:
        """The document of a command that must end with 0. Raises `CommandFailed`."""
        command = [sys.executable, "-m", "datasyncd", *words, "--config", str(self.folder / CONFIG), "--json"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"datasyncd {' '.join(words)} did not end within {PATIENCE_S:.0f} s") from None
        if done.returncode:
            raise CommandFailed(f"datasyncd {' '.join(words)} ended with {done.returncode}: {_why(done)}")
        return json.loads(done.stdout)


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed says: its error, or what a sync leaves undone."""
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return done.stderr.strip() or "it said nothing"
    if "error" in found:
        return str(found["error"]["text"])
    left = [f"{name} {found[name]}" for name in ("conflicts", "quarantined", "held") if found.get(name)]
    return "; ".join([*(f"{link}: {reason}" for link, reason in found.get("failed", {}).items()), *left])
