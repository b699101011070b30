"""A shop for commands: a CRM (SQLite) and a mailing list (CSV) with the same customers, in a folder of its own.

shop = Shop(tmp_path)
shop.says("crm", 1, name="Anna")
shop.runs("sync").exit_code
"""

from __future__ import annotations

import contextlib
import csv
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group
from datasyncd.daemon.control.client import NotRunning, ask

CONFIG = """
[daemon]
state_dir = "var"
listen = ""

[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.mail]
adapter = "csv"
path = "mail"

[entities.contact]
identify = ["email"]
first_contact = "newest"

[entities.contact.fields]
email = { type = "email" }
name = { type = "text" }
language = { type = "text", policy = "manual" }
phone = { type = "phone", region = "US" }
sms = { type = "consent", channel = "sms", authorised = ["crm"] }

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"
map = { email = "email", name = "name", language = "language", phone = "phone", sms = "sms" }

[links.mail.contact]
object = "contacts"
key = "Id"
direction = "both"
map = { email = "Email", name = "Name", language = "Language", phone = "Phone", sms = "Sms" }
guard = { update = "50%", at_least = 3 }
"""


class Result(msgspec.Struct):
    """What a command showed."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shop:
    """One folder with a config and its two systems."""

    def __init__(self, folder: Path, customers: int = 3) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG)
        (folder / "mail").mkdir()
        self.sheet = folder / "mail" / "contacts.csv"
        self.sheet.write_text("Id,Email,Name,Language,Phone,Sms\n")
        with self._crm() as db:
            db.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, email, name, language, phone, sms)")
            db.executemany(
                "INSERT INTO contacts VALUES (?, ?, ?, 'en', NULL, NULL)",
                [(n, f"{n}@example.org", f"Ann {n}") for n in range(1, customers + 1)],
            )

    @contextlib.contextmanager
    def _crm(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "crm.db")) as db, db:
            yield db

    def _rows(self) -> list[dict[str, str]]:
        with self.sheet.open(newline="") as sheet:
            return list(csv.DictReader(sheet))

    def says(self, system: str, n: int, **values: str | None) -> None:
        """Somebody edits customer `n` in a system."""
        if system == "crm":
            with self._crm() as db:
                for name, value in values.items():
                    db.execute(f"UPDATE contacts SET {name} = ? WHERE id = ?", (value, n))
            return
        rows = self._rows()
        for row in rows:
            if row["Email"] == f"{n}@example.org":
                row.update({name.capitalize(): value or "" for name, value in values.items()})
        with self.sheet.open("w", newline="") as out:
            writer = csv.DictWriter(out, ["Id", "Email", "Name", "Language", "Phone", "Sms"])
            writer.writeheader()
            writer.writerows(rows)

    def holds(self, system: str, n: int, name: str) -> str | None:
        """What a system has of customer `n`."""
        if system == "crm":
            with self._crm() as db:
                found: str | None = db.execute(f"SELECT {name} FROM contacts WHERE id = ?", (n,)).fetchone()[0]
                return found
        rows = {row["Email"]: row for row in self._rows()}
        return str(rows[f"{n}@example.org"][name.capitalize()])

    def runs(self, *words: str) -> Result:
        """A command, with this shop's config."""
        done = CliRunner().invoke(group, [*words, "--config", str(self.config)], catch_exceptions=False)
        return Result(done.exit_code, done.stdout, done.stderr)

    def disagrees(self) -> str:
        """Customer 1 gets two languages at a time; the id of the conflict."""
        assert self.runs("sync").exit_code == 0
        self.says("crm", 1, language="de")
        self.says("mail", 1, language="fr")
        assert self.runs("sync").exit_code == 1
        [found] = self.runs("conflicts", "--json").json
        return str(found["id"])

    @contextlib.contextmanager
    def daemon(self, *systems: str) -> Iterator[None]:
        """The daemon runs, from the moment on when it has reached these systems (none: all)."""
        words = [sys.executable, "-m", "datasyncd", "run", "--config", str(self.config)]
        with (self.folder / "log").open("w") as log, subprocess.Popen(words, stderr=log, stdout=log) as process:
            try:
                deadline = time.monotonic() + 30
                while not self._answers(systems):
                    assert process.poll() is None, (self.folder / "log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                yield
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0, (self.folder / "log").read_text()
            finally:
                process.kill()

    def _answers(self, systems: Sequence[str]) -> bool:
        try:
            status = ask(str(self.folder / "var"), "status", {}, 5.0)
        except NotRunning:
            return False
        return all(link["last_success"] for link in status["links"] if not systems or link["system"] in systems)
