"""`sync` and `check`: what they say, and their exit codes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from datasyncd.daemon.config.home import likely_state_folder, state_folder
from datasyncd.state.database import lock

from .shop import CONFIG, Shop

KEYS = {"cycles", "read", "written", "echoes", "conflicts", "quarantined", "seconds"}


def test_a_sync_tells_what_it_did_and_a_second_one_writes_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    first, second = shop.runs("sync", "--json"), shop.runs("sync", "--json")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert set(first.json) >= KEYS
    assert first.json["read"]["crm"] == 3
    assert first.json["written"]["mail"] == {"create": 3, "update": 0, "delete": 0}
    assert {n for each in second.json["written"].values() for n in each.values()} == {0}
    assert "exit_code" not in first.json


def test_what_needs_a_person_is_1(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()

    done = shop.runs("sync")

    assert done.exit_code == 1
    assert "1 conflict waits for a person: datasyncd conflicts" in done.out
    assert done.out.startswith("1 cycle in ")
    assert "accepts: --use VALUE, --from SYSTEM, --newest\n" in shop.runs("conflicts").out


def test_a_file_that_stays_cut_inside_a_row_loses_nothing_and_needs_a_person(tmp_path: Path) -> None:
    """Its other rows are read, nothing counts as deleted, and the row that is cut is named."""
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0
    whole = shop.sheet.read_text()
    shop.sheet.write_text(whole[: whole.rindex("@") + 1])

    done = shop.runs("sync", "--json")
    text = shop.runs("quarantine").out

    assert (done.exit_code, done.json["failed"], done.json["quarantined"]) == (1, {}, 1)
    assert "it has 2 cells, the header has 6" in text
    assert {n: shop.holds("crm", n, "name") for n in (1, 2, 3)} == {n: f"Ann {n}" for n in (1, 2, 3)}
    shop.sheet.write_text(whole)
    assert shop.runs("sync").exit_code == 0


def test_a_file_that_is_missing_is_75_and_wins_over_1(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.disagrees()
    shop.sheet.unlink()

    done = shop.runs("sync", "--json")

    assert (done.exit_code, done.json["conflicts"]) == (75, 1)
    assert "mail.contact" in done.json["failed"]


@pytest.fixture
def without_sheet(tmp_path: Path) -> Shop:
    """The mailing list has no file yet, and the config says that it may be made."""
    shop = Shop(tmp_path)
    shop.sheet.unlink()
    shop.config.write_text(CONFIG.replace('path = "mail"', 'path = "mail"\ncreate = true'))
    return shop


def test_a_file_that_may_be_made_is_made_by_the_first_sync(without_sheet: Shop) -> None:
    shop = without_sheet
    checked, planned = shop.runs("check"), shop.runs("plan", "--json")
    assert (checked.exit_code, "contacts is not there; the first write makes it" in checked.out) == (0, True)
    assert planned.json["systems"]["mail"]["contact"]["create"] == 3
    assert not shop.sheet.exists()

    first, second = shop.runs("sync", "--json"), shop.runs("sync", "--json")

    assert (first.exit_code, first.json["written"]["mail"]) == (0, {"create": 3, "update": 0, "delete": 0})
    assert (second.exit_code, second.json["written"]["mail"]) == (0, {"create": 0, "update": 0, "delete": 0})
    assert shop.sheet.read_text().startswith("Id,Email,Name,Language,Phone,Sms\n")
    assert shop.holds("mail", 3, "name") == "Ann 3"


def test_a_file_that_vanished_is_trouble_and_neither_a_deletion_nor_made_anew(without_sheet: Shop) -> None:
    shop = without_sheet
    assert shop.runs("sync").exit_code == 0
    whole = shop.sheet.read_text()
    shop.sheet.unlink()
    shop.says("crm", 1, name="Anna")

    done = shop.runs("sync", "--json")

    assert done.exit_code == 75
    assert "contacts is gone, and 3 of its records are known: put it back" in done.json["failed"]["mail.contact"]
    assert not shop.sheet.exists()
    assert [shop.holds("crm", n, "name") for n in (1, 2, 3)] == ["Anna", "Ann 2", "Ann 3"]
    shop.sheet.write_text(whole)
    assert shop.runs("sync").exit_code == 0
    assert shop.holds("mail", 1, "name") == "Anna"


def test_a_file_that_vanishes_under_the_daemon_is_trouble_until_it_is_back(without_sheet: Shop) -> None:
    shop = without_sheet
    with shop.daemon():
        assert shop.runs("sync").exit_code == 0
        whole = shop.sheet.read_text()
        shop.sheet.unlink()
        shop.says("crm", 1, name="Anna")

        gone, status = shop.runs("sync", "--json"), shop.runs("status")

        assert (gone.exit_code, shop.sheet.exists()) == (75, False)
        assert "contacts.csv was there and is gone; put it back" in gone.json["failed"]["mail.contact"]
        assert (status.exit_code, "mail.contact: " in status.out) == (1, True)
        shop.sheet.write_text(whole)
        assert shop.runs("sync").exit_code == 0
        assert [shop.holds("crm", n, "name") for n in (1, 2, 3)] == ["Anna", "Ann 2", "Ann 3"]
        assert shop.holds("mail", 1, "name") == "Anna"


def test_a_state_in_use_is_75(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("sync")

    with lock(tmp_path / "var" / "state.db"):
        assert shop.runs("sync").exit_code == 75
        assert shop.runs("conflicts").exit_code == 75


def test_an_unknown_link_is_a_wrong_call(tmp_path: Path) -> None:
    done = Shop(tmp_path).runs("sync", "--link", "crm.contacts")

    assert done.exit_code == 64
    assert "crm.contact" in done.err


@pytest.mark.parametrize("flags", [["--link", "crm.contact"], ["--full"]])
def test_a_part_or_everything_can_be_read(tmp_path: Path, flags: list[str]) -> None:
    shop = Shop(tmp_path)

    assert shop.runs("sync", *flags).exit_code == 0
    assert shop.holds("mail", 1, "name") == "Ann 1"


def test_check_passes_a_config_that_fits_its_systems(tmp_path: Path) -> None:
    done = Shop(tmp_path).runs("check", "--json")

    assert done.exit_code == 0
    assert done.json["valid"] is True
    for finding in done.json["findings"]:
        assert set(finding) == {"severity", "system", "place", "text", "fix"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('email = "email",', 'email = "emial",', "emial"),
        ('path = "crm.db"', 'path = "nowhere.db"', "nowhere.db"),
        ('direction = "both"\nmap', 'direction = "sideways"\nmap', "direction"),
    ],
)
def test_check_finds_what_stands_between_config_and_systems(tmp_path: Path, old: str, new: str, says: str) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text(shop.config.read_text().replace(old, new))

    text, document = shop.runs("check"), shop.runs("check", "--json")

    assert (text.exit_code, document.exit_code, document.json["valid"]) == (78, 78, False)
    assert says in text.out
    assert any(says in finding["text"] for finding in document.json["findings"])


def test_check_looks_at_the_members_of_a_group(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    alone, together = 'language = { type = "text"', 'language = { group = "g", type = "text"'
    grouped = CONFIG.replace('name = { type = "text"', 'name = { policy = "manual", group = "g", type = "text"')
    grouped = grouped.replace(alone, together)
    shop.config.write_text(grouped)
    assert shop.runs("check").exit_code == 0

    shop.config.write_text(grouped.replace('name = "Name", ', 'name = "Nom", '))
    checked = shop.runs("check")

    assert checked.exit_code == 78
    assert "Nom" in checked.out


NO_UTF8 = b"Id,Email,Name,Language,Phone,Sms,\xe9t\xe9\n"


@pytest.mark.parametrize("command", ["check", "sync", "plan", "status", "quarantine", "conflicts"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_header_with_bytes_that_are_no_utf8_breaks_no_command(tmp_path: Path, command: str, as_json: bool) -> None:
    shop = Shop(tmp_path)
    shop.sheet.write_bytes(NO_UTF8)
    shop.runs("sync")

    done = process(shop, command, *(["--json"] if as_json else []))

    assert done.returncode in (0, 1, 3, 75), done.stderr
    assert "Traceback" not in done.stderr
    if as_json:
        json.loads(done.stdout)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_name_with_bytes_that_are_no_utf8_is_named_in_an_error(tmp_path: Path, as_json: bool) -> None:
    shop = Shop(tmp_path)
    shop.sheet.write_bytes(NO_UTF8.replace(b"Language", b"Langu\xe9ge"))

    checked, synced = (process(shop, command, *(["--json"] if as_json else [])) for command in ("check", "sync"))

    assert (checked.returncode, synced.returncode) == (78, 75), checked.stderr + synced.stderr
    assert "\\udce9" in checked.stdout or "Langu" in checked.stdout
    assert "bug" not in synced.stderr
    with shop.daemon("crm"):
        status = process(shop, "status", *(["--json"] if as_json else []))
        assert (status.returncode, "mail" in status.stdout) == (2, True), status.stdout + status.stderr


def process(shop: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own, whose screen knows nothing but ASCII."""
    return subprocess.run(
        [sys.executable, "-m", "datasyncd", *words, "--config", str(shop.config)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
        check=False,
    )


def test_a_config_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text("\ufeff" + shop.config.read_text().replace('state_dir = "var"', 'state_dir = "elsewhere"'))

    assert (shop.runs("check").exit_code, shop.runs("sync").exit_code) == (0, 0)

    assert (tmp_path / "elsewhere" / "state.db").exists()
    assert state_folder(shop.config) == likely_state_folder(shop.config) == tmp_path / "elsewhere"


def test_a_folder_in_the_place_of_the_config_is_78(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.config.rename(tmp_path / "moved.toml")
    shop.config.mkdir()

    for command in ("check", "sync", "conflicts"):
        done = shop.runs(command)
        assert (done.exit_code, "Is a directory" in done.out + done.err) == (78, True)


def test_a_locked_store_is_told_in_one_line(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text(CONFIG.replace('path = "crm.db"', 'path = "crm.db"\nbusy_s = 0.1'))
    with closing(sqlite3.connect(tmp_path / "crm.db", isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        done = subprocess.run(
            [sys.executable, "-m", "datasyncd", "sync", "--config", str(shop.config)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert (done.returncode, done.stderr) == (75, "")
    assert "crm.contact: " in done.stdout
    assert "locked" in done.stdout


def test_a_command_that_needs_another_word_says_which_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "datasyncd", "identity"], capture_output=True, text=True, timeout=60)

    said = done.stdout + done.stderr
    assert done.returncode == 64
    assert "  merge  " in said
    assert "  split  " in said
    assert "'list'" not in said
