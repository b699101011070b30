"""Scaffold: the package of an adapter that is yet to be written. Its tests say what to write, and for which promise.

The files of `template/` are those of the package, each with `.txt` at the end of its name: `$name` is what a config
says, `$module` the package in Python, `$Name` the beginning of its classes.
"""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template

import datasyncd
from datasyncd.adapters import registry

LONGEST_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*").fullmatch
_WORDS = frozenset({"certify", "list", "new"})
"""What `datasyncd adapters` would take for one of its sub-commands."""

_FILES = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "__init__.py": "src/$module/__init__.py",
    "adapter.py": "src/$module/adapter.py",
    "manifest.toml": "src/$module/manifest.toml",
    "py.typed": "src/$module/py.typed",
    "scratch.py": "src/$module/scratch.py",
    "test_promises.py": "tests/test_promises.py",
}
"""Template -> where it stands in the package."""


class Refused(ValueError):
    """Nothing is made, and why."""


def scaffold(name: str, folder: Path) -> list[Path]:
    """Make the package of an adapter of this name in a new folder: its files, relative to that.

    Raises `Refused` for a name that cannot be one or is taken, and for a folder that is there.
    """
    if why := _fault(name):
        raise Refused(f'"{name}" cannot be the name of an adapter: {why}')
    if folder.exists() or folder.is_symlink():
        raise Refused(f"{folder} is there already; nothing is written into it: name another folder, or move it away")
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "module": f"datasyncd_{name}",
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "version": datasyncd.__version__,
    }
    templates = resources.files(__package__).joinpath("template")
    made = []
    for template, place in _FILES.items():
        path = Path(Template(place).substitute(words))
        text = Template(templates.joinpath(f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        made.append(path)
    return sorted(made)


def _fault(name: str) -> str:
    """Why a name is none; "": it is one."""
    if _NAME(name) is None:
        return "expected small letters and digits, words joined by one underscore, such as petshop or pet_shop"
    if len(name) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} characters"
    if keyword.iskeyword(name) or name in _WORDS:
        return "the word means something else already; expected such as petshop"
    if registry.is_taken(name):
        return "there is an adapter of that name, or will be; `datasyncd adapters` lists them"
    return ""
