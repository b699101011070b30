"""`demo`: the three stories are played on real stores, and what was not seen is said."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli import demo
from datasyncd.daemon.cli.group import group
from datasyncd.daemon.demo.stage import CommandFailed, Stage
from datasyncd.daemon.demo.stories import STORIES


def runs(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["demo", *words], catch_exceptions=False)
    return done.exit_code, done.stdout


def after(story: dict[str, Any], step: int) -> dict[str, str | None]:
    """What was seen behind a step, as `store.field`."""
    return {f"{seen['store']}.{seen['field']}": seen["after"] for seen in story["steps"][step]["seen"]}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """All three stories, kept: their folder and what `--json` said."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    code, shown = runs("--keep", str(folder), "--json")
    assert code == 0, shown
    return folder, json.loads(shown)


def test_all_three_stories_hold(played: tuple[Path, dict[str, Any]]) -> None:
    folder, found = played

    assert (found["held"], found["folder"]) == (True, str(folder))
    assert [(story["number"], story["held"], story["problem"]) for story in found["stories"]] == [
        (1, True, None),
        (2, True, None),
        (3, True, None),
    ]


def test_an_order_brings_its_context_to_the_email_platform(played: tuple[Path, dict[str, Any]]) -> None:
    order = played[1]["stories"][0]

    assert after(order, 0) == {
        "shop.last_product": "Hand grinder 40",
        "mail.LastProduct": "Hand grinder 40",
        "mail.LastCategory": "grinder",
        "mail.LastOrder": "2026-03-14T09:26:00Z",
        "mail.Template": "onboarding-grinder",
    }
    assert after(order, 1)["mail.Template"] == "onboarding-beans"


def test_an_opt_out_of_sms_is_everywhere_after_one_sync_and_email_goes_on(
    played: tuple[Path, dict[str, Any]],
) -> None:
    out = played[1]["stories"][1]

    assert after(out, 0) == {
        "sms.Subscribed": "no", "prefs.sms_ok": "out", "mail.SMS": "N", "shop.sms_ok": "0",
        "prefs.email_ok": "in", "mail.Newsletter": "Y", "shop.email_ok": "1",
    }  # fmt: skip
    assert after(out, 1)["prefs.sms_ok"] == "out", "an opt-in that did not know of it loses"
    assert after(out, 1)["conflicts.sms_opt_in"] == "in from prefs, out from sms: out"


def test_a_win_back_says_service_first_until_the_last_ticket_is_closed(played: tuple[Path, dict[str, Any]]) -> None:
    win_back = played[1]["stories"][2]

    assert [after(win_back, step)["mail.Campaign"] for step in range(3)] == [
        "service first",
        "service first",
        "win back",
    ]


def test_what_is_kept_can_be_looked_at_with_the_command(played: tuple[Path, dict[str, Any]]) -> None:
    folder, _found = played
    words = ["explain", "contact", "ben@example.com", "sms_opt_in", "--json", "--config", str(folder / "config.toml")]

    said = json.loads(CliRunner().invoke(group, words, catch_exceptions=False).stdout)["fields"]["sms_opt_in"]

    assert said["value"] == "out"
    with sqlite3.connect(folder / "shop.db") as shop:
        assert shop.execute("SELECT orders FROM customers WHERE id = 1").fetchone() == (2,)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_story_that_does_not_show_what_it_should_says_what_it_shows_instead(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Stage.sync

    def only_once(stage: Stage) -> Any:
        monkeypatch.setattr(Stage, "sync", lambda _stage: {})
        return first(stage)

    monkeypatch.setattr(Stage, "sync", only_once)

    code, shown = runs("--story", str(number))

    assert code == 1
    assert "should be " in shown
    assert f"story {number} did not show what it should" in shown
    assert "all as it should be" not in shown


def test_a_sync_that_fails_ends_its_story_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    edits = Stage.edits

    def and_loses_the_sheet(stage: Stage, *arguments: Any, **values: Any) -> None:
        edits(stage, *arguments, **values)
        (stage.folder / "mail/contacts.csv").unlink(missing_ok=True)

    monkeypatch.setattr(Stage, "edits", and_loses_the_sheet)

    code, shown = runs("--story", "3", "--json")

    (story,) = json.loads(shown)["stories"]
    assert (code, story["held"], story["steps"]) == (1, False, [])
    assert story["problem"].startswith("datasyncd sync ended with 75: mail.contact: ")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stood: list[list[str]] = []

    def fails(stage: Stage) -> None:
        stood.append(sorted(path.name for path in stage.folder.iterdir()))
        raise CommandFailed("datasyncd sync ended with 70")

    monkeypatch.setattr(Stage, "sync", fails)

    code, _shown = runs()

    assert code == 69
    assert stood == [["billing.db", "config.toml", "desk", "mail", "prefs", "shop.db", "sms"]]
    assert list(tmp_path.iterdir()) == []


def all_of(terminal: int) -> str:
    """All that is written to a terminal until nobody has it open any more."""
    with open(terminal, "rb", buffering=0) as ours:
        parts = []
        with contextlib.suppress(OSError):
            while part := ours.read(1000):
                parts.append(part)
    return b"".join(parts).decode()


def test_what_is_going_on_is_shown_on_a_terminal_and_the_stories_go_where_they_are_sent() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "datasyncd", "demo", "--story", "1"]
    with ThreadPoolExecutor() as aside:
        seen = aside.submit(all_of, ours)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False
        )
        os.close(theirs)
        progress = seen.result()

    assert done.returncode == 0
    assert "Hand grinder 40" in done.stdout
    assert "story 1: An order brings" in progress
    assert "Hand grinder 40" not in progress


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    assert runs("--keep", str(tmp_path))[0] == 64
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_every_story_can_be_named() -> None:
    assert len(STORIES) == demo.COUNT
