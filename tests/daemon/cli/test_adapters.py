"""`adapters`: what a config can name, what each kind is told, and what it promises."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datasyncd.adapters import registry
from datasyncd.daemon.cli.group import group


def adapters(*words: str) -> Result:
    return CliRunner().invoke(group, ["adapters", *words])


def sheet(name: str) -> Any:
    return json.loads(adapters(name, "--json").stdout)


def test_all_kinds_are_listed_with_what_brings_them() -> None:
    listed = json.loads(adapters("--json").stdout)

    assert [kind["name"] for kind in listed] == registry.names()
    assert {"csv", "jsonl", "sqlite"} <= {kind["name"] for kind in listed if kind["package"] is None}
    assert "SQLite" in adapters().stdout


def test_a_kind_is_told_by_its_options_with_types_defaults_and_meaning() -> None:
    [path, *others] = sheet("csv")["options"]

    assert (path["name"], path["type"], path["required"]) == ("path", "text", True)
    defaults = {option["name"]: option["default"] for option in others}
    assert {name: defaults[name] for name in ("lock", "settle_ms", "create", "delimiter", "encoding")} == {
        "lock": False, "settle_ms": None, "create": False, "delimiter": None, "encoding": "utf-8",
    }  # fmt: skip
    assert "take" in next(option["doc"] for option in others if option["name"] == "lock")


def test_what_the_options_change_of_its_promises_is_said() -> None:
    promises = {promise["name"]: promise for promise in sheet("csv")["capabilities"]}

    assert promises["condition"]["value"] == "none"
    assert promises["condition"]["changes"] == {"lock = true": "enforced"}
    assert "enforced    with lock = true" in adapters("csv").stdout


def test_a_cursor_column_makes_pulls_incremental() -> None:
    promises = {promise["name"]: promise for promise in sheet("sqlite")["capabilities"]}

    assert promises["incremental"]["value"] is False
    assert promises["incremental"]["changes"] == {'cursor = "..."': True}


@pytest.mark.parametrize("name", registry.names())
def test_every_kind_shows_its_sheet(name: str) -> None:
    found, text = sheet(name), adapters(name).stdout

    assert found["summary"] in text
    assert found["capabilities"]
    assert all(option["name"] in text for option in found["options"])


def test_a_kind_that_is_not_there_is_a_wrong_call() -> None:
    unknown, later = adapters("sqlit"), adapters("hubspot")

    assert (unknown.exit_code, later.exit_code) == (64, 64)
    assert "did you mean 'sqlite'?" in unknown.stderr
    assert "not built yet" in later.stderr


def test_a_package_that_cannot_be_loaded_is_named_and_the_others_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("ours", "nowhere_at_all:KIND", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [broken])

    listed = json.loads(adapters("--json").stdout)
    one = adapters("ours")

    assert "nowhere_at_all" in next(kind["problem"] for kind in listed if kind["name"] == "ours")
    assert next(kind["problem"] for kind in listed if kind["name"] == "csv") is None
    assert one.exit_code == 69
    assert "nowhere_at_all" in one.stderr
