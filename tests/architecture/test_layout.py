"""The repository looks as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import datasyncd

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "datasyncd"

OURS = ("src", "tests", "docs", "systemd", ".ci")
"""The folders whose files are part of the repository, beside the files of the root."""


@pytest.mark.parametrize("name", ["adapters", "daemon", "reconcile", "state"])
def test_the_root_shows_the_architecture(name: str) -> None:
    link = ROOT / name

    assert os.readlink(link) == f"src/datasyncd/{name}"
    assert link.resolve() == PACKAGE / name


def test_every_folder_of_the_package_is_described() -> None:
    described = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"]

    assert [str(f.relative_to(PACKAGE)) for f in folders if f"`{f.name}/`" not in described] == []


def test_every_module_begins_by_saying_what_it_is() -> None:
    modules = [path for path in files("src", "tests") if path.suffix == ".py"]
    silent = [path for path in modules if ast.get_docstring(ast.parse(path.read_bytes())) is None]

    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_no_file_points_outside_the_repository() -> None:
    outside = b"../" + b"shared"

    assert [str(f.relative_to(ROOT)) for f in files(*OURS) if outside in f.read_bytes()] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_pin_everything_and_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]

    pinned = re.compile(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}")

    assert [line for line in lines if not pinned.match(line)] == []
    assert "://" not in text


def test_the_locks_cover_what_the_package_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[^a-z0-9._-]", requirement)[0] for requirement in declared]
    runtime, dev = (locked(name) for name in ("requirements.lock", "requirements-dev.lock"))

    assert [name for name in names if name not in runtime] == []
    assert {name: dev.get(name) for name in runtime} == runtime, "both locks hold the same versions"


def test_the_version_is_said_once_everywhere() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert datasyncd.__version__ == declared


def files(*folders: str) -> Iterator[Path]:
    """Files of the root and of `folders` in it, without what tools leave behind."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".log")
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                yield path


def locked(name: str) -> dict[str, str]:
    """The versions in a lock file, by package."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
