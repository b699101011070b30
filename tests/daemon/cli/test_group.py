"""The command as a whole: what every sub-command has, and which exit code says what."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli import asking
from datasyncd.daemon.cli.group import COMMANDS, group

from .shop import Shop


def everything() -> Iterator[tuple[str, ...]]:
    """All commands, with those below them."""
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
        else:
            yield (name,)


@pytest.mark.parametrize("words", list(everything()), ids=" ".join)
def test_every_command_explains_itself_and_takes_the_common_flags(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, [*words, "--help"])

    assert done.exit_code == 0
    assert "--config" in done.output
    assert "--json" in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "Commands:"),
        ("statsu", 'did you mean "status"?'),
        ("--json status", "Flags come after the command."),
        ("status --jsn", "Did you mean '--json'?"),
        ("conflicts shwo 1", "Did you mean 'show'?"),
        ("status surprise", "unexpected extra argument"),
        ("explain contact", "Missing argument 'KEY'"),
        ("resolve", "ids or --where expected"),
        ("resolve abcd --where True --newest", "ids or --where expected"),
        ("resolve abcd", "exactly one of"),
        ("resolve abcd --use x --newest", "exactly one of"),
        ("conflicts report --format pdf", "'pdf' is not one of"),
    ],
)
def test_a_wrong_call_is_64_and_says_what_was_probably_meant(words: str, says: str) -> None:
    done = CliRunner().invoke(group, words.split())

    assert done.exit_code == 64
    assert says in done.stderr


def test_a_wrong_call_is_a_document_where_json_was_asked_for() -> None:
    done = CliRunner().invoke(group, ["resolve", "--json"])

    assert '"exit_code": 64' in done.stdout


@pytest.mark.parametrize("command", ["apply", "restore"])
def test_an_input_file_that_is_not_there_is_69_and_a_config_78(tmp_path: Path, command: str) -> None:
    shop, nowhere = Shop(tmp_path), str(tmp_path / "nowhere")

    done = shop.runs(command, nowhere, "--json")
    misplaced = CliRunner().invoke(group, [command, str(shop.config), "--config", nowhere])

    assert (done.exit_code, done.json["error"]["exit_code"]) == (69, 69)
    assert done.err == f"datasyncd: {nowhere}: no such file\n"
    assert misplaced.exit_code == 78
    assert not (tmp_path / "var").exists()


def test_a_bug_is_70_and_says_nothing_of_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_arguments: object, **_named: object) -> None:
        raise ExceptionGroup("tasks", [KeyError("ann@example.org")])

    monkeypatch.setattr(asking, "ask", breaks)

    done = Shop(tmp_path).runs("conflicts")

    assert done.exit_code == 70
    assert "KeyError" in done.err
    assert "ann@example.org" not in done.err + done.out


def test_trouble_of_the_machine_is_69(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    (tmp_path / "var").write_text("a file where the folder should be")

    done = shop.runs("conflicts", "--json")

    assert done.exit_code == 69
    assert done.json["error"]["exit_code"] == 69


@pytest.mark.parametrize("words", ["conflicts", "sync", "check", "run", "explain contact 1"])
def test_a_config_error_is_78_with_its_line(tmp_path: Path, words: str) -> None:
    shop = Shop(tmp_path)
    text = shop.config.read_text().replace('listen = ""', 'listen = ""\nlisten = ""')
    shop.config.write_text(text)

    done = shop.runs(*words.split())

    assert done.exit_code == 78
    assert f"{shop.config}:5" in done.err + done.out


def test_without_a_config_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATASYNCD_CONFIG", raising=False)

    done, health = (CliRunner().invoke(group, [command]) for command in ("conflicts", "status"))

    assert (done.exit_code, health.exit_code) == (78, 3)
    assert "--config" in done.stderr
    assert "--config" in health.stdout


def test_a_reader_that_goes_away_causes_no_noise(tmp_path: Path) -> None:
    shop = Shop(tmp_path, customers=1)
    command = f"{sys.executable} -m datasyncd conflicts list --all --config {shop.config} | true"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_version_is_said_alone_and_in_json() -> None:
    assert CliRunner().invoke(group, ["version"]).output.startswith("datasyncd ")
    assert '"version"' in CliRunner().invoke(group, ["version", "--json"]).output
