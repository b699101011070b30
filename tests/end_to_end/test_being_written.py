"""A file that somebody is in the middle of writing is never read as deletions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.three_stores import until

CONFIG = """
[daemon]
listen = ""
[systems.crm]
adapter = "sqlite"
path = "crm.db"
[systems.mail]
adapter = "csv"
path = "mail"
[systems.prefs]
adapter = "jsonl"
path = "prefs"
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
[links.prefs.person]
object = "people"
key = "id"
direction = "both"
map = { email = "email", name = "name" }
"""
CSV = "mail/people.csv"
JSONL = "prefs/people.jsonl"


class Shop:
    """Three stores without locks, which have been synchronised."""

    def __init__(self, folder: Path, people: int, *, live: bool = False) -> None:
        self.folder = folder
        self.crm = sqlite3.connect(folder / "crm.db", isolation_level=None)
        self.crm.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, name TEXT, secret TEXT)")
        csv = ["Id,Email,Name\n", *(f"{n},p{n}@example.com,Person {n}\n" for n in range(people))]
        jsonl = [f'{{"id": {n}, "email": "p{n}@example.com", "name": "Person {n}"}}\n' for n in range(people)]
        self.lines = {CSV: csv, JSONL: jsonl}
        for name, lines in self.lines.items():
            (folder / name).parent.mkdir()
            (folder / name).write_text("".join(lines))
        config = CONFIG.replace('direction = "both"', 'direction = "both"\nlive = true') if live else CONFIG
        (folder / "config.toml").write_text(config)
        assert self.sync().returncode == 0
        self.crm.execute("UPDATE people SET secret = 'of ' || email")
        self.before = self.people()

    def sync(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("sync"), check=False, capture_output=True, text=True)

    def command(self, name: str) -> list[str]:
        return [sys.executable, "-m", "datasyncd", name, "--config", str(self.folder / "config.toml")]

    def people(self) -> list[tuple[object, ...]]:
        return self.crm.execute("SELECT * FROM people ORDER BY id").fetchall()

    def others(self, name: str) -> str:
        """The file beside this one."""
        return (self.folder / (CSV if name == JSONL else JSONL)).read_text()


@pytest.mark.parametrize("name", [CSV, JSONL])
@pytest.mark.parametrize(("people", "there"), [(3, 2), (60, 57)])
def test_a_file_that_is_held_open_is_waited_for_and_the_others_go_on(
    tmp_path: Path, name: str, people: int, there: int
) -> None:
    shop = Shop(tmp_path, people)
    lines = shop.lines[name]
    there += len(lines) - people

    with (tmp_path / name).open("w") as writing:
        writing.writelines(lines[:there])
        writing.flush()
        shop.crm.execute("UPDATE people SET name = 'Ada' WHERE email = 'p0@example.com'")
        before = shop.people()
        done = shop.sync()

        assert done.returncode == 75
        assert f"people{Path(name).suffix} is open for writing by" in " ".join((done.stdout + done.stderr).split())
        assert shop.people() == before
        assert shop.others(name).count("@example.com") == people
        assert "Ada" in shop.others(name)
        writing.writelines(lines[there:])

    assert shop.sync().returncode == 0
    assert shop.people() == before
    assert (tmp_path / name).read_text() == "".join(lines).replace("Person 0", "Ada")


def test_a_daemon_waits_as_long_as_a_file_is_held_open(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 60, live=True)
    lines = shop.lines[CSV]
    with subprocess.Popen(shop.command("run")) as daemon:
        try:
            with (tmp_path / CSV).open("w") as writing:
                writing.writelines(lines[:58])
                writing.flush()
                time.sleep(9)
                assert shop.people() == shop.before
                assert shop.others(CSV).count("@example.com") == 60
                writing.writelines([*lines[58:-1], lines[-1].replace("Person 59", "Ada")])
            until(lambda: "Ada" in str(shop.people()), 40)
        finally:
            daemon.terminate()
            assert daemon.wait(30) == 0
    assert [row[1:4:2] for row in shop.people()] == [row[1:4:2] for row in shop.before], "nobody was made anew"


def test_a_file_that_is_appended_to_and_closed_each_time_is_not_read_as_deletions(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 12)
    lines = shop.lines[CSV]
    (tmp_path / CSV).write_text("".join(lines[:11]))
    with subprocess.Popen(shop.command("sync")) as running:
        time.sleep(1)
        for line in lines[11:]:
            time.sleep(2.6)
            with (tmp_path / CSV).open("a") as writing:
                writing.write(line)
        assert running.wait(60) == 0
    assert shop.people() == shop.before


def test_lines_that_are_not_written_yet_are_not_deletions(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 12)
    lines = shop.lines[CSV]

    with (tmp_path / CSV).open("w") as writing:
        writing.writelines(lines[:6])
        writing.flush()
        running = subprocess.Popen(shop.command("sync"))
        for line in lines[6:]:
            time.sleep(0.3)
            writing.write(line)
            writing.flush()

    assert running.wait(60) == 0
    assert shop.people() == shop.before


@pytest.mark.parametrize("gone", [3, 12])
def test_lines_that_stay_away_are_deletions(tmp_path: Path, gone: int) -> None:
    shop = Shop(tmp_path, 12)
    lines = shop.lines[CSV]

    (tmp_path / CSV).write_text("".join([*lines[:gone], *lines[gone + 1 :]]))

    assert shop.sync().returncode == 0
    assert shop.people() == [row for row in shop.before if row[1] != f"p{gone - 1}@example.com"]
