"""The registry knows the built-in kinds and those of installed packages, and helps with typing errors."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from datasyncd.adapters import registry


def test_every_built_in_kind_has_a_manifest_of_its_name() -> None:
    for name in registry.names():
        kind = registry.find(name)

        assert (kind.name, kind.manifest.name) == (name, name)
        assert kind.manifest.summary
        assert kind.manifest.serves


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(registry.UnknownAdapter, match="there is no adapter 'sqlit'; did you mean 'sqlite'"):
        registry.find("sqlit")


def test_a_name_that_is_spoken_for_is_not_built_yet_and_not_unknown() -> None:
    with pytest.raises(registry.NotBuilt, match="the adapter 'hubspot' is not built yet in this version"):
        registry.find("hubspot")


def test_a_package_adds_a_kind_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("ours", "datasyncd.adapters.sqlite.adapter:KIND", registry.GROUP)
    stranger = EntryPoint("sqlite", "nowhere:KIND", registry.GROUP)

    def installed(**_: Any) -> list[EntryPoint]:
        return [point, stranger]

    monkeypatch.setattr(registry, "entry_points", installed)

    assert "ours" in registry.names()
    assert registry.find("ours").name == "sqlite"
    assert registry.find("sqlite").name == "sqlite"


def test_asking_for_names_imports_no_adapter() -> None:
    code = "import sys, datasyncd.adapters.registry as r; r.names(); print('aiosqlite' in sys.modules)"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"
