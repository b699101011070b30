"""`adapters certify`: the promises of a configured system, tried on what is made there and removed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Capabilities
from datasyncd.daemon.cli.group import group
from tests.adapters.testing.liars import LiarScratch

PATIENCE_S = 60

CONFIG = """
[systems.app]
adapter = "sqlite"
path    = "app.db"

[systems.mail]
adapter = "csv"
path    = "mail"

[systems.crm]
adapter = "{adapter}"
{options}

[entities.contact]
identify = ["email"]

[entities.contact.fields]
email = {{ type = "email" }}

[links.app.contact]
object    = "contacts"
key       = "id"
direction = "both"
map       = {{ email = "email" }}
"""


class Place:
    """A config with an SQLite file, a folder, and one system more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.other("sqlite", 'path = "app.db"')
        with closing(sqlite3.connect(folder / "app.db")) as app, app:
            app.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, email TEXT)")
            app.execute("INSERT INTO contacts VALUES (1, 'ada@example.com')")

    def other(self, adapter: str, options: str) -> None:
        self.config.write_text(CONFIG.format(adapter=adapter, options=options), encoding="utf-8")

    def certify(self, *words: str) -> Result:
        return CliRunner().invoke(group, ["adapters", "certify", *words, "--config", str(self.config)])

    def tables(self) -> list[str]:
        with closing(sqlite3.connect(self.folder / "app.db")) as app:
            return [name for (name,) in app.execute("SELECT name FROM sqlite_master")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def liar(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With an adapter of another package that lies about whether a stale write is refused."""
    point = EntryPoint("liar", "tests.adapters.testing.liars:KIND", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    place.other("liar", 'capability = "condition"')
    yield place
    assert LiarScratch.left == set()


def test_a_system_that_holds_its_promises_is_certified_and_left_as_it_was(place: Place) -> None:
    done = place.certify("app")

    assert done.exit_code == 0, done.output
    first, second, *_ = done.stdout.splitlines()
    assert first == "app   sqlite (built in)"
    assert "the table datasyncd_certify_" in second
    assert " 6  held          a conditional write on a changed record changes nothing" in done.stdout
    assert "10  not tried" in done.stdout
    assert "    condition        enforced" in done.stdout
    assert done.stdout.endswith("\nall that is promised was held\n")
    assert place.tables() == ["contacts"]
    with closing(sqlite3.connect(place.folder / "app.db")) as app:
        assert app.execute("SELECT * FROM contacts").fetchall() == [(1, "ada@example.com")]


def test_what_follows_from_what_is_not_promised_is_said_as_check_says_it(place: Place) -> None:
    (place.folder / "mail").mkdir()
    done = place.certify("mail")

    assert done.exit_code == 0, done.output
    assert "not promised: a conditional write on a changed record changes nothing: no stale write" in done.stdout
    assert "note: mail cannot refuse a stale write" in done.stdout
    assert "with `lock = true` none can" in done.stdout
    assert list((place.folder / "mail").iterdir()) == []


def test_a_script_gets_one_document(place: Place) -> None:
    found: dict[str, Any] = json.loads(place.certify("app", "--json").stdout)

    assert (found["system"], found["adapter"], found["package"], found["held"]) == ("app", "sqlite", None, True)
    assert [promise["promise"] for promise in found["promises"]] == list(range(1, 14))
    assert {case["verdict"] for promise in found["promises"] for case in promise["cases"]} == {"held", "not promised"}
    promised = {promise["name"]: promise for promise in found["capabilities"]}
    assert list(promised) == list(Capabilities.__struct_fields__)
    assert (promised["condition"]["value"], promised["incremental"]["changes"]) == (
        "enforced",
        {'cursor = "..."': True},
    )
    assert found["trusted"] == ["late_s", "read_max_s"]
    assert found["consequences"] == []


def test_a_lie_is_a_broken_promise_with_what_was_seen(liar: Place) -> None:
    done = liar.certify("crm")

    assert done.exit_code == 1
    assert " 6  broken        a conditional write on a changed record changes nothing" in done.stdout
    assert "broken: no edit of somebody else is lost while both write: the last edit of somebody else: " in done.stdout
    assert done.stdout.endswith("\n1 promise is broken\n")


def test_a_lie_is_told_to_scripts(liar: Place) -> None:
    done = liar.certify("crm", "--json")
    found = json.loads(done.stdout)

    assert (done.exit_code, found["held"]) == (1, False)
    assert [promise["promise"] for promise in found["promises"] if promise["verdict"] == "broken"] == [6]


def test_a_system_that_is_not_in_the_config_is_a_wrong_call(place: Place) -> None:
    near, far = place.certify("ap"), place.certify("warehouse")

    assert (near.exit_code, far.exit_code) == (64, 64)
    assert 'no system "ap" in the config; did you mean "app"?' in near.stderr
    assert "there are: app, mail, crm" in far.stderr


def test_a_system_out_of_reach_is_75(place: Place) -> None:
    away = place.certify("mail")
    place.other("postgres", 'dsn = "postgresql://nobody@127.0.0.1:1/nothing"')
    server = place.certify("crm", "--json")

    assert (away.exit_code, server.exit_code) == (75, 75)
    assert "No such file or directory" in away.stderr
    assert json.loads(server.stdout)["error"]["exit_code"] == 75


def test_a_config_that_is_not_valid_is_78(place: Place) -> None:
    place.other("sqlite", "")

    assert place.certify("app").exit_code == 78


def test_a_kind_that_makes_no_scratch_object_says_what_to_add(liar: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from tests.adapters.testing import liars

    monkeypatch.setattr(liars, "KIND", dataclasses.replace(liars.KIND, stage=None))
    done = liar.certify("crm")

    assert done.exit_code == 69
    assert "its `AdapterKind` needs a `stage`" in done.stderr


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_what_was_made_is_removed_when_somebody_stops_it(place: Place, told: signal.Signals) -> None:
    words = [sys.executable, "-m", "datasyncd", "adapters", "certify", "app", "--config", str(place.config)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith(" 1  held"):
        pass
    process.send_signal(told)
    _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "is removed" in said
    assert place.tables() == ["contacts"]


def test_pytest_is_not_needed(place: Place) -> None:
    """It is no dependency of the package."""
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None; "
        "from datasyncd.daemon.cli import main; main()"
    )
    words = [sys.executable, "-O", "-c", code, "adapters", "certify", "app", "--config", str(place.config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_and_the_kinds_stand_beside_each_other() -> None:
    def adapters(*words: str) -> Result:
        return CliRunner().invoke(group, ["adapters", *words])

    assert adapters().exit_code == adapters("csv").exit_code == adapters("list", "csv").exit_code == 0
    mistyped, alone = adapters("certfy", "app"), adapters("certfy")
    assert (mistyped.exit_code, alone.exit_code) == (64, 64)
    assert 'did you mean "adapters certify"?' in mistyped.stderr
    assert 'did you mean "adapters certify"?' in alone.stderr
    assert "certify" in adapters("--help").stdout
