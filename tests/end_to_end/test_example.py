"""The example as a stranger meets it: started, its commands copied as they are printed, stopped, started again."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasyncd.daemon.example import stores
from tests.end_to_end.example import ROOT, Example, soon
from tests.end_to_end.pages import lasting, shown_in


def commands_in(printed: str) -> list[str]:
    """The blocks of commands that the example prints, each to be copied as a whole."""
    blocks = printed[printed.index("Try it") :].split("\n\n")
    return [block.strip("\n") for block in blocks if re.match(r"\n*(\.venv|sed)", block)]


LEONIE = "leonekohler@surfeu.de"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Example, str]]:
    example = Example(tmp_path_factory.mktemp("example"))
    with example.running() as printed:
        yield example, printed


def test_the_first_run_creates_what_is_missing_and_is_healthy(started: tuple[Example, str]) -> None:
    example, printed = started

    assert stores.count(example.folder / "var") == {"crm": 59, "mail": 44, "prefs": 59}
    assert "\nin step\n" in printed
    status = example.json("status")
    assert (status["health"], status["problems"], status["conflicts"], status["outbox"]) == ("ok", [], 0, 0)


def test_the_readme_shows_what_is_printed(started: tuple[Example, str]) -> None:
    _example, printed = started

    assert lasting(shown_in(ROOT / "README.md", "make run")) == lasting(printed[: printed.index("\nTry it")])


def test_the_printed_commands_do_what_they_say(started: tuple[Example, str]) -> None:
    example, printed = started
    change_phone, opt_out, disagree, resolve, ask = commands_in(printed)

    assert "+497112842223" in example.types(change_phone)
    assert example.in_mail(LEONIE)["Mobile"] == "+497112842223"

    assert "mail: acknowledged" in example.types(opt_out)
    assert (example.in_mail(LEONIE)["SMS"], example.in_crm(LEONIE)["sms_ok"]) == ("N", 0)

    shown = example.types(disagree)
    assert re.search(r"crm +en\b", shown)
    assert re.search(r"mail +fr\b", shown)
    assert example.languages(LEONIE)[:2] == ("en", "fr"), "nobody is overwritten"

    (conflict,) = example.json("conflicts")
    assert conflict["field"] == "language"
    example.types(resolve.replace(" ID ", f" {conflict['id'][:8]} "))
    soon(lambda: example.languages(LEONIE) == ("en", "en", "en"), within_s=5.0)

    shown = example.types(ask)
    assert "language = en" in shown
    assert "0 open conflicts" in shown
    assert example.json("conflicts") == []


def test_who_may_not_be_written_to_is_not_in_the_email_platform(started: tuple[Example, str]) -> None:
    example, _printed = started

    assert example.in_prefs("hholy@gmail.com")["email_ok"] is None
    with pytest.raises(StopIteration):
        example.in_mail("hholy@gmail.com")


def test_an_opt_out_is_written_in_the_words_of_each_system(started: tuple[Example, str]) -> None:
    example, _printed = started
    astrid = "astrid.gruber@apple.at"

    example.types("sed -i.bak '/astrid.gruber/s/,Y,N,/,N,N,/' var/mail/contacts.csv")

    soon(lambda: example.in_prefs(astrid)["email_ok"] == "out" and example.in_crm(astrid)["email_ok"] == 0)


def test_a_second_one_says_that_a_daemon_works_on_it(started: tuple[Example, str]) -> None:
    example, _printed = started

    second = subprocess.run(example.command(), cwd=example.folder, capture_output=True, text=True, check=False)

    assert second.returncode == 75
    assert "A daemon works on" in second.stderr


def test_the_next_run_goes_on_with_the_same_stores_and_fresh_begins_anew(tmp_path: Path) -> None:
    example = Example(tmp_path)
    with example.running():
        pass
    example.types("sed -i.bak '/leonekohler/s/,Leonie,/,Leonie-Marie,/' var/mail/contacts.csv")

    with example.running() as printed:
        assert "created" not in printed
        assert example.in_crm(LEONIE)["first_name"] == "Leonie-Marie"
    with example.running("--fresh") as printed:
        assert "4 created" in printed
        assert example.in_crm(LEONIE)["first_name"] == "Leonie"


def test_a_store_that_is_gone_is_not_made_again_beside_a_state_that_knows_more(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")
    (tmp_path / "var" / stores.MAIL).unlink()

    stopped = subprocess.run(example.command(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (stopped.returncode, stopped.stderr) == (
        69,
        "var/mail/contacts.csv: missing, while the rest is there. Start over with --fresh.\n",
    )


def test_the_config_passes_its_own_check(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")

    assert example.types(".venv/bin/datasyncd check").endswith("the config can run\n")


def test_the_stores_hold_the_same_facts_before_the_first_sync(tmp_path: Path) -> None:
    example = Example(tmp_path)
    stores.make(tmp_path / "var")
    with (tmp_path / "var" / stores.MAIL).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    differing = []
    for row in rows:
        crm, prefs = example.in_crm(row["Email"]), example.in_prefs(row["Email"])
        told = {
            (row["FirstName"], row["LastName"], row["Mobile"]),
            (crm["first_name"], crm["last_name"], crm["phone"] or ""),
        }
        languages = {row["Language"], prefs["language"], crm["language"]} - {None}
        consents = {{"Y": "in", "N": "out", "": None}[row["SMS"]], prefs["sms_ok"]}
        if len(told) + len(languages) + len(consents) > 3:
            differing.append(row["Email"])

    assert (len(rows), differing) == (40, [])
