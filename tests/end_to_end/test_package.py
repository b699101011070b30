"""The package: its wheel, installed where nothing of the checkout is, is a `datasyncd` that works."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.daemon.cli.shop import Shop
from tests.end_to_end.example import ROOT

PATIENCE_S = 60
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DATASYNCD"))}

IMPORT_ALL = """
import importlib, pkgutil, sys
import datasyncd
assert datasyncd.__file__.startswith(sys.prefix), datasyncd.__file__
for module in pkgutil.walk_packages(datasyncd.__path__, "datasyncd."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def run(*words: str | Path, folder: Path, code: int = 0) -> str:
    """What a command prints, all of it; it must end with `code`."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=ENVIRON,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def built(source: Path, folder: Path, *kinds: str) -> list[Path]:
    """The archives of these kinds, made of a source tree without a network."""
    targets = [word for kind in kinds for word in ("-t", kind)]
    run(sys.executable, "-m", "hatchling", "build", *targets, "-d", folder, folder=source)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel."""
    [sdist, wheel] = sorted(built(ROOT, tmp_path_factory.mktemp("dist"), "wheel", "sdist"), key=lambda p: p.suffix)
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel, which sees the dependencies of this one."""
    place = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=place)
    python = place / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "-q", "--no-index", "--no-deps", archives[1], folder=place)
    # A path in a .pth file is not looked into for more of them, so the checkout itself stays unseen.
    [packages] = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def test_every_module_of_the_wheel_can_be_imported(installed: Path, tmp_path: Path) -> None:
    run(installed / "python", "-c", IMPORT_ALL, folder=tmp_path)


def test_the_installed_program_checks_and_syncs(installed: Path, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    program = installed / "datasyncd"

    assert run(program, "version", folder=tmp_path).startswith("datasyncd ")
    assert "the config can run" in run(program, "check", folder=tmp_path)
    run(program, "sync", folder=tmp_path)
    assert shop.holds("mail", 1, "name") == "Ann 1"


def test_the_installed_program_has_all_that_is_no_module(installed: Path, tmp_path: Path) -> None:
    program = installed / "datasyncd"

    for name in (
        "airbyte",
        "amqp",
        "carddav",
        "csv",
        "duckdb",
        "jsonl",
        "nats",
        "parquet",
        "postgres",
        "redis",
        "singer",
        "sqlite",
        "tryton",
    ):
        assert "promises" in run(program, "adapters", name, folder=tmp_path)
    assert "config.toml is written" in run(program, "init", tmp_path / "new", folder=tmp_path)


def test_the_installed_program_certifies_without_pytest_and_makes_a_new_adapter(
    installed: Path, tmp_path: Path
) -> None:
    Shop(tmp_path)
    bare = "import sys; sys.modules['pytest'] = None; from datasyncd.daemon.cli import main; main()"

    told = run(installed / "python", "-c", bare, "adapters", "certify", "crm", folder=tmp_path)
    assert "all that is promised was held" in told
    run(installed / "datasyncd", "adapters", "new", "petshop", folder=tmp_path)
    assert (tmp_path / "datasyncd-petshop/src/datasyncd_petshop/adapter.py").is_file()


def test_the_wheel_has_every_file_of_the_package(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("datasyncd/")}

    there = {path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT / "src").as_posix() for path in there} == packed


def test_the_source_archive_makes_the_same_wheel(archives: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(archives[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    [tree] = tmp_path.iterdir()

    [wheel] = built(tree, tmp_path / "again", "wheel")

    assert (tree / "systemd" / "datasyncd.service").is_file()
    with zipfile.ZipFile(wheel) as again, zipfile.ZipFile(archives[1]) as first:
        assert {name: again.read(name) for name in again.namelist()} == {
            name: first.read(name) for name in first.namelist()
        }
