"""`schema`: one document, on the screen or in a file."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from datasyncd.daemon.cli.group import group


def schema(*words: str) -> Result:
    return CliRunner().invoke(group, ["schema", *words])


def test_the_schema_is_one_document_for_people_and_for_scripts() -> None:
    people, scripts = schema(), schema("--json")

    assert (people.exit_code, scripts.exit_code) == (0, 0)
    assert json.loads(people.stdout) == json.loads(scripts.stdout)
    assert scripts.stdout.count("\n") == 1
    assert set(json.loads(scripts.stdout)["properties"]) >= {"daemon", "systems", "entities", "links"}


def test_the_schema_in_a_file_is_what_an_editor_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "datasyncd.schema.json"

    text, document = schema("-o", str(file)), schema("-o", str(file), "--json")

    assert json.loads(file.read_text()) == json.loads(schema().stdout)
    assert "#:schema datasyncd.schema.json" in text.stdout
    assert json.loads(document.stdout) == {"file": str(file)}


def test_a_file_that_cannot_be_written_is_69(tmp_path: Path) -> None:
    assert schema("-o", str(tmp_path / "nowhere" / "x.json")).exit_code == 69
