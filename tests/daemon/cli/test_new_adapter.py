"""`adapters new`: a package that is clean as it is made, and whose tests say what to write."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from datasyncd.adapters.testing.scaffold import LONGEST_NAME
from datasyncd.adapters.testing.suite import cases
from datasyncd.daemon.cli.group import group

ROOT = Path(__file__).parents[3]
PATIENCE_S = 100
LONG = "the_longest_name_of_an_adapter"

FILES = [
    "README.md",
    "pyproject.toml",
    "src/datasyncd_petshop/__init__.py",
    "src/datasyncd_petshop/adapter.py",
    "src/datasyncd_petshop/manifest.toml",
    "src/datasyncd_petshop/py.typed",
    "src/datasyncd_petshop/scratch.py",
    "tests/test_promises.py",
]


def new(*words: str | Path) -> Result:
    return CliRunner().invoke(group, ["adapters", "new", *map(str, words)])


def run(*words: str | Path, folder: Path, code: int = 0) -> str:
    """What a program prints; it must end with `code`."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MYPYPATH": str(ROOT / "src"), "COLUMNS": "300"}
    environ.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture
def petshop(tmp_path: Path) -> Path:
    """The folder of a new package."""
    done = new("petshop", tmp_path / "petshop")
    assert done.exit_code == 0, done.output
    return tmp_path / "petshop"


def test_the_package_has_all_that_an_adapter_needs(petshop: Path) -> None:
    assert sorted(path.relative_to(petshop).as_posix() for path in petshop.rglob("*") if path.is_file()) == FILES
    assert "$" not in "".join(path.read_text() for path in petshop.rglob("*") if path.is_file())


def test_a_script_is_told_what_was_made(tmp_path: Path) -> None:
    found = json.loads(new("petshop", tmp_path / "petshop", "--json").stdout)

    assert found == {"folder": str(tmp_path / "petshop"), "files": FILES}


def test_without_a_folder_it_is_named_by_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert new("pet_shop").exit_code == 0
    assert (tmp_path / "datasyncd-pet-shop/src/datasyncd_pet_shop/adapter.py").is_file()


@pytest.mark.parametrize("name", ["petshop", "x", LONG])
def test_it_is_clean_as_it_is_made(name: str, tmp_path: Path) -> None:
    assert len(LONG) == LONGEST_NAME
    folder = tmp_path / "made"
    assert new(name, folder).exit_code == 0

    run(sys.executable, "-m", "ruff", "check", ".", folder=folder)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", folder=folder)
    run(sys.executable, "-m", "mypy", "--strict", folder=folder)


def test_its_tests_fail_and_say_what_to_write_and_for_which_promise(petshop: Path) -> None:
    told = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", folder=petshop, code=1)

    assert f"{len(cases())} failed" in told
    words = r"^E .*: write `make` in src/datasyncd_petshop/scratch\.py: .* \(for promise (\d+): .+\)$"
    asked = re.findall(words, told, re.MULTILINE)
    assert sorted(map(int, asked)) == sorted(case.promise for case in cases())


def test_every_method_says_where_it_is_to_be_written_and_why(petshop: Path) -> None:
    package = petshop / "src/datasyncd_petshop"
    said = {
        "adapter": asked_for(loaded(package, "adapter").PetshopAdapter),
        "scratch": asked_for(loaded(package, "scratch").PetshopScratch),
    }

    assert list(said["adapter"]) == ["describe", "pull", "read", "find", "push"]
    assert list(said["scratch"]) == ["make", "remove", "insert", "update", "delete", "holds"]
    for file, methods in said.items():
        for name, text in methods.items():
            assert text.startswith(f"write `{name}` in src/datasyncd_petshop/{file}.py")
    assert [text for text in said["adapter"].values() if not re.search(r"promise \d+: \w+", text)] == []


def test_installed_it_is_listed_and_certified_by_the_same_words(petshop: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=tmp_path)
    python = place / "bin/python"
    [packages] = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_path('purelib')}\n")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", petshop, folder=tmp_path)
    (tmp_path / "config.toml").write_text(
        '[systems.pets]\nadapter = "petshop"\nurl = "https://pets.example"\n'
        '[entities.pet]\nidentify = ["name"]\n[entities.pet.fields]\nname = { type = "text" }\n'
        '[links.pets.pet]\nobject = "pets"\nkey = "id"\ndirection = "pull"\nmap = { name = "name" }\n'
    )

    listed = run(python, "-m", "datasyncd", "adapters", folder=tmp_path)
    assert re.search(r"^petshop +Petshop +datasyncd-petshop 0\.1\.0$", listed, re.MULTILINE)
    told = run(python, "-m", "datasyncd", "adapters", "certify", "pets", folder=tmp_path, code=1)
    assert "write `make` in src/datasyncd_petshop/scratch.py" in told
    # Its name is taken from now on.
    taken = run(python, "-m", "datasyncd", "adapters", "new", "petshop", "again", folder=tmp_path, code=64)
    assert "there is an adapter of that name" in taken


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Petshop", "small letters"),
        ("pet-shop", "joined by one underscore"),
        ("7up", "small letters"),
        ("pet__shop", "one underscore"),
        ("../petshop", "small letters"),
        ("class", "means something else"),
        ("certify", "means something else"),
        ("sqlite", "there is an adapter of that name"),
        ("hubspot", "or will be"),
        ("memory", "there is an adapter of that name"),
        ("x" * (LONGEST_NAME + 1), "longer than 30 characters"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, why: str, tmp_path: Path) -> None:
    done = new(name, tmp_path / "made")

    assert done.exit_code == 64
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_never_touched(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "petshop"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))

    done = new("petshop", place)

    assert done.exit_code == 64
    assert f"{place} is there already" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def asked_for(made: type) -> dict[str, str]:
    """What each method says that is yet to be written."""
    said = {}
    for name, method in vars(made).items():
        if inspect.isfunction(method) and "_unwritten(" in inspect.getsource(method):
            parameters = list(inspect.signature(method).parameters.values())[1:]
            values = [None for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
            with pytest.raises(NotImplementedError) as raised:
                finished(method(None, *values))
            said[name] = str(raised.value)
    return said


def loaded(package: Path, name: str) -> ModuleType:
    """A module of the new package, which is not installed."""
    if package.name not in sys.modules:
        imported(package.name, package / "__init__.py", [str(package)])
    return imported(f"{package.name}.{name}", package / f"{name}.py")


def imported(name: str, file: Path, search: list[str] | None = None) -> ModuleType:
    spec = spec_from_file_location(name, file, submodule_search_locations=search)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finished(call: object) -> None:
    """Run a coroutine that waits for nothing."""
    if inspect.iscoroutine(call):
        call.send(None)
