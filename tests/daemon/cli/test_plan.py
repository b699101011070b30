"""`plan`: what it shows, that it writes nothing anywhere, and its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from datasyncd.state.database import lock

from .shop import Shop

COUNTS = {"create", "update", "delete", "held", "clear", "opt_out", "opt_in", "merged", "quarantined"}


def files(folder: Path) -> dict[str, bytes]:
    """Every file as it is; but for the index that readers of a write-ahead log share."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def changed(shop: Shop) -> None:
    """Something of each kind is due."""
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, name="Anna", sms="1")
    shop.says("mail", 2, phone="+14155552671")
    shop.says("crm", 2, language=None)


def counts(found: Any, system: str) -> dict[str, int]:
    return {name: n for name, n in found["systems"][system]["contact"].items() if n}


def test_a_plan_of_the_first_sync_makes_not_even_a_state(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    before = files(tmp_path)

    done = shop.runs("plan", "--json")

    assert (done.exit_code, files(tmp_path)) == (0, before)
    assert counts(done.json, "mail") == {"create": 3}
    assert set(done.json["systems"]["crm"]["contact"]) == COUNTS


@pytest.mark.parametrize("words", [[], ["--json"], ["-o", "plan.jsonl"]])
def test_a_plan_changes_no_byte_of_stores_and_state(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop")
    changed(shop)
    before = files(tmp_path / "shop")
    words = [str(tmp_path / word) if word == "plan.jsonl" else word for word in words]

    done = shop.runs("plan", *words)

    assert done.exit_code == 0
    assert files(tmp_path / "shop") == before


def test_examples_say_what_is_there_what_would_be_and_why_and_consents_come_first(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    changed(shop)

    done = shop.runs("plan", "--json").json

    assert counts(done, "mail") == {"update": 2, "clear": 1, "opt_in": 1}
    assert counts(done, "crm") == {"update": 1}
    first = done["examples"][0]
    assert (first["system"], first["key"], first["action"], first["kind"]) == (
        "mail",
        "1@example.org",
        "update",
        "opt_in",
    )
    assert {name: (change["from"], change["to"]) for name, change in first["fields"].items()} == {
        "name": ("Ann 1", "Anna"),
        "sms": ("unknown", "in"),
    }
    assert "edited in crm" in first["fields"]["sms"]["because"]


def test_people_see_a_table_then_consents_then_examples(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    changed(shop)

    lines = shop.runs("plan").out.splitlines()

    assert "nothing was written" in lines[0]
    assert lines[1].split()[:4] == ["system", "entity", "create", "update"]
    assert lines.index("changes of consent") < lines.index("examples")


@pytest.mark.parametrize(("samples", "shown"), [("0", 0), ("2", 2)])
def test_as_many_examples_as_asked_for(tmp_path: Path, samples: str, shown: int) -> None:
    assert len(Shop(tmp_path).runs("plan", "--json", "--samples", samples).json["examples"]) == shown


def test_what_would_need_a_person_is_1_and_a_system_out_of_reach_75(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, language="de")
    shop.says("mail", 1, language="fr")

    conflict = shop.runs("plan", "--json")
    shop.sheet.unlink()
    missing = shop.runs("plan", "--json")

    assert (conflict.exit_code, conflict.json["conflicts"]) == (1, 1)
    assert (missing.exit_code, list(missing.json["failed"])) == (75, ["mail.contact"])


def test_a_mass_change_is_shown_as_held(tmp_path: Path) -> None:
    shop = Shop(tmp_path, customers=6)
    assert shop.runs("sync").exit_code == 0
    for n in range(1, 7):
        shop.says("crm", n, name="Nobody")

    done = shop.runs("plan", "--json")

    assert (done.exit_code, counts(done.json, "mail"), done.json["held"]) == (1, {"held": 6}, 1)
    held = done.json["examples"][0]
    assert (held["action"], held["kind"], held["fields"]["name"]["to"]) == ("held", "update", "Nobody")
    assert held["fields"]["name"]["from"].startswith("Ann ")


def test_what_a_source_seems_to_have_blanked_or_lost_is_shown_as_held_with_what_it_would_do_elsewhere(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path, customers=12)
    shop.config.write_text(shop.config.read_text().replace('"newest"', '"newest"\non_delete = "propagate"'))
    assert shop.runs("sync").exit_code == 0
    for n in range(1, 9):
        shop.says("mail", n, name=None)
    blanked = shop.runs("plan", "--json").json
    shop.sheet.write_text(shop.sheet.read_text().splitlines(keepends=True)[0])
    lost = shop.runs("plan", "--json").json

    assert (counts(blanked, "mail"), counts(blanked, "crm")) == ({"held": 8}, {})
    first = blanked["examples"][0]
    assert (first["system"], first["action"], first["kind"]) == ("crm", "held", "clear")
    assert (first["fields"]["name"]["from"], first["fields"]["name"]["to"]) == ("Ann 1", None)
    assert counts(lost, "mail") == {"held": 12}
    first = lost["examples"][0]
    assert (first["system"], first["action"], first["kind"]) == ("crm", "held", "delete")
    assert first["fields"]["name"]["because"] == "mail seems to have lost it"


def test_the_file_of_a_plan_is_for_its_owner_alone_and_names_each_write(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    changed(shop)
    file = tmp_path / "plan.jsonl"

    assert shop.runs("plan", "-o", str(file)).exit_code == 0

    head, *items, end = [json.loads(line) for line in file.read_text().splitlines()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert head["datasyncd_plan"] == 1
    assert (end["items"], len(items)) == (3, 3)
    assert {(item["founder"], item["target"], item["op"]) for item in items} == {
        ("crm:contacts:1", "mail", "update"),
        ("crm:contacts:2", "mail", "update"),
        ("crm:contacts:2", "crm", "update"),
    }
    assert {name for item in items for name in item["fields"]} == {"name", "sms", "phone", "language"}
    assert "Ann 1" not in file.read_text().split('"items"')[0], "what is there stands in digests alone"
    assert sorted(path.name for path in tmp_path.glob("plan*")) == ["plan.jsonl"]


def test_a_plan_replaces_an_older_one_and_one_that_fails_leaves_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    file = tmp_path / "plan.jsonl"
    file.write_text("an older one")
    file.chmod(0o644)
    state = tmp_path / "var" / "state.db"
    state.parent.mkdir()
    state.write_text("this is no database, and long enough to be seen as none" * 20)

    failed = shop.runs("plan", "-o", str(file))
    kept = file.read_text()
    state.unlink()
    done = shop.runs("plan", "-o", str(file))

    assert (failed.exit_code, kept, done.exit_code) == (69, "an older one", 0)
    assert (file.read_text().count("\n"), stat.S_IMODE(file.stat().st_mode)) == (5, 0o600)
    assert sorted(path.name for path in tmp_path.glob("*plan*")) == ["plan.jsonl"]


def test_a_plan_into_a_folder_that_is_not_there_is_69(tmp_path: Path) -> None:
    assert Shop(tmp_path).runs("plan", "-o", str(tmp_path / "nowhere" / "plan.jsonl")).exit_code == 69


def test_a_plan_can_be_made_while_somebody_works_on_the_state(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    changed(shop)
    state = tmp_path / "var" / "state.db"

    with lock(state), contextlib.closing(sqlite3.connect(state)) as other:
        other.execute("SELECT count(*) FROM meta").fetchone()
        done = shop.runs("plan", "--json")

    assert (done.exit_code, counts(done.json, "crm")) == (0, {"update": 1})


def test_while_the_daemon_runs_a_plan_shows_that_nothing_is_left_to_do(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0

    with shop.daemon():
        done = shop.runs("plan", "--json")

    assert (done.exit_code, counts(done.json, "mail"), counts(done.json, "crm")) == (0, {}, {})


def test_what_a_crash_left_in_the_log_of_the_state_is_planned_with_and_stays(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0
    state = tmp_path / "var" / "state.db"
    with contextlib.closing(sqlite3.connect(state)) as other:
        other.execute("SELECT count(*) FROM meta").fetchone()
        shop.says("crm", 1, language="de")
        assert shop.runs("sync").exit_code == 0
        died = {name: state.with_name(name).read_bytes() for name in ("state.db", "state.db-wal")}
    for name, content in died.items():
        state.with_name(name).write_bytes(content)
    shop.says("mail", 1, language="fr")
    before = files(tmp_path)

    done = shop.runs("plan", "--json")

    assert (done.exit_code, counts(done.json, "crm")) == (0, {"update": 1}), "no conflict: mail had seen the other"
    assert files(tmp_path) == before


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    shop = Shop(tmp_path / "shop")
    changed(shop)
    for name in ("tmp", "sqlite"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "sqlite"))

    assert shop.runs("plan").exit_code == 0

    assert (os.listdir(tmp_path / "tmp"), os.listdir(tmp_path / "sqlite")) == ([], [])


def test_a_file_that_is_no_state_is_69(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "state.db").write_text("this is no database, and long enough to be seen as none" * 20)

    assert shop.runs("plan").exit_code == 69
