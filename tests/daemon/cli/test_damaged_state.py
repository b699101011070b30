"""A state that is no state, damaged or of a newer version is refused, with what to do; nothing is written."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from datasyncd.state.backup import inspect
from datasyncd.state.database import connect

from .shop import Shop


def empty(state: Path) -> None:
    state.write_bytes(b"")


def cut_off(state: Path) -> None:
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])


def text(state: Path) -> None:
    state.write_text("not a database\n" * 1000)


def of_another_program(state: Path) -> None:
    state.unlink()
    with contextlib.closing(sqlite3.connect(state)) as db, db:
        db.execute("CREATE TABLE notes (text)")


def without_a_table(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state)) as db, db:
        db.execute("DROP TABLE outbox")


def without_its_secret(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state)) as db, db:
        db.execute("DELETE FROM meta WHERE name = 'secret'")


def of_a_newer_version(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state)) as db:
        db.execute("PRAGMA user_version = 1000")


def a_broken_page(state: Path) -> None:
    flip(state, 4096)


def a_broken_value(state: Path) -> None:
    found = state.read_bytes().index(b"Ann 1")
    flip(state, found)


def flip(state: Path, place: int) -> None:
    content = bytearray(state.read_bytes())
    content[place] ^= 0xFF
    state.write_bytes(content)


def a_folder(state: Path) -> None:
    state.unlink()
    state.mkdir()


DAMAGES = [
    (empty, 69, "the file is empty", "datasyncd restore"),
    (cut_off, 69, "damaged", "datasyncd restore"),
    (text, 69, "file is not a database", "datasyncd restore"),
    (of_another_program, 69, "another program's database", "datasyncd restore"),
    (without_a_table, 69, "not a state of datasyncd", "datasyncd restore"),
    (without_its_secret, 69, "not a whole state", "datasyncd restore"),
    (of_a_newer_version, 69, "newer version (schema 1000", "install that version"),
    (a_broken_page, 69, "damaged: ", "datasyncd restore"),
    (a_broken_value, 69, "a stored document is not what was stored", "datasyncd restore"),
    (a_folder, 75, "cannot be opened", "see that it is a file"),
]


@pytest.mark.parametrize(("damage", "code", "cause", "next_step"), DAMAGES, ids=[d[0].__name__ for d in DAMAGES])
def test_a_state_that_cannot_be_trusted_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], code: int, cause: str, next_step: str
) -> None:
    shop = Shop(tmp_path, customers=6)
    shop.runs("sync")
    state = tmp_path / "var" / "state.db"
    damage(state)
    shop.says("crm", 1, name="Anna")
    sheet = shop.sheet.read_bytes()

    for words in (["sync"], ["plan"], ["backup", str(tmp_path / "copy")]):
        done = shop.runs(*words)

        assert (done.exit_code, done.out) == (code, ""), words
        assert len(done.err.splitlines()) == 1
        assert done.err.startswith(f"datasyncd: {state}: ")
        assert cause in done.err
        assert next_step in done.err
    assert shop.sheet.read_bytes() == sheet
    assert not (tmp_path / "copy").exists()


def test_an_empty_file_is_not_made_a_state_of(tmp_path: Path) -> None:
    shop = Shop(tmp_path, customers=6)
    shop.runs("sync")
    empty(tmp_path / "var" / "state.db")

    shop.runs("sync")

    assert (tmp_path / "var" / "state.db").read_bytes() == b""


def test_a_state_gets_its_name_when_it_is_whole_and_no_log_of_another_one(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    for left in ("state.db.creating", "state.db.creating-journal", "state.db-wal", "state.db-shm"):
        (tmp_path / left).write_bytes(b"left behind")

    connect(state).close()

    assert inspect(state).clusters == 0
    assert {path.name for path in tmp_path.iterdir()} == {"state.db"}
    assert state.stat().st_mode & 0o777 == 0o600
