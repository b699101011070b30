"""Stores: a CRM in SQLite, an e-mail platform in CSV and a preference centre in JSON lines.

They are made once, of the files in `data`, and are then what they are in life: stores that belong to somebody
else, and that the daemon and the person at the keyboard both edit.
"""

from __future__ import annotations

import os
import sqlite3
from importlib import resources
from pathlib import Path

DATA = resources.files(__package__) / "data"

CRM = Path("crm.db")
MAIL = Path("mail/contacts.csv")
PREFS = Path("prefs/prefs.jsonl")
STORES = (CRM, MAIL, PREFS)


def present(folder: Path) -> list[Path]:
    """The stores that are there."""
    return [store for store in STORES if (folder / store).exists()]


def make(folder: Path) -> None:
    """Make all three. On crash: a store is there as a whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_crm(folder / CRM)
    for store in (MAIL, PREFS):
        target = folder / store
        target.parent.mkdir(exist_ok=True)
        made = target.with_suffix(".new")
        made.write_bytes(DATA.joinpath(str(store)).read_bytes())
        made.replace(target)


def _make_crm(target: Path) -> None:
    made = target.with_suffix(".new")
    made.unlink(missing_ok=True)
    connection = sqlite3.connect(made)
    try:
        connection.executescript(DATA.joinpath("crm.sql").read_text(encoding="utf-8"))
    finally:
        connection.close()
    made.replace(target)


def remove(folder: Path) -> None:
    """Throw the stores away."""
    for store in STORES:
        for name in (store, *(store.with_name(store.name + end) for end in ("-wal", "-shm", "-journal"))):
            (folder / name).unlink(missing_ok=True)


def count(folder: Path) -> dict[str, int]:
    """Records in each store, as the store itself says."""
    connection = sqlite3.connect(f"file:{os.fspath(folder / CRM)}?mode=ro", uri=True)
    try:
        crm: int = connection.execute("SELECT count(*) FROM contacts").fetchone()[0]
    finally:
        connection.close()
    mail = len((folder / MAIL).read_text(encoding="utf-8").splitlines()) - 1
    prefs = len((folder / PREFS).read_text(encoding="utf-8").split("\n")) - 1
    return {"crm": crm, "mail": mail, "prefs": prefs}
