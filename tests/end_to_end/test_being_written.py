"""A file that somebody is in the middle of writing is never read as deletions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

CONFIG = """
[daemon]
listen = ""
[systems.crm]
adapter = "sqlite"
path = "crm.db"
[systems.mail]
adapter = "csv"
path = "mail"
[entities.person]
identify = ["email"]
on_delete = "propagate"
[entities.person.fields]
email = { type = "email" }
name = { type = "text" }
[links.crm.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", name = "name" }
[links.mail.person]
object = "people"
key = "Id"
direction = "both"
map = { email = "Email", name = "Name" }
"""


def test_lines_that_are_not_written_yet_are_not_deletions(tmp_path: Path) -> None:
    crm = sqlite3.connect(tmp_path / "crm.db", isolation_level=None)
    crm.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name TEXT)")
    lines = ["Id,Email,Name\n", *(f"{n},p{n}@example.com,Person {n}\n" for n in range(12))]
    (tmp_path / "mail").mkdir()
    file = tmp_path / "mail" / "people.csv"
    file.write_text("".join(lines))
    (tmp_path / "config.toml").write_text(CONFIG)
    sync = [sys.executable, "-m", "datasyncd", "sync", "--config", str(tmp_path / "config.toml")]
    assert subprocess.run(sync, check=False).returncode == 0
    before = crm.execute("SELECT * FROM people ORDER BY id").fetchall()

    with file.open("w") as writing:
        writing.writelines(lines[:6])
        writing.flush()
        running = subprocess.Popen(sync)
        for line in lines[6:]:
            time.sleep(0.3)
            writing.write(line)
            writing.flush()

    assert running.wait(60) == 0
    assert crm.execute("SELECT * FROM people ORDER BY id").fetchall() == before
    crm.close()


def test_lines_that_stay_away_are_deletions(tmp_path: Path) -> None:
    crm = sqlite3.connect(tmp_path / "crm.db", isolation_level=None)
    crm.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name TEXT)")
    lines = ["Id,Email,Name\n", *(f"{n},p{n}@example.com,Person {n}\n" for n in range(12))]
    (tmp_path / "mail").mkdir()
    file = tmp_path / "mail" / "people.csv"
    file.write_text("".join(lines))
    (tmp_path / "config.toml").write_text(CONFIG)
    sync = [sys.executable, "-m", "datasyncd", "sync", "--config", str(tmp_path / "config.toml")]
    assert subprocess.run(sync, check=False).returncode == 0

    file.write_text("".join(lines[:-1]))

    assert subprocess.run(sync, check=False).returncode == 0
    assert crm.execute("SELECT count(*) FROM people").fetchone() == (11,)
    crm.close()
